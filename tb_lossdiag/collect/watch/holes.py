"""When a good part of a matrix became exactly 0 during its training, as under a mask made by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from tb_lossdiag.collect.check_up.values import is_real
from tb_lossdiag.collect.state.measurement import Measurement
from tb_lossdiag.collect.state.parameters import is_distributed
from tb_lossdiag.records import Floats, Record

_MATRICES, _ELEMENTS = 32, 512
"""Looked at; masks are laid on most matrices of a model, and the same elements are compared each time."""
_EMPTIED = 0.2
"""Of what was not 0 in a matrix; the smallest fifth of normally distributed weights holds less than a hundredth of its squared norm, and to lose it moves no loss."""


class Holes:
    """Looks now and then how many elements of the matrices are 0.

    Args:
        tell: takes the steps of two looks between which many became so.
    """

    def __init__(self, tell: Callable[[int, int], None]) -> None:
        self._tell, self._looked = tell, -1
        self._before: dict[str, float] = {}
        self._counted: list[tuple[str, Tensor]] = []

    def count(self, names: Sequence[str], tensors: Sequence[Tensor]) -> None:
        """Count them before a step: a mask that is laid on after each has been laid on, and momentum has not filled them again."""
        held = [(n, t) for n, t in zip(names, tensors, strict=True) if _counts(t)]
        held = held[:: 1 + len(held) // _MATRICES]
        with torch.no_grad():
            self._counted = [(name, _zeros(tensor.detach())) for name, tensor in held]

    def counted(self, step: int) -> Measurement:
        """The step has been taken and has this number: what is new is told once the counts are on the host."""
        held, self._counted = self._counted, []

        def finish(arrays: Sequence[Floats]) -> list[Record]:
            self._compare(step, {n: float(a[0]) for (n, _), a in zip(held, arrays, strict=True)})
            return []

        return Measurement([share for _, share in held], finish)

    def _compare(self, step: int, now: dict[str, float]) -> None:
        before, self._before = self._before, now
        earlier, self._looked = self._looked, step
        kept = [(1 - now[name]) / (1 - before[name]) for name in now if before.get(name, 1.0) < 1]
        if kept and 0 < min(kept) <= 1 - _EMPTIED:  # whoever prunes leaves some of each
            self._tell(earlier, step)


def _counts(tensor: Tensor) -> bool:
    """Whether it is a matrix that is trained, and lies here in one piece."""
    return (
        tensor.requires_grad
        and tensor.dim() > 1
        and is_real(tensor)
        and not is_distributed(tensor)
        and tensor.is_contiguous()
    )


def _zeros(tensor: Tensor) -> Tensor:
    """Share of zeros; an odd stride meets all columns of a matrix whose width is even."""
    stride = tensor.numel() // _ELEMENTS | 1
    return (tensor.view(-1)[::stride] == 0).float().mean()
