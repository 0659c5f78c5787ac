"""What a loss by element tells: regression, binary cross-entropy, divergences."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from tb_lossdiag.collect.check_up.loss.class_facts import (
    SLACK,
    improbable,
    one_hot_share,
    row_facts,
)
from tb_lossdiag.collect.check_up.loss.concentration import expected_share, top_share
from tb_lossdiag.collect.check_up.loss.loss_call import LossCall
from tb_lossdiag.collect.check_up.loss.output_columns import column_facts
from tb_lossdiag.collect.check_up.values import Facts, Value, part, rows, wide
from tb_lossdiag.quantities import (
    CALL_ACCURACY,
    CALL_BASELINE,
    CALL_BOTH_COUNT,
    CALL_BOTH_NO,
    CALL_BOTH_WEIGHT,
    CALL_INVALID,
    CALL_MAJORITY,
    CALL_POS_WEIGHT,
    CALL_PREDICTED_MAJORITY,
    CALL_TARGET_ONE_HOT,
    CALL_TOP_EXPECTED,
    CALL_TOP_SHARE,
    Form,
)

_BINARY = {"binary_cross_entropy": 0.5, "binary_cross_entropy_with_logits": 0.0}
"""From which input on the function predicts a 1."""
_EVEN = 0.5
"""From which target on the label counts as a 1."""
_BENT = {"smooth_l1_loss": "beta", "huber_loss": "delta"}
"""Where each turns from a square to a straight line."""
_SIGNED = frozenset(
    {"cosine_embedding_loss", "margin_ranking_loss", "hinge_embedding_loss", "soft_margin_loss"}
)
"""What they take is 1 and -1."""
_RESIDUAL = frozenset({"mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"})
_LARGE = 2**24
"""Elements beyond which the loss isn't computed again by element."""
_ROWS = 8192
_OUTPUTS = 1024
_SAMPLED = 65_536


def element_facts(call: LossCall) -> Facts:
    """Validity of targets, concentration, baseline, and agreement of binary labels."""
    assert call.target is not None  # noqa: S101  (asked for calls with a target only)
    predicted, target = call.input.detach(), call.target.detach()
    wrong = (
        _blanks(call, target) if call.name == "ctc_loss" else _invalid(call, part(target, _SAMPLED))
    )
    facts: Facts = {CALL_INVALID: wrong}
    if target.dim() > 1:
        facts[CALL_TARGET_ONE_HOT] = one_hot_share(
            rows(target, _ROWS).reshape(min(len(target), _ROWS), -1)
        )
    if call.form is Form.LOG_PROBABILITIES and predicted.dim() > 1:
        facts |= row_facts(wide(rows(predicted.reshape(-1, predicted.shape[-1]), _ROWS)))
    if (heavier := _pos_weight(call)) is not None:
        facts[CALL_POS_WEIGHT] = heavier
    if call.name in _BINARY and predicted.shape == target.shape:
        facts |= _agreement(
            part(predicted, _SAMPLED) > _BINARY[call.name], part(target, _SAMPLED) >= _EVEN
        )
    facts |= _both_answers(call, target)
    facts |= column_facts(call, predicted, target)
    return (
        facts | _concentration(call, predicted, target) | {CALL_BASELINE: _baseline(call, target)}
    )


def _invalid(call: LossCall, target: Tensor) -> Tensor:
    """Share of targets that the function has no meaning for."""
    if call.name in _BINARY or (call.name == "kl_div" and not call.options.get("log_target")):
        return improbable(target)
    wrong = ~torch.isfinite(target)
    if call.name == "kl_div":
        # The logarithm of a probability of 0 is -Inf, and right.
        wrong = ~(target <= SLACK)
    if call.name == "poisson_nll_loss":
        wrong = ~(target >= 0)
    if call.name in _SIGNED:
        # Beside -1 a 0 is a tie; without one it was meant for it.
        wrong = wrong | ((target == 0) & ~(target < 0).any())
    return wrong.float().mean()


def _blanks(call: LossCall, target: Tensor) -> Tensor:
    """Share of the symbols that are the blank, which stands for none."""
    blank: Tensor = target.eq(call.options.get("blank", 0))
    if target.dim() < 2:  # noqa: PLR2004  (one after the other: all count)
        return blank.float().mean()
    lengths = torch.as_tensor(call.options["target_lengths"], device=target.device).reshape(-1, 1)
    spoken = torch.arange(target.shape[1], device=target.device) < lengths
    share: Tensor = (blank & spoken).sum() / spoken.sum()
    return share


def _agreement(best: Tensor, label: Tensor) -> Facts:
    ones, predicted = label.float().mean(), best.float().mean()
    return {
        CALL_ACCURACY: (best == label).float().mean(),
        CALL_MAJORITY: torch.maximum(ones, 1 - ones),
        CALL_PREDICTED_MAJORITY: torch.maximum(predicted, 1 - predicted),
    }


def _concentration(call: LossCall, predicted: Tensor, target: Tensor) -> Facts:
    if call.name not in _RESIDUAL and call.name not in _BINARY:
        return {}
    # Expanded here, for torch would warn of different sizes once more.
    both = torch.broadcast_tensors(predicted, target)
    if both[0].numel() > _LARGE:
        return {}
    return {
        CALL_TOP_SHARE: top_share(call.each(*both)),
        CALL_TOP_EXPECTED: expected_share(call.name, both[0].numel()),
    }


def _baseline(call: LossCall, target: Tensor) -> Value:
    """The loss of the best constant, one for each output."""
    heavier = _pos_weight(call)
    if (call.weighted and heavier is None) or target.dim() == 0 or target.shape[0] < 2:  # noqa: PLR2004
        return math.nan
    samples = rows(target, _ROWS)
    outputs = wide(rows(samples.reshape(len(samples), -1), _OUTPUTS, dim=1))
    each = (
        _bent_loss(call, outputs)
        if call.name in _BENT
        else _constant_loss(call.name, outputs, 1.0 if heavier is None else heavier)
    )
    if each is None:
        return math.nan
    shape = torch.broadcast_shapes(call.input.shape, target.shape)
    if call.options.get("reduction") == "batchmean":
        return each * float(math.prod(shape[1:]))
    return each * math.prod(shape) if call.summed else each


def _pos_weight(call: LossCall) -> Tensor | None:
    """float[]: what a positive answer counts, if that is all that was weighted, by one number."""
    heavier = call.options.get("pos_weight")
    if not isinstance(heavier, Tensor) or heavier.numel() != 1:
        return None
    return None if call.options.get("weight") is not None else wide(heavier.detach()).reshape(())


def _both_answers(call: LossCall, target: Tensor) -> Facts:
    """The mean weight of positive targets where each output has one, and how many targets there are of both kinds."""
    weight, beside = call.options.get("weight"), call.options.get("pos_weight")
    if call.name not in _BINARY or not isinstance(weight, Tensor) or beside is not None:
        return {}
    by_sample = weight.dim() >= target.dim() and weight.shape[0] != 1
    if target.dim() < 2 or by_sample or weight.device != target.device:  # noqa: PLR2004
        return {}
    yes = rows(target, _ROWS) >= _EVEN
    count = yes.sum().float()
    return {
        CALL_BOTH_WEIGHT: (wide(weight.detach()) * yes).sum() / count,
        CALL_BOTH_COUNT: count,
        CALL_BOTH_NO: (~yes).sum().float(),
    }


def _constant_loss(name: str, target: Tensor, heavier: Value = 1.0) -> Tensor | None:
    """Mean loss per element of the best constant for each column of real[N, outputs]; `heavier`: what a positive answer counts."""
    if name == "mse_loss":
        return target.var(0, correction=0).mean()
    if name == "l1_loss":
        median = target.sort(0).values[(len(target) - 1) // 2]
        return (target - median).abs().mean()
    if name in _BINARY:
        yes, no = target.mean(0) * heavier, 1 - target.mean(0)
        best = yes / (yes + no)
        return -(torch.xlogy(yes, best) + torch.xlogy(no, 1 - best)).mean()
    return None


def _bent_loss(call: LossCall, target: Tensor) -> Tensor:
    """The same of losses that are squares near 0 and straight beyond: of mean and median, the better; the best lies between them."""
    bend = float(call.options.get(_BENT[call.name], 1.0))
    mean, median = target.mean(0), target.sort(0).values[(len(target) - 1) // 2]
    cost = torch.minimum(_bent(target - mean, bend), _bent(target - median, bend)).mean()
    return cost * bend if call.name == "huber_loss" else cost


def _bent(residual: Tensor, bend: float) -> Tensor:
    """real[outputs]: mean of squares up to the bend and of straight lines beyond, which go up by 1."""
    size = residual.abs()
    square = residual.square() / max(2 * bend, 1e-30)
    return torch.where(size < bend, square, size - bend / 2).mean(0)
