"""What the call of a loss function tells, by value."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from tb_lossdiag.collect.check_up.loss.class_facts import Labels, class_facts
from tb_lossdiag.collect.check_up.loss.element_facts import element_facts
from tb_lossdiag.collect.check_up.loss.loss_call import CLASS_LOSSES, LossCall
from tb_lossdiag.collect.check_up.source import source, source_before
from tb_lossdiag.collect.check_up.values import Facts, Value, part, variation, wide
from tb_lossdiag.quantities import (
    CALL_BROADCAST,
    CALL_FORM,
    CALL_INPUT_MAX,
    CALL_INPUT_MEAN,
    CALL_INPUT_MIN,
    CALL_INPUT_STD,
    CALL_MARGIN,
    CALL_OUTPUTS,
    CALL_SAMPLES,
    CALL_SOURCE,
    CALL_SOURCE_BEFORE,
    CALL_SUMMED,
    CALL_TARGET_INDEX,
    CALL_TARGET_MAX,
    CALL_TARGET_MEAN,
    CALL_TARGET_MIN,
    CALL_TARGET_STD,
    CALL_TARGET_UNIQUE,
    CALL_TARGET_WHOLE,
    CALL_UNIT_SHARE,
    CALL_VALUE,
    CALL_VARIATION,
    CALL_WEIGHTED,
    made_for,
)

SAMPLED = 65_536
"""Elements that means, shares and numbers of values are taken from; extremes look at all."""
_MANY = 1000
"""Different values are counted up to this number."""


def loss_facts(call: LossCall) -> tuple[Facts, Labels | None]:
    """All facts of a call, and the labels' frequencies for a class loss."""
    call = call.answered
    facts = _form(call) | _input(call) | _target(call) | _margin(call)
    if call.target is None or call.input.is_complex():
        return facts, None
    if call.name in CLASS_LOSSES:
        more, labels = class_facts(call)
        return facts | more, labels
    return facts | element_facts(call), None


def _form(call: LossCall) -> Facts:
    """Shapes, reduction and value."""
    sequence = made_for(call.name).sequence and call.input.dim() > 2  # noqa: PLR2004
    samples = call.input.shape[1 if sequence else 0] if _batched(call) else 1
    outputs = call.input.shape[-1] if sequence else call.input.numel() / samples
    before = source_before(call.made)
    if call.name in CLASS_LOSSES:
        outputs = call.input.shape[1 if _batched(call) else 0]
    return {
        CALL_VALUE: math.nan if call.value is None else wide(call.value.detach()).mean(),
        CALL_SUMMED: float(call.summed),
        CALL_SAMPLES: float(samples),
        CALL_OUTPUTS: float(outputs),
        CALL_BROADCAST: _broadcast(call),
        CALL_SOURCE: float(source(call.made)[0]),
        CALL_SOURCE_BEFORE: math.nan if before is None else float(before),
        CALL_FORM: float(call.form),
        CALL_WEIGHTED: float(call.weighted),
        CALL_TARGET_INDEX: float(call.indexed),
    }


def _margin(call: LossCall) -> Facts:
    margin = call.options.get("margin") if call.name.startswith("triplet") else None
    return {CALL_MARGIN: float(margin)} if isinstance(margin, (int, float)) else {}


def _batched(call: LossCall) -> bool:
    return call.input.dim() > (1 if call.name in CLASS_LOSSES else 0)


def _broadcast(call: LossCall) -> float:
    """Elements of the broadcast of input and target over those of the larger one; NaN where they aren't compared by element."""
    if call.target is None or not call.by_element:
        return math.nan
    try:
        together = torch.broadcast_shapes(call.input.shape, call.target.shape)
    except RuntimeError:
        return math.nan
    return float(math.prod(together)) / max(call.input.numel(), call.target.numel())


def _input(call: LossCall) -> Facts:
    predicted = call.input
    if not predicted.is_floating_point():
        return {}
    low, high = torch.aminmax(predicted.detach())
    some = part(predicted, SAMPLED)
    std, mean = torch.std_mean(some, correction=0)
    return {
        CALL_INPUT_MIN: low,
        CALL_INPUT_MAX: high,
        CALL_INPUT_MEAN: mean,
        CALL_INPUT_STD: std,
        CALL_UNIT_SHARE: ((some >= 0) & (some <= 1)).float().mean(),
        CALL_VARIATION: variation(predicted, SAMPLED) if _batched(call) else math.nan,
    }


def _target(call: LossCall) -> Facts:
    """Scale of the targets that count."""
    if call.target is None or call.target.is_complex():
        return {}
    every = call.target.detach().reshape(-1)
    if call.indexed:
        every = every[every != call.options.get("ignore_index", -100)]
    if not every.numel():
        return {}
    low, high = torch.aminmax(every if every.dtype is not torch.bool else every.to(torch.uint8))
    some = part(every, SAMPLED)
    std, mean = torch.std_mean(some, correction=0)
    return {
        CALL_TARGET_MIN: low,
        CALL_TARGET_MAX: high,
        CALL_TARGET_MEAN: mean,
        CALL_TARGET_STD: std,
        CALL_TARGET_WHOLE: (some == some.round()).float().mean(),
        CALL_TARGET_UNIQUE: _different(some),
    }


def _different(values: Tensor) -> Value:
    """Number of different values, counted up to 1000."""
    ordered = values.sort().values
    return ((ordered[1:] != ordered[:-1]).sum() + 1).clamp_max(_MANY)
