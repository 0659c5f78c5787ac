"""What a step changes: the parameters before and after it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from tb_lossdiag.collect.state.measurement import Measurement
from tb_lossdiag.collect.state.parameters import is_distributed, norms, own_part
from tb_lossdiag.quantities import (
    GRADIENT_ABS_MAX,
    GRADIENT_ZERO_SHARE,
    PARAMETER_NORM,
    UPDATE_NORM,
    Quantity,
)
from tb_lossdiag.records import Floats, Record

_EXACT = 64 * 2**20
"""Elements that are copied whole; beyond them every n-th element of a tensor stands for it."""
_SAMPLE = 4096
"""Elements such a tensor is sampled by: an error of 3 to 9 % (median), 11 to 26 % (95th percentile)."""


class Snapshot:
    """Parameters as they were before a step. Costs one copy of up to 64 million elements, for one step.

    Args:
        tensors: the trainable parameters.
    """

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        with torch.no_grad():
            tensors = [own_part(t) if is_distributed(t) else t for t in tensors]
        self._tensors = tensors
        strides, room = [], _EXACT
        for tensor in tensors:
            whole = tensor.numel() <= room
            strides.append(1 if whole else max(1, tensor.numel() // _SAMPLE))
            room -= tensor.numel() if whole else 0
        self._strides = strides
        with torch.no_grad():
            self._before = [_some(t, s).clone() for t, s in zip(tensors, strides, strict=True)]

    def norms(self) -> Tensor:
        """float[n]: L2 norm of each parameter's change since, which is asked for once."""
        with torch.no_grad():
            pairs = zip(self._tensors, self._strides, strict=True)
            changes, self._before = self._before, []
            torch._foreach_sub_(changes, [_some(t, stride) for t, stride in pairs])
            found = norms(changes)
            for place, stride in enumerate(self._strides):
                if (
                    stride != 1
                ):  # one number, not a tensor of the host's: that would have to wait for the device
                    found[place] *= stride**0.5
            return found


def _some(tensor: Tensor, stride: int) -> Tensor:
    whole = tensor.detach()
    return whole if stride == 1 else whole.reshape(-1)[::stride]


def weights(names: tuple[str, ...], tensors: Sequence[Tensor]) -> Measurement:
    """`PARAMETER_NORM` of trainable parameters, NaN for frozen ones."""
    return each(PARAMETER_NORM, names, trainable(tensors), norms(kept(tensors)))


def update(names: tuple[str, ...], tensors: Sequence[Tensor], change: Tensor) -> Measurement:
    """`UPDATE_NORM` of trainable parameters."""
    return each(UPDATE_NORM, names, trainable(tensors), change)


def moved(
    names: tuple[str, ...], tensors: Sequence[Tensor], snapshot: Snapshot
) -> list[Measurement]:
    """Both, since the snapshot."""
    return [update(names, tensors, snapshot.norms()), weights(names, tensors)]


def elements(names: tuple[str, ...], tensors: Sequence[Tensor]) -> Measurement:
    """Largest absolute element and share of zeros of each gradient."""
    held = [(i, t.grad) for i, t in enumerate(tensors) if t.grad is not None and t.requires_grad]
    where = [index for index, _ in held]
    with torch.no_grad():
        pairs = [_elements(grad) for _, grad in held]
    largest = each(GRADIENT_ABS_MAX, names, where, _stacked([pair[0] for pair in pairs]))
    zeros = each(GRADIENT_ZERO_SHARE, names, where, _stacked([pair[1] for pair in pairs]))

    def finish(arrays: Sequence[Floats]) -> list[Record]:
        return [*largest.finish(arrays[:1]), *zeros.finish(arrays[1:])]

    return Measurement([*largest.tensors, *zeros.tensors], finish)


def each(
    quantity: Quantity, names: tuple[str, ...], where: Sequence[int], values: Tensor
) -> Measurement:
    """One value for each of some parameters, NaN for the others."""

    def finish(arrays: Sequence[Floats]) -> list[Record]:
        row: Floats = np.full(len(names), np.nan, np.float32)
        row[list(where)] = arrays[0]
        return [Record(quantity, names, row)]

    return Measurement([values], finish)


def _elements(grad: Tensor) -> tuple[Tensor, Tensor]:
    values = grad.coalesce().values() if grad.is_sparse else grad.detach()
    missing = grad.numel() - values.numel()
    zeros = missing + values.numel() - torch.count_nonzero(values)
    largest = values.abs().max() if values.numel() else values.new_zeros(())
    return largest.float(), zeros.float() / max(grad.numel(), 1)


def _stacked(values: Sequence[Tensor]) -> Tensor:
    if not values:
        return torch.zeros(0)
    return torch.stack([value.to(values[0].device) for value in values])


def trainable(tensors: Sequence[Tensor]) -> list[int]:
    """Places of the trainable ones."""
    return [index for index, tensor in enumerate(tensors) if tensor.requires_grad]


def kept(tensors: Sequence[Tensor]) -> list[Tensor]:
    """The trainable ones."""
    return [tensor for tensor in tensors if tensor.requires_grad]
