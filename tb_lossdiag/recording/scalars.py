"""The handful of ordinary scalars that go with a record, for stock dashboards."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cache

from tb_lossdiag.quantities import (
    CLIP_GLOBAL_NORM,
    CLIP_MAX_NORM,
    GLOBAL_NORM,
    GRADIENT_NORM,
    LOSS,
    LOSS_TERM,
    VALIDATION_LOSS,
    Quantity,
    clip_coefficient,
    frame_quantities,
)
from tb_lossdiag.records import FrameRecord

_SCALARS = {
    LOSS: "loss/train",
    VALIDATION_LOSS: "loss/validation",
    LOSS_TERM: "loss_terms",
    GLOBAL_NORM: "gradient/global_norm",
}


def no_scalars(_: Iterable[FrameRecord]) -> dict[str, float]:
    """None of them."""
    return {}


def as_scalars(found: Iterable[FrameRecord]) -> dict[str, float]:
    """Loss, terms, global gradient norm and clip coefficient, by tag."""
    by_frame = {part.frame: part for part in found}
    scalars = {}
    for quantity, tag in _SCALARS.items():
        if (part := by_frame.get(quantity.frame)) is not None:
            for name, value in zip(part.columns, _of(part, quantity), strict=True):
                scalars[f"{tag}/{name}" if name else tag] = value
    if GLOBAL_NORM.frame not in by_frame and (norms := by_frame.get(GRADIENT_NORM.frame)):
        square = [norm * norm for norm in _of(norms, GRADIENT_NORM) if norm == norm]  # noqa: PLR0124
        scalars["gradient/global_norm"] = math.sqrt(sum(square))
    if (clip := by_frame.get(CLIP_GLOBAL_NORM.frame)) is not None:
        bound = _of(clip, CLIP_MAX_NORM)[0]
        norm = _of(clip, CLIP_GLOBAL_NORM)[0]
        scalars["gradient/clip_coefficient"] = float(clip_coefficient(norm, bound))
    return scalars


def _of(part: FrameRecord, quantity: Quantity) -> list[float]:
    values: list[float] = part.values[:, _place(quantity)].tolist()
    return values


@cache
def _place(quantity: Quantity) -> int:
    return frame_quantities(quantity.frame).index(quantity)
