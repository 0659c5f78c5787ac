"""How the elements of each parameter's gradient are spread, at check-ups: a histogram of their sizes on a logarithmic scale.

A histogram has 33 shares: of zeros, and of 32 bins of half a decade. A share takes 8 bits, and three of them one value of a quantity, as
a whole number that float32 holds exactly, so that a parameter's histogram costs 44 bytes.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tb_lossdiag.quantities import hints
from tb_lossdiag.quantities.quantity import Axis, Quantity

HISTOGRAM_BINS = 32
_FIRST_DECADE = -12.0
"""Where the second bin begins, as a power of ten less half; what is smaller and not 0 is in the first, what is larger in the last."""
_PER_DECADE = 2
HISTOGRAM_EDGES: npt.NDArray[np.float64] = np.concatenate(
    [[0.0], 10.0 ** (_FIRST_DECADE + np.arange(HISTOGRAM_BINS - 1) / _PER_DECADE)]
)
"""float64[32]: what the elements of each bin are at least; those of the first are above 0."""
_PACKED = 3
_LEAST = 4
"""Decades below 1 that a share is told in: elements are sampled, so that there is no smaller one but 0."""
_CODES = 254


def _shares(number: int) -> Quantity:
    unit = "three shares, packed"
    return Quantity(
        f"bins_{number}", "histogram", Axis.PARAMETER, unit, hints.CHECK_UP, optional=True
    )


BINS_0, BINS_1, BINS_2, BINS_3 = (_shares(n) for n in range(4))
BINS_4, BINS_5, BINS_6, BINS_7 = (_shares(n) for n in range(4, 8))
BINS_8, BINS_9, BINS_10 = (_shares(n) for n in range(8, 11))
"""The share of zeros and of each of the bins, by threes. At `optimizer.step()`, from up to 512 elements of a parameter. Sparse."""

HISTOGRAM = (
    *(BINS_0, BINS_1, BINS_2, BINS_3, BINS_4, BINS_5),
    *(BINS_6, BINS_7, BINS_8, BINS_9, BINS_10),
)  # fmt: skip


def packed_shares(shares: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """float32[C, 11] of float64[C, 33] shares, which are NaN where nothing is known."""
    with np.errstate(divide="ignore", invalid="ignore"):
        code = np.rint(_CODES * (1 + np.log10(shares) / _LEAST)) + 1
    codes = np.where(shares > 0, np.clip(code, 1, _CODES + 1), shares)
    threes = codes.reshape(len(shares), -1, _PACKED)
    return (threes @ [1.0, 2.0**8, 2.0**16]).astype(np.float32)


def unpacked_shares(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """float64[C, 33] of float32[C, 11]; shares are right to 2 %."""
    whole = np.nan_to_num(values.astype(np.float64)).astype(np.int64)[..., None]
    codes = (whole >> np.array([0, 8, 16]) & 255).reshape(len(values), -1)
    shares = np.where(codes > 0, 10.0 ** (_LEAST * ((codes - 1) / _CODES - 1)), 0.0)
    known = np.repeat(np.isfinite(values), _PACKED, axis=1)
    return np.where(known, shares, np.nan)
