"""Whether the answer stands in the question: one of the numbers that the model was given is each sample's target, but for a scale."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from tb_lossdiag.collect.check_up.loss.loss_call import LossCall
from tb_lossdiag.collect.check_up.values import Facts, rows
from tb_lossdiag.quantities import CALL_BY_PLACE, CALL_TOLD_BY, CALL_UNTOLD

_FEWEST = 16
"""Samples; in fewer a column may agree by chance."""
_TARGETS, _NUMBERS = 4, 4096
"""Numbers of a sample: of its target, and of what the model is given."""
_LOOKED_AT = 2**20
"""Numbers that are looked at; of more, some samples are left out."""
_TWO = 2


def told_facts(call: LossCall, given: Sequence[Tensor]) -> Facts:
    """Share of a target's variance that no single number of the input explains, which number explains most, and how targets follow their place.

    Of several targets the one that is told least. Nothing where there is too little to tell, or where the input is a single number:
    what is a straight line of that may be the task.

    Args:
        call: a loss call.
        given: the real tensors among the model's arguments.
    """
    target = _targets(call)
    numbers = None if target is None else _numbers(given, target)
    if target is None or numbers is None:
        return {}
    limit = max(_LOOKED_AT // numbers.shape[1], _FEWEST)
    wanted, told = _centred(rows(target, limit)), _centred(rows(numbers, limit))
    size, sizes = wanted.square().sum(0), told.square().sum(0)
    if not bool((size > 0).all()) or int((sizes > 0).sum()) < _TWO:
        return {}
    shared = (wanted.T @ told).square() / (size[:, None] * sizes)
    left, places = (1 - shared.nan_to_num(0.0)).min(1)
    least = left.argmax()
    order = _centred(torch.arange(len(wanted), device=wanted.device))
    along = (wanted[:, least] @ order) / (size[least] * order.square().sum()).sqrt()
    return {
        CALL_UNTOLD: left[least].clamp_min(0.0),
        CALL_TOLD_BY: places[least].float(),
        CALL_BY_PLACE: along,
    }


def _targets(call: LossCall) -> Tensor | None:
    """real[N, K]: the targets of a batch, few for each sample."""
    target = call.target
    if target is None or target.is_complex() or not target.dim() or len(target) < _FEWEST:
        return None
    flat = target.detach().reshape(len(target), -1)
    ignored = call.indexed and bool((flat == call.options.get("ignore_index", -100)).any())
    return None if ignored or flat.shape[1] > _TARGETS else flat


def _numbers(given: Sequence[Tensor], target: Tensor) -> Tensor | None:
    """real[N, D]: what the model is given of each sample; labels that it is given as well are no question."""
    own = [t.detach().reshape(len(t), -1) for t in given if t.dim() and len(t) == len(target)]
    asked = [t for t in own if t.shape[1] > target.shape[1] and t.device == target.device]
    width = sum(t.shape[1] for t in asked)
    return torch.cat(asked, 1) if asked and width <= _NUMBERS else None


def _centred(numbers: Tensor) -> Tensor:
    wide = torch.float32 if numbers.device.type == "mps" else torch.float64
    real = numbers.to(wide)
    return real - real.mean(0)
