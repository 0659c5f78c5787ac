"""Facts on their way to records: numbers known at once, or 0-d tensors still on their device."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeGuard

import numpy as np
import torch
from torch import Tensor

from tb_lossdiag.collect.state.measurement import Measurement
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Floats, Record

Value = Tensor | float
Facts = dict[Quantity, Value]
"""What is known of one column; a quantity that has no meaning for it is left out."""

_GOLDEN = (math.sqrt(5) - 1) / 2


def to_sample(columns: Mapping[str, Facts]) -> Measurement:
    """The facts of each column as one sample: a record per quantity that any column has, NaN where a column has not."""
    names = tuple(columns)
    quantities = list(dict.fromkeys(q for facts in columns.values() for q in facts))
    places = [(q, c) for c, name in enumerate(names) for q in columns[name]]
    values = [value for facts in columns.values() for value in facts.values()]
    on_device = [value for value in values if isinstance(value, Tensor)]

    def finish(arrays: Sequence[Floats]) -> list[Record]:
        rows = {q: np.full(len(names), np.nan, np.float32) for q in quantities}
        fetched = iter(arrays)
        for (quantity, column), value in zip(places, values, strict=True):
            known = next(fetched)[0] if isinstance(value, Tensor) else value
            rows[quantity][column] = known
        return [Record(q, names, row) for q, row in rows.items()]

    return Measurement(on_device, finish)


def scattered(count: int, limit: int, device: torch.device) -> Tensor:
    """int64[min(count, limit)]: indices below `count`, spread evenly and not periodically, the same each time.

    Multiples of the golden ratio modulo 1 are a low-discrepancy sequence (Niederreiter 1992, section 3.1): no stride that could
    coincide with rows or channels, and no random numbers.
    """
    if count <= limit:
        return torch.arange(count, device=device)
    return _golden(count, limit).to(device)


@lru_cache(maxsize=256)
def _golden(count: int, limit: int) -> Tensor:
    fractions = torch.arange(limit, dtype=torch.float64) * _GOLDEN % 1.0
    return (fractions * count).long()


def part(tensor: Tensor, limit: int) -> Tensor:
    """float[n]: all elements of a tensor, or `limit` of them where it has more; a complex number has two."""
    given = tensor.detach()
    flat = (torch.view_as_real(given) if given.is_complex() else given).reshape(-1)
    if flat.numel() > limit:
        flat = flat[scattered(flat.numel(), limit, flat.device)]
    return wide(flat)


def rows(tensor: Tensor, limit: int, dim: int = 0) -> Tensor:
    """The same tensor with at most `limit` entries along one dimension."""
    size = tensor.shape[dim]
    return (
        tensor if size <= limit else tensor.index_select(dim, scattered(size, limit, tensor.device))
    )


def wide(tensor: Tensor) -> Tensor:
    """The tensor in single precision at least."""
    return tensor if tensor.dtype in (torch.float32, torch.float64) else tensor.float()


def is_real(value: Any) -> TypeGuard[Tensor]:
    """Whether it is a dense floating-point tensor with elements, whose numbers can be read."""
    return (
        isinstance(value, Tensor)
        and value.is_floating_point()
        and value.layout is torch.strided
        and value.numel() > 0
        and value.device.type != "meta"
    )


def variation(tensor: Tensor, limit: int) -> Value:
    """Standard deviation over the batch (mean over units) over root mean square; NaN below two samples or among values that are not finite.

    Args:
        tensor: real[N, ...].
        limit: elements to look at; where there are more, some units, all samples.
    """
    if tensor.dim() == 0 or tensor.shape[0] < 2:  # noqa: PLR2004
        return math.nan
    samples = (
        rows(tensor.detach(), limit // 2).flatten(1)
        if tensor.dim() > 1
        else tensor.detach()[:, None]
    )
    some = wide(rows(samples, max(1, limit // samples.shape[0]), dim=1))
    # Equal samples may differ by rounding of the mean; that is no variation.
    spread = some.std(0, correction=0).mean()
    return torch.where(spread == 0, 0.0, spread / some.square().mean().sqrt())
