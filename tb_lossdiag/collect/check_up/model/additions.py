"""How much a layer's output adds to what it is added to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from tb_lossdiag.collect.check_up.mode import FunctionCall
from tb_lossdiag.collect.check_up.values import is_real

NAMES = frozenset({"add", "add_", "__add__", "__radd__", "__iadd__"})
_IN_PLACE = frozenset({"add_", "__iadd__"})
_MATRIX = 2
"""Dimensions of what is more than a bias or a penalty."""


class Added(NamedTuple):
    """A layer's output in an addition.

    Attributes:
        column: index of the column whose output it is.
        share: its norm over that of what it is added to; a tensor, so that nobody waits for the device.
    """

    column: int
    share: Tensor


class Maker(Protocol):
    """Who knows which column's output a tensor is."""

    def __call__(self, tensor: object, /, *, writes: int = 0) -> int | None:
        """Its index, of a tensor that has been written so often since."""


def added(call: FunctionCall, maker: Maker) -> Iterator[Added]:
    """What an addition of two tensors of one shape, which has returned, says of those of the two that are layers' outputs as they were."""
    if not _is_one(call):
        return
    one, other = call.args
    in_place = call.name in _IN_PLACE
    columns = maker(one, writes=int(in_place)), maker(other)
    if columns == (None, None):
        return
    if in_place:
        one = call.result.detach() - other.detach()
    size, beside = (torch.linalg.vector_norm(each.detach().float()) for each in (one, other))
    for column, share in zip(columns, (size / beside, beside / size), strict=True):
        if column is not None:
            yield Added(column, share)


def _is_one(call: FunctionCall) -> bool:
    if len(call.args) != 2 or call.kwargs:  # noqa: PLR2004
        return False
    one, other = call.args
    fits = is_real(one) and is_real(other) and one.shape == other.shape and one.dim() >= _MATRIX
    return fits and bool(call.result.requires_grad)
