"""Losses of a difference that were written with plain operations, beside squares and absolute values: lengths, quantiles, likelihoods."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from tb_lossdiag.collect.check_up.loss.pieces import SIGNED, Expression, origin
from tb_lossdiag.collect.check_up.loss.tape import Operand, Operation
from tb_lossdiag.collect.check_up.loss.written import Written
from tb_lossdiag.collect.check_up.values import wide

_FEW = 8
"""Different numbers or divisors of the expression that are tried."""
_TORCH_EPS = 1e-6
_SOFT = 0.1
"""The largest number that only rounds a corner off."""
_HALF_LOG_2_PI = 0.5 * math.log(2 * math.pi)
_MATRIX = 2
_FAR = 100.0
"""The largest bend that is tried."""
_OWN = {"weight": "by hand"}
"""No function of torch's says what a constant answer costs."""
Forms = Iterator[tuple[str, Tensor]]


class Residual(NamedTuple):
    """A difference, of which one side requires a gradient.

    Attributes:
        step: the operation that made it.
        predicted: that side.
        target: the other one.
        values: prediction less target.
    """

    step: Operation
    predicted: Operand
    target: Operand
    values: Tensor


def residuals(loss: Expression) -> Iterator[Residual]:
    """Those of an expression."""
    for step in loss.named("sub", "rsub", "distance"):
        if len(step.operands) != 2 or not step.result.intact:  # noqa: PLR2004
            continue
        one, other = step.operands
        predicted, target = (one, other) if one.grad else (other, one)
        if target.grad or predicted.leaf or not (one.intact and other.intact):
            continue
        yield Residual(step, predicted, target, _apart(step, first=predicted is one))


def _apart(step: Operation, *, first: bool) -> Tensor:
    """Prediction less target."""
    if step.name != "distance":
        values = wide(step.result.tensor)
        return values if first is (step.name == "sub") else -values
    one, other = (wide(operand.tensor) for operand in step.operands)
    values = one - other + _TORCH_EPS  # which torch adds to keep a length of 0 away
    return values if first else -values


def residual(loss: Expression) -> Written | None:
    """A mean or sum of one of these."""
    for known in residuals(loss):
        for form in _FORMS:
            for name, each in form(loss, known):
                how = loss.reduced(each)
                if how is not None:
                    own = {} if name == "mse_loss" else _OWN
                    found = Written(name, known.predicted, known.target.tensor, how.reduction, own)
                    return found.counted(how)
    return None


def _numbers(loss: Expression, least: float, most: float) -> list[float]:
    known = dict.fromkeys(abs(n) for n in loss.numbers if least < abs(n) < most)
    return list(known)[:_FEW]


def _lengths(loss: Expression, known: Residual) -> Forms:
    """|p - y| of each row, or of each element with its corner rounded off."""
    if not loss.names & {"sqrt", "norm", "distance"}:
        return
    square = known.values.square()
    if "norm" in loss.names and loss.names & {"pow", "mul"}:
        yield "mse_loss", square
    rounded = [0.0, *(n for m in _numbers(loss, 0, _SOFT) for n in (m, m * m))]
    for dim in dict.fromkeys((-1, 1)) if square.dim() >= _MATRIX else ():
        for soft in rounded:
            yield "norm_loss", (square.sum(dim) + soft).sqrt()
    for soft in rounded[1:]:
        yield "charbonnier_loss", (square + soft).sqrt()


def _log_cosh(loss: Expression, known: Residual) -> Forms:
    if loss.names & {"cosh", "softplus"}:
        size = known.values.abs()
        yield "log_cosh_loss", size + functional.softplus(-2 * size) - math.log(2)


def _relative(loss: Expression, known: Residual) -> Forms:
    """|p - y| / |y|, or over the mean of both."""
    if "div" not in loss.names:
        return
    size, y = known.values.abs(), wide(known.target.tensor).abs()
    if size.shape != y.shape or not bool((y > 0).any()):
        return
    for small in (0.0, *_numbers(loss, 0, _SOFT)):
        yield "mape_loss", size / (y + small)
        yield "mape_loss", size / y.clamp_min(small)
        yield "smape_loss", size / (y + wide(known.predicted.tensor).abs() + small)


def _bent(loss: Expression, known: Residual) -> Forms:
    """Squares near 0 and straight lines beyond, by whatever way."""
    if not loss.names & {"where", "clamp", "min", "max"}:
        return
    size = known.values.abs()
    for bend in dict.fromkeys((1.0, *_numbers(loss, 0, _FAR))):
        near = size.clamp_max(bend)
        yield "huber_loss", 0.5 * near.square() + bend * (size - near)


def _quantiles(loss: Expression, known: Residual) -> Forms:
    """The larger of q (y - p) and (q - 1) (y - p); q is a number, or one for each output."""
    if not loss.names & {"max", "where", "relu", "clamp"}:
        return
    levels: list[Tensor | float] = [*_numbers(loss, 0, 1)]
    levels += [wide(q) for q in _factors(loss, known) if 0 < float(q.min()) <= float(q.max()) < 1]
    for level in levels:
        yield "quantile_loss", torch.maximum(-level * known.values, (1 - level) * known.values)


def _factors(loss: Expression, known: Residual) -> list[Tensor]:
    """What the difference was multiplied with, that no gradient flows to."""
    return [
        other.tensor
        for this, other in loss.pairs()
        if origin(this, SIGNED)[0].made_by is known.step and other.tensor.dim() <= this.tensor.dim()
    ]


def _gaussian(loss: Expression, known: Residual) -> Forms:
    """Log σ + (y - p)² / 2 σ², with half of a square or all of it, and with its constant or without."""
    if not loss.names & {"log", "exp"} or "div" not in loss.names | _by_precision(loss):
        return
    square = known.values.square()
    for variance in _variances(loss, square):
        each = 0.5 * (variance.log() + square / variance)
        for form in (each, 2 * each, each + _HALF_LOG_2_PI):
            yield "gaussian_nll_loss", form


def _by_precision(loss: Expression) -> set[str]:
    """A variance may be multiplied with by its inverse."""
    return {"div"} if {"exp", "mul"} <= loss.names else set()


def _variances(loss: Expression, square: Tensor) -> Iterator[Tensor]:
    """What may be one: a divisor, its square, half of it, or the inverse of a factor."""
    found = 0
    for step in loss.named("div", "mul"):
        for operand in step.operands[1:] if step.name == "div" else step.operands:
            by = wide(operand.tensor)
            fits = operand.grad and operand.intact and by.dim() == square.dim()
            if not fits or found > _FEW or not bool((by > 0).all()):
                continue
            found += 1
            one = by if step.name == "div" else 1 / by
            for variance in (one, one.square(), one / 2):
                if torch.broadcast_shapes(variance.shape, square.shape) == square.shape:
                    yield variance


_FORMS: tuple[Callable[[Expression, Residual], Forms], ...] = (
    _lengths,
    _log_cosh,
    _bent,
    _relative,
    _quantiles,
    _gaussian,
)
