"""Whether dropout stands between a model's answer and its loss."""

from __future__ import annotations

import torch
from torch import Tensor

from tb_lossdiag.collect.check_up.loss.loss_call import CLASS_LOSSES, LossCall
from tb_lossdiag.collect.check_up.source import dropped
from tb_lossdiag.collect.check_up.values import Facts, rows
from tb_lossdiag.quantities import CALL_DROPPED, Source

_DISTANCES = frozenset({"mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"})
_LOGITS = CLASS_LOSSES | {"binary_cross_entropy_with_logits"}
_ROWS = 8192
_FEWEST = 8
"""Answers from which on it tells anything that some are 0."""


def dropped_facts(call: LossCall) -> Facts:
    """Share of a call's predictions that dropout has made exactly 0, behind a linear layer or where the others have both signs.

    Targets of 0 do not count, for a mask is laid over both; nor do rows and columns of which all is 0, for padding and classes that are
    shut out look so.
    """
    distance = call.name in _DISTANCES
    if not (distance or call.name in _LOGITS) or not call.input.is_floating_point():
        return {}
    given = call.input.detach()
    if given.numel() < _FEWEST or not given.dim():
        return {}
    made = dropped(call.made)
    if made is None:
        return {CALL_DROPPED: 0.0}
    # A layer's own numbers are not 0; others may be, but hardly between negative and positive ones.
    natural = made is not Source.LINEAR and not bool((given < 0).any() & (given > 0).any())
    return {CALL_DROPPED: 0.0 if natural else _share(given, call.target if distance else None)}


def _share(given: Tensor, target: Tensor | None) -> Tensor:
    predicted = rows(given.reshape(len(given), -1), _ROWS)
    zero = predicted == 0
    counts = torch.ones_like(zero)
    if target is not None and target.shape == given.shape:
        counts = rows(target.detach().reshape(len(given), -1), _ROWS) != 0
    if predicted.shape[1] > 1:
        counts = counts & ~zero.all(0) & ~zero.all(1, keepdim=True)
    return (zero & counts).sum() / counts.sum().clamp(min=1)
