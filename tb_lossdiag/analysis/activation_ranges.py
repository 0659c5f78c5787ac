"""What an activation at the end of a model can give."""

from __future__ import annotations

import math

from tb_lossdiag.diagnosis.rule import short_number
from tb_lossdiag.quantities import Source

RANGES = {
    Source.SIGMOID: (0.0, 1.0),
    Source.SOFTMAX: (0.0, 1.0),
    Source.TANH: (-1.0, 1.0),
    Source.RELU: (0.0, math.inf),
}
"""Smallest and largest value; sources that aren't listed give any."""
NAMES = {
    Source.SIGMOID: "sigmoid",
    Source.SOFTMAX: "softmax",
    Source.TANH: "tanh",
    Source.RELU: "ReLU",
}


def ends(source: Source) -> dict[str, str]:
    """Both ends for a message: `low` and `high`."""
    low, high = RANGES[source]
    return {"low": short_number(low), "high": short_number(high) if math.isfinite(high) else "∞"}


def cross_entropy_floor(source: Source, classes: float) -> float | None:
    """Least cross-entropy that such logits allow: ln(1 + (C - 1) exp(low - high)); None where they allow 0.

    >>> round(cross_entropy_floor(Source.TANH, 10), 3)
    0.797
    """
    low, high = RANGES[source]
    if not math.isfinite(high) or not classes > 1:
        return None
    return math.log1p((classes - 1) * math.exp(low - high))
