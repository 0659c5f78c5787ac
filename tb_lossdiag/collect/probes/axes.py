"""Along which axis a model's samples lie: what its arguments and outputs allow."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tb_lossdiag.collect.check_up.values import is_real, wide

_FEWEST = 4
"""Samples: two are kept."""
_MATRIX = 2
_LENGTHS = 3
"""Different ones among the rows: two may be chance in a table of few numbers."""
_ROWS = 8
"""Lengths, at least: of fewer nobody can tell whether one has to do with the next."""
_SMOOTH, _APART = 0.5, 0.8
"""Squared steps from one place to the next over twice the variance: 1 where neighbours have nothing in common, next to 0 in a smooth curve."""


@dataclass(frozen=True)
class SampleAxis:
    """One of the axes that may hold the samples.

    Attributes:
        dim: of the arguments.
        size: samples there are.
        asked: samples that are used: so many as no other axis of anything has, that a length tells which axis it is.
        other: length of the other of the first two axes.
    """

    dim: int
    size: int
    asked: int
    other: int

    def taken(self, tensor: Tensor, *, replaced: bool = False) -> Tensor:
        """These samples of an argument; `replaced`: every second one becomes the one before it, so that an order of lengths stays."""
        along = tensor.dim() > self.dim and tensor.shape[self.dim] == self.size
        if not self.holds(tensor.shape):
            return tensor.detach().clone()
        index = torch.arange(self.asked, device=tensor.device)
        index = index // 2 * 2 if replaced else index
        return tensor.detach().index_select(self.dim if along else 0, index)

    def holds(self, shape: torch.Size) -> bool:
        """Whether an argument of this shape has something for each sample."""
        along = len(shape) > self.dim and shape[self.dim] == self.size
        return along or (len(shape) == 1 and shape[0] == self.size)

    def place(self, shape: torch.Size) -> int | None:
        """The axis of an output that holds the samples; None where it holds something else, such as scores of all against all."""
        size = self.asked
        against = {size, size - 1, 2 * size, 2 * size - 1, 2 * size - 2}
        if len(shape) == _MATRIX and size in shape and shape[1] in against:
            return None
        if len(shape) >= _MATRIX and {shape[0], shape[1]} == {size, self.other}:
            return 0 if shape[0] == size else 1
        return 0 if len(shape) and shape[0] == size else None


def over_samples(tensor: Tensor) -> bool:
    """Whether an argument's second axis is time and its first is not, by its numbers: they go on smoothly along the one only, or are filled up along it."""
    return smooth_in_time(tensor) or _filled_up(tensor)


def _filled_up(tensor: Tensor) -> bool:
    """Whether rows of several lengths end in one and the same padding, and columns do not.

    Rows that were sorted by their lengths look alike along both axes, and tell nothing.
    """
    if tensor.dim() < _MATRIX or min(tensor.shape[:_MATRIX]) < _FEWEST or tensor.is_complex():
        return False
    values = tensor.detach().reshape(*tensor.shape[:_MATRIX], -1)
    tails = (values == values[:, -1:]).all(-1).long().flip(1).cumprod(1).sum(1)
    padding = (values == values[tails.argmax(), -1]).all(-1).long()
    rows, columns = padding.diff(dim=1), padding.diff(dim=0)
    lengths = padding.sum(1).double()
    several = len(lengths.unique()) >= _LENGTHS and bool((rows >= 0).all())
    both = bool((columns > 0).any()) and bool((columns < 0).any())
    return several and both and _apart(lengths)


def _apart(lengths: Tensor) -> bool:
    """Whether rows have lengths of their own: how many there are of something changes little from one time to the next."""
    steps = lengths.diff().square().mean() / (2 * lengths.var())
    return len(lengths) >= _ROWS and bool(steps > _APART)


def smooth_in_time(tensor: Tensor) -> bool:
    """Whether a real argument goes on smoothly along the second axis, and not along the first."""
    if not is_real(tensor) or tensor.dim() <= _MATRIX or min(tensor.shape[:2]) < _FEWEST:
        return False
    values = wide(tensor.detach())
    spread = 2 * values.var().clamp_min(1e-30)
    along = [float(values.diff(dim=dim).square().mean() / spread) for dim in (0, 1)]
    return along[0] > _APART and along[1] < _SMOOTH


def one_series(tensor: Tensor) -> bool:
    """Whether each row of a real argument begins where the one before it ended: a long series that was cut."""
    if not is_real(tensor) or tensor.dim() <= _MATRIX or min(tensor.shape[:2]) < _FEWEST:
        return False
    values = wide(tensor.detach())
    steps = (values[1:, 0] - values[:-1, -1]).square().mean()
    return bool(steps < _SMOOTH * 2 * values.var())


def sample_axes(
    inputs: Sequence[torch.Size],
    outputs: Sequence[torch.Size],
    lengths: Collection[int] = (),
    *,
    features: bool = False,
) -> list[SampleAxis]:
    """All that are possible: the first axis, the second one, both or none.

    An axis is none where another argument has another length there, as a graph's edges have, or where the first output has no such axis.
    Where a batch too small to be asked may lie along the first, nothing is asked.

    Args:
        inputs: shapes of the arguments.
        outputs: those of what the model returns.
        lengths: other lengths that tensors of the model have.
        features: whether the second axis holds features, so that samples lie along the first if along any.
    """
    shaped = [shape for shape in inputs if len(shape)]
    if not shaped or not outputs:
        return []
    first = shaped[0]
    known = {*lengths, *(length for shape in (*inputs, *outputs) for length in shape)}
    found = []
    for dim in range(1 if features else min(len(first), _MATRIX)):
        size, other = first[dim], (first[1 - dim] if len(first) > 1 else 0)
        fit = all(_fits(shape, dim, size, shaped) for shape in shaped)
        if not fit or size not in outputs[0][:_MATRIX]:
            continue
        if size < _FEWEST and dim == 0:
            return []  # a batch of two or three: what lies along the other axis is then no batch
        if size >= _FEWEST:
            others = known - {size} if _once(size, (*shaped, *outputs), lengths) else known
            asked = next((n for n in range(size, _FEWEST - 1, -1) if n not in others), size)
            found.append(SampleAxis(dim, size, asked, other))
    return found


def _once(size: int, shapes: Sequence[torch.Size], lengths: Collection[int]) -> bool:
    """Whether no tensor has this length twice, and nothing of the model's has it."""
    return size not in lengths and all(list(shape).count(size) < _MATRIX for shape in shapes)


def _fits(shape: torch.Size, dim: int, size: int, shaped: Sequence[torch.Size]) -> bool:
    if len(shaped) > 1 and list(shape).count(size) > 1:
        return False  # a matrix of neighbours
    if len(shape) == 1 and dim == 1:
        return shape[0] in {size, 1}  # lengths, labels
    if len(shape) > dim and shape[dim] == size:
        return True
    mask = len(shape) == _MATRIX and shape[0] == shape[1] and shape[0] in shaped[0]
    return mask or shape[min(dim, len(shape) - 1)] == 1
