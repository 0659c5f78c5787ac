"""How much of what samples cost is decided by a number that the model is given with each: the time of a diffusion."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from tb_lossdiag.collect.check_up.loss.loss_call import LossCall
from tb_lossdiag.collect.check_up.model.inputs import Dial
from tb_lossdiag.collect.check_up.values import Facts, scattered, wide
from tb_lossdiag.quantities import CALL_DIAL_LEVEL, CALL_DIAL_RATIO, CALL_DIAL_SHARE

_LOSSES = frozenset({"mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"})
_SAMPLES, _ELEMENTS = 4096, 256
"""Of a batch, and of a sample, that are looked at."""
_PARTS = 4
_MANY = 0.25
"""Different numbers, as a share of the samples: fewer are classes."""
_TINY = 1e-20


def dial_facts(call: LossCall, dials: Sequence[Dial]) -> Facts:
    """Share of the scatter that the number decides, error of the worst quarter over the best, and of all over the targets' variance.

    Args:
        call: a loss.
        dials: numbers of samples that the model was given.
    """
    target, answer = call.target, call.input
    if call.name not in _LOSSES or target is None or target.shape != answer.shape:
        return {}
    dial = next((number for number, shape in dials if shape == target.shape), None)
    if dial is None or dial.device != target.device:
        return {}
    return _facts(_rows(answer), _rows(target), wide(dial[:_SAMPLES]))


def _rows(tensor: Tensor) -> Tensor:
    flat = tensor.detach()[:_SAMPLES].flatten(1)
    places = scattered(flat.shape[1], min(_ELEMENTS, flat.shape[1]), flat.device)
    return wide(flat[:, places])


def _facts(answers: Tensor, targets: Tensor, dial: Tensor) -> Facts:
    if dial.unique().numel() < max(_MANY * len(dial), 2 * _PARTS):
        return {}
    errors = (answers - targets).square().mean(1)
    size = len(errors) // _PARTS
    parts = errors[dial.argsort()][: size * _PARTS].reshape(_PARTS, size)
    within = parts.var(1).mean()
    total = parts.flatten().var()
    if not bool(total > _TINY) or not bool(targets.var() > _TINY):
        return {}
    means = parts.mean(1)
    return {
        CALL_DIAL_SHARE: (1 - within / total).clamp_min(0),
        CALL_DIAL_RATIO: means.max() / means.min().clamp_min(_TINY),
        CALL_DIAL_LEVEL: errors.mean() / targets.var(),
    }
