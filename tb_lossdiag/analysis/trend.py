"""Whether few values rise or fall as a whole, whatever their scale and their outliers."""

from __future__ import annotations

import math

import numpy as np

from tb_lossdiag.records import Doubles

_MOST = 400
"""Values that are compared pair by pair; of more, evenly spread ones."""


def rising(values: Doubles) -> float:
    """Mann and Kendall's z: pairs in rising order less those in falling order, over the standard deviation that chance gives it.

    >>> round(rising(np.arange(10.0)), 1), rising(np.ones(10)), round(rising(-np.arange(10.0)), 1)
    (3.9, 0.0, -3.9)
    """
    some = values[np.linspace(0, len(values) - 1, min(len(values), _MOST)).astype(int)]
    count = len(some)
    if count < 3:  # noqa: PLR2004  (no trend)
        return 0.0
    ordered = float(np.sign(np.triu(some[None, :] - some[:, None], 1)).sum())
    spread = math.sqrt(count * (count - 1) * (2 * count + 5) / 18)
    return math.copysign(max(abs(ordered) - 1, 0.0), ordered) / spread
