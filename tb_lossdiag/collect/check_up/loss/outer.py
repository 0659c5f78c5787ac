"""A column against a row: numbers of all samples against those of all others, on the way to the loss."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import Tensor

from tb_lossdiag.collect.check_up.functions import PLAIN
from tb_lossdiag.collect.check_up.loss.tape import Operation
from tb_lossdiag.collect.check_up.mode import FunctionCall

_OPERATIONS = ("sub", "rsub", "mul", "div")
"""Sums of a column and a row are how distances of all to all are written."""
_FEWEST, _LARGEST = 3, 2048
_KEPT = 8
_COLUMN = 2


class Outer:
    """Remembers results of (N, 1) against (N,) until the loss shows whether it was made from one."""

    def __init__(self) -> None:
        self._made: list[Tensor] = []
        self.samples = 0

    def note(self, call: FunctionCall) -> None:
        """A plain operation has returned."""
        result = call.result
        if not self.samples and type(result) is Tensor and _square(result) and _crossed(call):
            self._made = [*self._made, result.detach()][-_KEPT:]

    def confirm(self, operations: Iterable[Operation]) -> None:
        """A backward pass begins: is such a result part of what it starts from?"""
        places = {tensor.data_ptr(): len(tensor) for tensor in self._made}
        if places and not self.samples:
            found = (size for made in operations for size in _sizes(made, places))
            self.samples = next(filter(None, found), 0)


def _sizes(made: Operation, places: dict[int, int]) -> list[int]:
    every = [made.result, *made.operands]
    return [places.get(each.tensor.data_ptr(), 0) for each in every if _square(each.tensor)]


def _square(tensor: Tensor) -> bool:
    return (
        tensor.dim() >= _COLUMN
        and tensor.shape[0] == tensor.shape[1]
        and _FEWEST <= len(tensor) <= _LARGEST
    )


def _crossed(call: FunctionCall) -> bool:
    """Whether a column of one memory met a row of another, and nobody asked for it by giving the row another dimension."""
    tensors = [each for each in call.args[:2] if isinstance(each, Tensor)]
    if PLAIN[call.name] not in _OPERATIONS or len(tensors) != _COLUMN:
        return False
    column, row = sorted(tensors, key=lambda each: -each.dim())
    size, within = len(call.result), call.result.shape[_COLUMN:]
    fits = column.shape == (size, 1, *[1] * len(within)) and row.shape == (size, *within)
    # Slopes of heads meet places, which are as many by chance; a model's errors come with a gradient.
    known = not within or column.requires_grad or row.requires_grad
    return fits and known and _base(column) != _base(row) and not _widened(column)


def _base(tensor: Tensor) -> Any:
    return tensor.untyped_storage().data_ptr()


def _widened(column: Tensor) -> bool:
    """Whether it is a row that was given a dimension."""
    base = column._base  # noqa: SLF001
    return base is not None and base.dim() == 1
