"""How the elements of each gradient are spread: histograms of their sizes, as often as a small part of the file can hold them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from tb_lossdiag.collect.check_up.values import is_real, scattered
from tb_lossdiag.collect.state.measurement import Measurement
from tb_lossdiag.quantities import HISTOGRAM, HISTOGRAM_BINS, HISTOGRAM_EDGES, packed_shares
from tb_lossdiag.records import Floats, Record

SAMPLE = 512
"""Elements of a gradient that stand for it: a share of 10 % is off by 1.3 % of all (standard deviation)."""
_SPARSER = 2**18
"""Bytes after which they become twice as sparse: a hundredth of what a run may take."""
_BYTES = 4 * len(HISTOGRAM)


class Histograms:
    """Decides which check-ups take histograms: the distance between two grows with the run, and faster the more parameters there are."""

    def __init__(self) -> None:
        """None taken."""
        self._next, self._growth, self._spent = 0, 0.05, 0

    def take(
        self, taken: int, names: tuple[str, ...], tensors: Sequence[Tensor]
    ) -> Measurement | None:
        """The histograms of all gradients, None where they are not due or there is none.

        Args:
            taken: steps before this one.
            names: of the parameters.
            tensors: the parameters.
        """
        if taken < self._next:
            return None
        found = histograms(names, tensors)
        if found is not None:
            self._account(taken, len(names) * _BYTES)
        return found

    def _account(self, taken: int, size: int) -> None:
        self._spent += size
        if self._spent >= _SPARSER:
            self._spent, self._growth = 0, 2 * self._growth
        self._next = taken + int(taken * self._growth)


def histograms(names: tuple[str, ...], tensors: Sequence[Tensor]) -> Measurement | None:
    """`HISTOGRAM` of the trained parameters' gradients; None without any."""
    where = [place for place, tensor in enumerate(tensors) if _has_gradient(tensor)]
    if not where:
        return None
    with torch.no_grad():
        shares = _shares([tensors[place].grad for place in where])

    def finish(arrays: Sequence[Floats]) -> list[Record]:
        rows = np.full((len(names), len(HISTOGRAM)), np.nan, np.float32)
        rows[where] = packed_shares(
            arrays[0].astype(np.float64).reshape(len(where), HISTOGRAM_BINS + 1)
        )
        return [Record(q, names, row) for q, row in zip(HISTOGRAM, rows.T, strict=True)]

    return Measurement([shares], finish)


def _has_gradient(tensor: Tensor) -> bool:
    grad = tensor.grad
    if grad is None or not tensor.requires_grad or not is_real(tensor):
        return False
    return not grad.is_sparse and grad.numel() > 0


def _shares(gradients: Sequence[Tensor | None]) -> Tensor:
    """float32[C, 33]: share of zeros, and of each bin; NaN where no element is finite."""
    sizes = _sampled(gradients)
    finite = torch.isfinite(sizes)
    known = finite.sum(1)
    sizes = sizes.masked_fill_(~finite, -1.0)
    above = [(sizes > 0).sum(1), *((sizes >= edge).sum(1) for edge in HISTOGRAM_EDGES[1:].tolist())]
    least = torch.stack([known, *above, torch.zeros_like(known)], dim=1)
    return (least[:, :-1] - least[:, 1:]).float() / known[:, None].float()


def _sampled(gradients: Sequence[Tensor | None]) -> Tensor:
    """float32[C, up to 512]: absolute elements of each, NaN behind those of small ones."""
    held = [gradient.detach() for gradient in gradients if gradient is not None]
    width = min(SAMPLE, max(gradient.numel() for gradient in held))
    sizes = torch.full((len(held), width), torch.nan, device=held[0].device)
    for row, gradient in zip(sizes, held, strict=True):
        flat = gradient.reshape(-1)
        some = flat if len(flat) <= SAMPLE else flat[scattered(len(flat), SAMPLE, flat.device)]
        row[: len(some)] = some
    return sizes.abs_()
