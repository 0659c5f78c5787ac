"""This rank's part of several steps' norms, as sums of squares on their device, and what tells whether all ranks mean the same steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tb_lossdiag.collect.buffers.norm_buffer import StepInfo
from tb_lossdiag.quantities import PARAMETER_NORM, UPDATE_NORM
from tb_lossdiag.records import Doubles

ROUND = 16
"""Steps that are added up at once."""
PLACES = {PARAMETER_NORM: 1, UPDATE_NORM: 2}
"""Where these stand in a step's slot, after the gradients."""
_COUNT, _STEP = -2, -1
"""The last columns: how many ranks gave this kind; how many named the step, its number, the number squared."""
_MODULUS = 4096
"""Of the numbers: squares, summed over thousands of ranks, stay exact."""


@dataclass
class Slots:
    """A round's sums.

    Attributes:
        width: number of parameters.
        mine: float32[width], 1 where this rank's part of a column counts, 0 where another's does.
    """

    width: int
    mine: Tensor
    _sums: Tensor | None = None

    def fill(self, slot: int, kind: int, where: Sequence[int], norms: Tensor) -> None:
        """Take norms of some columns."""
        if self._sums is None:
            self._sums = self._empty().to(norms.device)
        columns = torch.as_tensor(list(where), device=norms.device)
        square = norms.detach().double().square()
        mine = self.mine.to(norms.device)[columns] > 0
        self._sums[slot, kind, columns] = torch.where(mine, square, 0.0)
        self._sums[slot, kind, _COUNT] = 1.0

    def arrived(self) -> None:
        """Wait until everything given has been computed, and with it what the ranks had to exchange before."""
        if self._sums is not None:
            self._sums.sum().item()

    def take(self, rows: Mapping[int, StepInfo]) -> Tensor:
        """float64[ROUND, 3, width + 2] on the host, the steps of these slots named; the next round begins with nothing."""
        sums = self._empty() if self._sums is None else self._sums.cpu()
        self._sums = None
        for slot, row in rows.items():
            if row.named:
                step = row.step % _MODULUS
                sums[slot, :, _STEP] = torch.tensor([1.0, step, step * step], dtype=torch.float64)
        return sums

    def _empty(self) -> Tensor:
        return torch.zeros((ROUND, 1 + len(PLACES), self.width + 2), dtype=torch.float64)


def nothing(width: int) -> Doubles:
    """Of a step of which nothing is known."""
    sums: Doubles = torch.zeros((1 + len(PLACES), width + 2), dtype=torch.float64).numpy()
    return sums


def givers(sums: Doubles, kind: int = 0) -> float:
    """How many ranks gave norms of a kind."""
    return float(sums[kind, _COUNT])


def apart(sums: Doubles) -> bool:
    """Whether ranks that named the step gave it different numbers."""
    named, total, squared = sums[:, _STEP]
    return bool(named * squared != total * total)
