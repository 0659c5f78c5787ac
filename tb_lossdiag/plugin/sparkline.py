"""A curve as a word: its course in a table of hundreds of runs, a character per point."""

from __future__ import annotations

import numpy as np

from tb_lossdiag.records import Floats

POINTS = 32
LEVELS = "0123456789abcdefghijklmnopqrstuvwxyz"
"""From the lowest to the highest."""
GAP = "-"
"""What is no number."""
_DECADES = 2.0
"""Values that span more are drawn by their logarithm, as the page's charts are."""


def sparkline(values: Floats) -> str:
    """The last value of each of at most `POINTS` stretches, between the lowest and the highest of them.

    >>> import numpy as np
    >>> sparkline(np.array([3.0, 2.0, np.nan, 1.0]))
    'zh-0'
    """
    count = min(POINTS, len(values))
    ends = np.linspace(0, len(values), count + 1)[1:].astype(int) - 1
    picked = values[ends].astype(np.float64)
    known = picked[np.isfinite(picked)]
    if len(known) and known.min() > 0 and known.max() > 10**_DECADES * known.min():
        picked, known = np.log(picked), np.log(known)
    low, high = known.min(initial=np.inf), known.max(initial=-np.inf)
    top = len(LEVELS) - 1
    places = top * (picked - low) / (high - low if high > low else 1.0)
    return "".join(LEVELS[int(place)] if np.isfinite(place) else GAP for place in places)
