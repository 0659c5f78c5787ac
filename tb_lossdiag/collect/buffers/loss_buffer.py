"""Losses and their terms, step by step until they are handed on together; and the user's own values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from tb_lossdiag.collect.state.measurement import Measurement
from tb_lossdiag.collect.state.transfer import Number, gather
from tb_lossdiag.quantities import (
    EXTRA,
    LOSS,
    LOSS_NONFINITE,
    LOSS_TERM,
    LOSS_TERM_ATTACHED,
    LOSS_TERM_NONFINITE,
    LOSS_WEIGHT,
    PLAYER_LOSS,
    PLAYER_LOSS_NONFINITE,
    VALIDATION_LOSS,
    VALIDATION_LOSS_NONFINITE,
    VALIDATION_LOSS_TERM,
    VALIDATION_LOSS_TERM_NONFINITE,
    VALIDATION_LOSS_WEIGHT,
    Quantity,
)
from tb_lossdiag.records import Floats, FrameBlock, Record

_LOSS = {
    "train": (LOSS, LOSS_NONFINITE),
    "validation": (VALIDATION_LOSS, VALIDATION_LOSS_NONFINITE),
}
_TERM = {
    "train": (LOSS_TERM, LOSS_TERM_NONFINITE, LOSS_WEIGHT, LOSS_TERM_ATTACHED),
    "validation": (
        VALIDATION_LOSS_TERM,
        VALIDATION_LOSS_TERM_NONFINITE,
        VALIDATION_LOSS_WEIGHT,
    ),
}


class LossBuffer:
    """Values of the same columns at steps that do not fall; each step's wait on their device until `take`.

    Args:
        columns: C names.
        quantities: what the values are, how many are not finite and, if there are weights, those and what else belongs to a term.

    Attributes:
        replaced: is told of a step and time at which another first number is given again.
        newest: the step that was given last.
        rows: step, wall time and numbers of each that waits; a step given again replaces what it had, see `put`.
    """

    def __init__(self, columns: tuple[str, ...], quantities: Sequence[Quantity]) -> None:
        self.columns, self._quantities = columns, quantities
        self.replaced: Callable[[int, float], object] = lambda _, __: None
        self.newest = -1
        self.rows: list[tuple[Any, ...]] = []

    @property
    def depth(self) -> int:
        """Numbers of a column and step: its value and what belongs to it."""
        return len(self._quantities) - 1

    @classmethod
    def total(cls, phase: str) -> LossBuffer:
        """Of the total loss."""
        return cls(("",), _LOSS[phase])

    @classmethod
    def own(cls, name: str) -> LossBuffer:
        """Of one of several models."""
        return cls((name,), (PLAYER_LOSS, PLAYER_LOSS_NONFINITE))

    @classmethod
    def terms(cls, phase: str, names: tuple[str, ...]) -> LossBuffer:
        """Of terms before weighting, each followed by its weight and, in training, whether it is attached."""
        return cls(names, _TERM[phase])

    def __len__(self) -> int:
        """Steps that wait."""
        return len(self.rows)

    def put(self, step: int, walltime: float, numbers: Sequence[Number]) -> None:
        """Take a step's numbers. A step given again replaces what it had; a tensor may change afterwards."""
        if self.newest == step:
            self._replace(step, walltime, numbers[0])
        self.newest = step
        kept = [n if isinstance(n, float) else n.clone() for n in numbers]
        self.rows.append((step, walltime, *kept))

    def _replace(self, step: int, walltime: float, first: Number) -> None:
        """The newest step's numbers, unless they have been taken, are no longer its own."""
        old = self.rows.pop()[2] if self.rows else None
        if type(old) is Tensor or old != first:  # what is on a device is not waited for
            self.replaced(step, walltime)

    def clear(self) -> None:
        """Nothing waits any more."""
        self.rows = []

    def take(self) -> FrameBlock:
        """All of them, after one transfer; they wait no longer."""
        rows, self.rows = self.rows, []
        numbers = on_host([number for row in rows for number in row[2:]])
        matrix = numbers.reshape(len(rows), len(self.columns), -1)
        values = matrix[:, :, 0]
        weights = [matrix[:, :, i] for i in range(1, matrix.shape[2])]
        found = dict(
            zip(self._quantities, [values, _nonfinite(values), *weights], strict=True),
        )
        steps = np.array([row[0] for row in rows], np.int64)
        return FrameBlock(self.columns, steps, np.array([row[1] for row in rows]), found)


def on_host(numbers: Sequence[Number]) -> Floats:
    """float32[n] of numbers and 0-d tensors, after one transfer for each device."""
    if {*map(type, numbers)} == {float}:
        return np.array(numbers, np.float32)
    tensors = [index for index, number in enumerate(numbers) if isinstance(number, Tensor)]
    values: Floats = np.array([0.0 if isinstance(n, Tensor) else n for n in numbers], np.float32)
    if tensors:
        values[tensors] = np.concatenate(gather([numbers[index] for index in tensors]))  # type: ignore[misc]
    return values


def own(values: Mapping[str, Tensor]) -> Measurement:
    """Own values {name: 0-d tensor}."""
    names = tuple(values)
    return Measurement(
        list(values.values()), lambda arrays: [Record(EXTRA, names, np.concatenate(arrays))]
    )


def _nonfinite(values: Floats) -> Floats:
    return (~np.isfinite(values)).astype(np.float32)
