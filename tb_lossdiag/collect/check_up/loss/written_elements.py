"""Losses by element that were written with plain operations: squares, absolute values, binary and Poisson likelihoods, divergences."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from tb_lossdiag.collect.check_up.loss.pieces import (
    KEPT_FINITE,
    SIGNED,
    Expression,
    Logarithm,
    Reduced,
    logarithm,
    origin,
)
from tb_lossdiag.collect.check_up.loss.tape import Operand, Operation
from tb_lossdiag.collect.check_up.loss.written import Written
from tb_lossdiag.collect.check_up.loss.written_residuals import residuals
from tb_lossdiag.collect.check_up.values import wide

_COMPLEMENT = 1e-2
"""Error of p + (1 - p) that clamping both leaves."""
_FEW = 4
"""Powers and prices that are tried."""


def distance(loss: Expression) -> Written | None:
    """A mean or sum of (a - b)², |a - b| or Huber's between them, of which one requires a gradient."""
    for known in residuals(loss):
        for name, each in _distances(loss, known.step, known.values):
            how = loss.reduced(each)
            if how is not None:
                found = Written(name, known.predicted, known.target.tensor, how.reduction)
                return found.counted(how)
    return None


def _distances(loss: Expression, step: Operation, residual: Tensor) -> Iterator[tuple[str, Tensor]]:
    """What was done with the difference, not only what has the same value: positive ones are their own absolute values."""
    done = {
        after.name
        for after in loss.named("pow", "mul", "abs")
        if any(origin(operand, SIGNED)[0].made_by is step for operand in after.operands)
    }
    if done & {"pow", "mul"}:
        yield "mse_loss", residual.square()
    if "abs" in done:
        yield "l1_loss", residual.abs()
        if loss.names & {"where", "clamp"}:
            yield (
                "smooth_l1_loss",
                functional.smooth_l1_loss(residual, torch.zeros_like(residual), reduction="none"),
            )


def binary(loss: Expression) -> Written | None:
    """-y log p - (1 - y) log(1 - p), of probabilities or of scores."""
    logs = [log for step in loss.named("mul") for o in step.operands if (log := logarithm(o))]
    for weighted, target in loss.pairs():
        log = logarithm(weighted)
        if log is None or not _unit(target.tensor):
            continue
        for rest in logs:
            found = _binary(loss, log, rest, target.tensor)
            if found is not None:
                return found
    return _binary_scores(loss) or _focal(loss, logs)


def _focal(loss: Expression, logs: list[Logarithm]) -> Written | None:
    """Both logarithms with a power of what the other one is of, and perhaps a price for each answer."""
    powers = [n for step in loss.named("pow") for n in step.numbers][:_FEW]
    masks = [m.tensor for _, m in loss.pairs() if m.tensor.dim() and _unit(m.tensor)]
    for log in logs:
        if log.made != "log" or log.operand.made_by is None or _complement(log):
            continue
        for y in (wide(m) for m in masks if m.shape == log.operand.tensor.shape):
            p = wide(log.operand.tensor).exp()
            for each in _focals(p, y, powers, loss.numbers):
                how = loss.evenly(each)
                if how is not None:
                    predicted, _ = origin(log.operand.made_by.operands[0], KEPT_FINITE)
                    # No constant is its baseline, as with weights.
                    return Written(
                        "binary_cross_entropy", predicted, y, how.reduction, {"weight": powers[0]}
                    ).counted(how)
    return None


def _focals(p: Tensor, y: Tensor, powers: list[float], numbers: list[float]) -> Iterator[Tensor]:
    prices = [n for n in dict.fromkeys(map(abs, numbers)) if 0 < n < 1][:_FEW]
    for power in powers:
        yes, no = -y * (1 - p) ** power * p.log(), -(1 - y) * p**power * (1 - p).log()
        yield yes + no
        yield from (price * yes + (1 - price) * no for price in prices)


def _binary(loss: Expression, log: Logarithm, rest: Logarithm, weight: Tensor) -> Written | None:
    yes, no = wide(log.operand.tensor), wide(rest.operand.tensor)
    if rest.operand is log.operand or not yes.shape == no.shape == weight.shape:
        return None
    if float((yes.exp() + no.exp() - 1).abs().max()) > _COMPLEMENT:
        return None
    how = loss.evenly(-(weight * yes + (1 - weight) * no))
    if how is None:
        return None
    # The first logarithm may be that of 1 - p, weighted by 1 - y: what was taken from 1 is not p.
    flipped = _complement(log)
    kept, target = (rest, 1 - weight) if flipped else (log, weight)
    made = kept.operand.made_by
    if made is None or not made.operands:
        return None
    if kept.made == "log_sigmoid":
        return Written(
            "binary_cross_entropy_with_logits", made.operands[0], target, how.reduction
        ).counted(how)
    predicted, _ = origin(made.operands[0], KEPT_FINITE)
    return Written("binary_cross_entropy", predicted, target, how.reduction).counted(how)


def _complement(log: Logarithm) -> bool:
    """Whether it is of 1 - p, or of sigmoid(-x)."""
    made = log.operand.made_by
    if made is None or not made.operands:
        return False
    inner, _ = origin(made.operands[0], KEPT_FINITE)
    return inner.made_by is not None and inner.made_by.name in ("rsub", "neg")


def _binary_scores(loss: Expression) -> Written | None:
    """In its stable forms, such as softplus(x) - x y."""
    if not loss.names & {"softplus", "log1p", "log"}:
        return None
    for scores, target in loss.pairs():
        if scores.tensor.shape != target.tensor.shape or not _answers(target.tensor):
            continue
        x, y = wide(scores.tensor), wide(target.tensor)
        each = functional.binary_cross_entropy_with_logits(x, y, reduction="none")
        how = loss.evenly(each)
        if how is not None:
            name = "binary_cross_entropy_with_logits"
            return Written(name, scores, target.tensor, how.reduction).counted(how)
    return None


def _answers(target: Tensor) -> bool:
    """Whether it may say yes or no: as it should, or by signs, which are taken for what they are not."""
    return _unit(target) or (target.numel() > 1 and bool((target.abs() == 1).all()))


def poisson(loss: Expression) -> Written | None:
    """Rate - count x log rate, or exp(x) - count x."""
    for weighted, target in loss.pairs():
        if weighted.tensor.shape != target.tensor.shape or float(target.tensor.min()) < 0:
            continue
        log, y = logarithm(weighted), wide(target.tensor)
        if log is not None and log.made == "log" and log.operand.made_by is not None:
            rate, _ = origin(log.operand.made_by.operands[0], KEPT_FINITE)
            how = loss.evenly(wide(rate.tensor) - y * wide(log.operand.tensor))
            if rate.intact and how is not None:
                return _counts(rate, target, how, log_input=False)
        x = wide(weighted.tensor)
        if log is None and "exp" in loss.names and (how := loss.evenly(x.exp() - y * x)):
            return _counts(weighted, target, how, log_input=True)
    return None


def _counts(rate: Operand, target: Operand, how: Reduced, *, log_input: bool) -> Written:
    options = {"log_input": log_input}
    return Written("poisson_nll_loss", rate, target.tensor, how.reduction, options).counted(how)


def divergence(loss: Expression) -> Written | None:
    """Kullback and Leibler's: y (log y - log p)."""
    for weighted, target in loss.pairs():
        step, y = weighted.made_by, wide(target.tensor)
        if step is None or step.name != "sub" or len(step.operands) != 2:  # noqa: PLR2004
            continue
        own, log = step.operands[0], logarithm(step.operands[1])
        if own.grad or log is None or log.sign < 0 or log.operand.tensor.shape != y.shape:
            continue
        each = torch.xlogy(y, y) - y * wide(log.operand.tensor)
        how = loss.evenly(each) if _unit(y) else None
        if how is not None:
            return Written("kl_div", log.operand, target.tensor, how.reduction).counted(how)
    return None


def _unit(tensor: Tensor) -> bool:
    low, high = torch.aminmax(wide(tensor))
    return float(low) >= 0 and float(high) <= 1
