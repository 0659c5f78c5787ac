"""How much outputs differ, over the size that they have."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

ROUNDING = 1e-3
"""Of the outputs' spread; below this it is rounding."""
_TINY = 1e-30


def change(before: Tensor, after: Tensor, axis: int, which: Tensor) -> float:
    """Largest change of an element of a sample, the median over these samples, over the standard deviation of all elements.

    NaN where the two have different shapes, or are not finite.

    Args:
        before: an output.
        after: the same of other input.
        axis: that holds the samples.
        which: bool[N]: samples to look at.
    """
    if before.shape != after.shape:
        return float("nan")
    one, other = (t.movedim(axis, 0)[which].float() for t in (before, after))
    return difference(one, other, float(before.float().std()))


def difference(one: Tensor, other: Tensor, spread: float) -> float:
    """Largest difference of an element of a sample, the median over the samples along the first axis, over this spread; NaN as above."""
    finite = bool(one.isfinite().all() and other.isfinite().all())
    if not (finite and spread > _TINY and one.numel()):
        return float("nan")
    return float((one - other).abs().reshape(len(one), -1).amax(1).median() / spread)


def whole_change(before: Tensor, after: Tensor) -> float:
    """The same of all samples, along the first axis."""
    return change(
        before, after, 0, torch.ones(before.shape[0], dtype=torch.bool, device=before.device)
    )


def largest(changes: Sequence[float]) -> float:
    """The largest that is known; NaN if none is."""
    known = [each for each in changes if each == each]  # noqa: PLR0124  (NaN is not itself)
    return max(known, default=float("nan"))


def halves(size: int, device: torch.device) -> Tensor:
    """bool[N]: every second one, from the first on."""
    return torch.arange(size, device=device) % 2 == 0
