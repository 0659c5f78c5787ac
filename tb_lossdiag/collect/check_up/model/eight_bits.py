"""What casts to 8-bit floating-point numbers lose: what the format cannot hold, and what becomes 0."""

from __future__ import annotations

import weakref
from typing import Any

import torch
from torch import Tensor

from tb_lossdiag.collect.check_up.mode import FunctionCall
from tb_lossdiag.collect.check_up.values import Facts, Value, is_real, part, wide
from tb_lossdiag.quantities import FP8_BROKEN, FP8_CLIPPED, FP8_FLUSHED, FP8_LIMIT, FP8_MARGIN

_FORMATS = {
    getattr(torch, name): torch.finfo(getattr(torch, name)).max
    for name in ("float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz")
    if hasattr(torch, name)
}
"""The largest number of each."""
_LIMITS = frozenset(_FORMATS.values())
_CASTS, _OF_ONE = 64, 8
"""Columns, and those of one module: its input, its weight, …"""
_LOOKED_AT = 2**16
"""Elements that are looked at: of 1 % of them chance makes no more than 1.1."""


class EightBits:
    """The casts of one forward pass.

    Attributes:
        facts: of each, by column.
    """

    def __init__(self) -> None:
        self.facts: dict[str, Facts] = {}
        self._clamped: tuple[weakref.ref[Tensor], float, Value] | None = None

    def clamps(self, call: FunctionCall, result: Any) -> None:
        """Numbers are about to become, or have become, none beyond what a format holds: this hides from a cast what it would lose."""
        given = call.args[0] if call.args else None
        limit = _bound(call)
        if limit in _LIMITS and is_real(given) and isinstance(result, Tensor):
            share = _beyond(part(given, _LOOKED_AT), limit)
            self._clamped = weakref.ref(result), limit, share

    def casts(self, path: str, call: FunctionCall) -> None:
        """A tensor was cast, in the module of this path."""
        given, made = call.args[0] if call.args else None, call.result
        limit = _FORMATS.get(getattr(made, "dtype", None))
        if limit is None or not is_real(given) or given.dtype in _FORMATS:
            return
        column = self._column(f"{path}.{call.name}()" if path else f"{call.name}()")
        if column is not None:
            self.facts[column] = self._of(given, made.dtype, limit)

    def _column(self, called: str) -> str | None:
        """The name of another cast there; None for one too many."""
        names = [called, *(f"{called} {count}" for count in range(2, _OF_ONE + 1))]
        free = (name for name in names if name not in self.facts)
        return next(free, None) if len(self.facts) < _CASTS else None

    def _of(self, given: Tensor, dtype: torch.dtype, limit: float) -> Facts:
        some = part(given, _LOOKED_AT)
        clipped: Value = _beyond(some, limit)
        if self._clamped is not None and self._clamped[0]() is given and self._clamped[1] == limit:
            clipped = self._clamped[2]
        return {
            FP8_LIMIT: limit,
            FP8_CLIPPED: clipped,
            FP8_FLUSHED: _flushed(some, dtype),
            FP8_BROKEN: _broken(given, dtype),
        }


def _bound(call: FunctionCall) -> float | None:
    """The number that a clamp leaves as the largest, where it leaves none larger on either side."""
    words = dict(zip(("min", "max"), call.args[1:3], strict=False)) | call.kwargs
    least, most = words.get("min"), words.get("max")
    if not isinstance(most, int | float) or not isinstance(least, int | float):
        return None
    return float(most) if least == -most else None


def _beyond(some: Tensor, limit: float) -> Tensor:
    """Share of the elements that are farther from 0 than rounding and scales of whole powers of two would bring them."""
    return (some.abs() > FP8_MARGIN * limit).float().mean()


def _flushed(some: Tensor, dtype: torch.dtype) -> Tensor:
    """Share of what there is, as a sum of sizes, that becomes 0; NaN where there is nothing, or what is not finite."""
    sizes = some.abs()
    gone = sizes.masked_fill(wide(some.to(dtype)) != 0, 0.0)
    return gone.sum() / sizes.sum()


def _broken(given: Tensor, dtype: torch.dtype) -> Tensor:
    """1 if the element farthest from 0 becomes NaN or infinite, NaN if it is that already."""
    every = given.detach()
    if every.device.type == "cpu":  # where older versions of torch compare no float16
        every = wide(every)
    least, most = torch.aminmax(every)
    farthest = torch.maximum(most, -least)
    after = torch.isfinite(wide(farthest.to(dtype)))
    return torch.where(torch.isfinite(farthest), (~after).float(), torch.nan)
