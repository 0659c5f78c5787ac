"""Losses of overlap that were written with plain operations: Dice's, with or without squares, Jaccard's and Tversky's."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from tb_lossdiag.collect.check_up.loss.pieces import Expression
from tb_lossdiag.collect.check_up.loss.written import Written
from tb_lossdiag.collect.check_up.values import wide

_SMOOTHING = 4
"""Different numbers of the expression that are tried as what keeps the ratio finite."""
_LARGEST = 2.0
_LEAST = 0.01
_TELLING = 1e-3
"""Of an overlap: next to none is next to 0, as many other losses are of outputs next to 0."""


def overlap(loss: Expression) -> Written | None:
    """1 - 2 Σ p y / (Σ p + Σ y), or with prices of its own (Tversky): of all elements together, of each sample, of each class, or of each class of each sample."""
    if "div" not in loss.names:
        return None
    for predicted, target in loss.pairs():
        p, y = wide(predicted.tensor), wide(target.tensor)
        if p.shape != y.shape or p.dim() == 0 or p.numel() == 1 or not _mask(y):
            continue
        for score in _scores(loss, p, y):
            if abs(score) < _TELLING:
                continue
            # A sum of overlaps, or its negative, is a loss as well as what is left to 1.
            if loss.equals(1 - score) or loss.equals(-score):
                return Written("dice_loss", predicted, target.tensor, "mean")
    return None


def _mask(y: Tensor) -> bool:
    return float(y.min()) >= 0 and 0 < float(y.max()) <= 1


def _scores(loss: Expression, p: Tensor, y: Tensor) -> Iterator[float]:
    """What the overlap comes to, in each way that is in use."""
    small = [n for n in dict.fromkeys(map(abs, loss.numbers)) if 0 < n <= _LARGEST]
    smoothing = [0.0, *small[:_SMOOTHING]]
    for dims in _spans(p.dim()):
        both, ones, given = ((p * y).sum(dims).cpu(), p.sum(dims).cpu(), y.sum(dims).cpu())
        squares = p.square().sum(dims).cpu() + y.square().sum(dims).cpu()
        for above in smoothing:
            for below in dict.fromkeys((above, *smoothing)):
                yield float(((2 * both + above) / (ones + given + below)).mean())
                yield float(((2 * both + above) / (squares + below)).mean())
                yield float(((both + above) / (ones + given - both + below)).mean())
            for false, missed in _prices(loss):
                wrong = false * (ones - both) + missed * (given - both)
                yield float(((both + above) / (both + wrong + above)).mean())


def _prices(loss: Expression) -> list[tuple[float, float]]:
    """What Tversky's index takes for what was found and is not there, and the other way round: numbers of the expression."""
    known = [n for n in dict.fromkeys(map(abs, loss.numbers)) if _LEAST < n < 1][:_SMOOTHING]
    return [(one, other) for one in known for other in known if one + other <= 1 + _LEAST]


def _spans(dims: int) -> Iterator[tuple[int, ...]]:
    """Dimensions that are added up: all; those of a sample; those of a class; those of a class of a sample."""
    yield tuple(range(dims))
    if dims > 1:
        yield tuple(range(1, dims))
        yield tuple(d for d in range(dims) if d != 1)
    if dims > 2:  # noqa: PLR2004
        yield tuple(range(2, dims))
