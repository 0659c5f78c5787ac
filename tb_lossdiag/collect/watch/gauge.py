"""Norms of a fixed set of gradients on the host, in as few operations as can be: for steps that are like the one before."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from tb_lossdiag.collect.state.parameters import plain
from tb_lossdiag.collect.state.small_norms import SMALL

_FEW = 16
"""Up to so many norms are brought to Python one by one: no operation that would join them is cheaper."""
_SMALL = 8192
"""Elements up to which a gradient costs more by being touched than by being read: those of a shape are joined."""
_ALIKE = 4
"""So many of a shape at least."""
_CHUNK = 32_768
"""Elements that are joined at once, at most: below it PyTorch uses one thread, however many it may."""
_gradient: Callable[[Tensor], Any] = operator.attrgetter("grad")
_number: Callable[[Tensor], float] = Tensor.item
_norms: Callable[[list[Tensor]], Sequence[Tensor]] = torch._foreach_norm  # noqa: SLF001
_SINGLE = torch.float32

Norms = list[float] | Tensor
"""Of the gradients in their order: numbers, or float32[n]."""


class Gauge:
    """Takes the norms of the same parameters' gradients again and again, and keeps those gradients until it is told that they are over.

    The optimizer then finds their Python objects, which cost as much as half of a small gradient's norm.

    Args:
        held: parameters with a gradient; dense, of single precision, on the host.

    Attributes:
        held: those parameters.
        kept: gradients of the step that goes on.
    """

    def __init__(self, held: Sequence[Tensor]) -> None:
        self.held = list(held)
        self.kept: list[Tensor] = []
        self._joined = None if len(held) <= _FEW else _Joined([p.shape for p in held])

    @classmethod
    def of(cls, held: Sequence[Tensor]) -> Gauge | None:
        """One for these parameters, None where their gradients are of another kind."""
        grads = [p.grad for p in held if p.grad is not None]
        usual = len(grads) == len(held) > 0 and plain(grads) and grads[0].is_cpu
        return cls(held) if usual and not any(g.requires_grad for g in grads) else None

    @property
    def usual(self) -> bool:
        """Whether the gradients of the step that goes on are of that kind still."""
        return plain(self.kept)

    def norms(self) -> Norms | None:
        """Of the gradients as they are now, None where they are unusual: one is missing, tiny or not finite."""
        grads = self.kept = list(map(_gradient, self.held))
        try:
            if self._joined is not None:
                return self._joined.norms(grads)
            each = _norms(grads)
        except (TypeError, RuntimeError):  # None among them; sparse, another shape, another type
            return None
        values = list(map(_number, each))
        total = sum(values)
        usual = min(values) >= SMALL and total - total == 0.0 and each[0].dtype is _SINGLE
        return values if usual else None

    def known(self, each: Tensor) -> Norms | None:
        """Norms that somebody else has taken of these gradients, None where they are unusual."""
        self.kept = list(map(_gradient, self.held))
        if each.dtype is not torch.float32 or len(each) != len(self.held):
            return None
        if self._joined is not None:
            return each if _usual(each.min().item(), each.sum().item()) else None
        values: list[float] = each.tolist()
        return values if _usual(min(values), sum(values)) else None

    def over(self) -> None:
        """The step has ended: keep no gradient."""
        self.kept = []


class _Joined:
    """Norms of many tensors: small ones of a shape side by side, which is two operations for all of them.

    Args:
        shapes: of the tensors.
    """

    def __init__(self, shapes: Sequence[torch.Size]) -> None:
        self._apart, chunks = _divided(shapes)
        order = [*self._apart, *(place for chunk in chunks for place in chunk)]
        self._row = torch.empty(len(order), device="cpu", dtype=torch.float32)
        self._back = torch.tensor(order, device="cpu").argsort()
        begin = len(self._apart)
        self._groups: list[tuple[list[int], Tensor]] = []
        for chunk in chunks:
            self._groups.append((chunk, self._row[begin : begin + len(chunk)]))
            begin += len(chunk)

    def norms(self, grads: Sequence[Tensor]) -> Tensor | None:
        """float32[n], None where one is of another type, tiny or not finite."""
        for chunk, squares in self._groups:
            side = torch.stack([grads[place] for place in chunk]).view(len(chunk), -1)
            if side.dtype is not torch.float32:
                return None
            torch.sum(side.mul_(side), 1, out=squares)
        row = self._row.sqrt_()
        if self._apart:
            each = torch._foreach_norm([grads[place] for place in self._apart])  # noqa: SLF001
            if each[0].dtype is not torch.float32:
                return None
            torch.stack(each, out=row[: len(each)])
        total = row.sum().item()
        usual = row.min().item() >= SMALL and total - total == 0.0
        return row[self._back] if usual else None


def _usual(least: float, total: float) -> bool:
    """Whether no norm is tiny, and all are finite."""
    return least >= SMALL and total - total == 0.0


def _divided(shapes: Sequence[torch.Size]) -> tuple[list[int], list[list[int]]]:
    """Places of what stays apart, and of what is joined."""
    alike: dict[torch.Size, list[int]] = {}
    for place, shape in enumerate(shapes):
        alike.setdefault(shape, []).append(place)
    apart, chunks = [], []
    for shape, places in alike.items():
        if len(places) < _ALIKE or not 0 < shape.numel() <= _SMALL:
            apart += places
            continue
        size = max(1, (_CHUNK - 1) // shape.numel())
        chunks += [places[at : at + size] for at in range(0, len(places), size)]
    return sorted(apart), chunks
