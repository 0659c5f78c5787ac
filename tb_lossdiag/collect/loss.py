"""The loss, its terms and own values, as samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from tb_lossdiag.collect.sample import Sample
from tb_lossdiag.quantities import (
    EXTRA,
    LOSS,
    LOSS_NONFINITE,
    LOSS_TERM,
    LOSS_TERM_NONFINITE,
    LOSS_WEIGHT,
    VALIDATION_LOSS,
    VALIDATION_LOSS_NONFINITE,
    VALIDATION_LOSS_TERM,
    VALIDATION_LOSS_TERM_NONFINITE,
    VALIDATION_LOSS_WEIGHT,
)
from tb_lossdiag.records import Floats, Record

_LOSS = {
    "train": (LOSS, LOSS_NONFINITE),
    "validation": (VALIDATION_LOSS, VALIDATION_LOSS_NONFINITE),
}
_TERM = {
    "train": (LOSS_TERM, LOSS_WEIGHT, LOSS_TERM_NONFINITE),
    "validation": (
        VALIDATION_LOSS_TERM,
        VALIDATION_LOSS_WEIGHT,
        VALIDATION_LOSS_TERM_NONFINITE,
    ),
}


def total(value: Tensor, phase: str) -> Sample:
    """The total loss (0-d tensor) and whether it was finite."""
    quantity, count = _LOSS[phase]

    def finish(arrays: Sequence[Floats]) -> list[Record]:
        return [Record(quantity, ("",), arrays[0]), Record(count, ("",), _nonfinite(arrays[0]))]

    return Sample([value], finish)


def terms(pairs: Mapping[str, tuple[Tensor, Tensor]], phase: str) -> Sample:
    """Loss terms {name: (value, weight)}, 0-d tensors, as they were before weighting."""
    value, weight, count = _TERM[phase]
    names = tuple(pairs)

    def finish(arrays: Sequence[Floats]) -> list[Record]:
        values, weights = np.concatenate(arrays[0::2]), np.concatenate(arrays[1::2])
        return [
            Record(value, names, values),
            Record(weight, names, weights),
            Record(count, names, _nonfinite(values)),
        ]

    return Sample([tensor for pair in pairs.values() for tensor in pair], finish)


def own(values: Mapping[str, Tensor]) -> Sample:
    """Own values {name: 0-d tensor}."""
    names = tuple(values)
    return Sample(
        list(values.values()), lambda arrays: [Record(EXTRA, names, np.concatenate(arrays))]
    )


def _nonfinite(values: Floats) -> Floats:
    return (~np.isfinite(values)).astype(np.float32)
