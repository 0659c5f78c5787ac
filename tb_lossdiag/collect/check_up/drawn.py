"""Whether a model's matrices are as they were drawn when a training begins, or have learned before."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from tb_lossdiag.collect.check_up.subject import Subject
from tb_lossdiag.collect.check_up.values import Facts
from tb_lossdiag.quantities import LEARNED_BEFORE

_MOST, _LARGEST = 8, 512
"""Matrices, half of them from the beginning and half from the end, and rows and columns of each."""
_ENOUGH = 0.5
_SURE, _LAST = 4.0, 2.5
"""Standard errors: of one matrix in 30,000 as drawn, and, of the last one, which has few rows, of one in fifty (chi-square of nine)."""


class Drawn:
    """Compares lengths of rows and columns with what draws of one distribution would give: training gives some more than others.

    Args:
        subject: what is watched.
    """

    def __init__(self, subject: Subject) -> None:
        self._subject, self._done = subject, False

    def facts(self) -> Facts:
        """Once, before the first step: 1 if most matrices and the last one have learned, else 0."""
        if self._done:
            return {}
        self._done = True
        found = [_unevenness(matrix) for matrix in _matrices(self._subject.root())]
        if not found:
            return {}
        uneven = torch.stack([each.to(found[-1].device) for each in found])
        learned = (uneven >= _SURE).double().mean() >= _ENOUGH
        return {LEARNED_BEFORE: (learned & (uneven[-1] >= _LAST)).float()}


def as_drawn(matrix: nn.Parameter) -> bool:
    """Whether it varies, and its rows and columns no more than draws of one distribution would."""
    return _is_matrix(matrix) and bool(_unevenness(matrix.detach()) < _SURE)


def _matrices(model: nn.Module) -> list[Tensor]:
    """Weights of layers, no tables: a row of those may be 0 by design."""
    tables = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    weights = [w for m in model.modules() if (w := getattr(m, "weight", None)) is not None]
    found = {id(w): w.detach() for w in weights if isinstance(w, nn.Parameter) and _is_matrix(w)}
    kept = [w for i, w in found.items() if i not in tables]
    half = _MOST // 2
    return kept if len(kept) <= _MOST else [*kept[:half], *kept[-half:]]


def _is_matrix(weight: Tensor) -> bool:
    usual = not is_lazy(weight) and weight.is_floating_point() and weight.dim() > 1
    return usual and min(weight.flatten(1).shape) > 1


def _unevenness(weight: Tensor) -> Tensor:
    """float64[]: by how many standard errors squared lengths of rows, or of columns, vary more than sums of single draws would."""
    squares = weight.flatten(1)[:_LARGEST, :_LARGEST].double().square()
    found = []
    for dim in (0, 1):
        count, each = squares.shape[dim], squares.shape[1 - dim]
        ratio = squares.sum(1 - dim).var() / (each * squares.var())
        found.append((ratio - 1) * ((count - 1) / 2) ** 0.5)
    return torch.stack(found).max()
