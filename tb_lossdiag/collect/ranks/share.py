"""What one rank knows of the steps since the ranks were compared last: it travels with what is compared."""

from __future__ import annotations

import math
import struct
from collections import deque
from typing import NamedTuple

import numpy as np
from torch import Tensor

from tb_lossdiag.collect.state.transfer import Number, gather
from tb_lossdiag.records import Doubles

_NOTHING = math.nan
_MOST = 512
"""Losses that are kept; older ones are forgotten."""


class Share(NamedTuple):
    """Plain numbers, NaN for what is not known.

    Attributes:
        steps: since the comparison before.
        loss: mean of the finite ones.
        std: of them.
        broken: losses since the first that was not finite, NaN without one.
        wait: seconds from the end of a step to the begin of the forward pass.
        forward: seconds of that.
        batch: a number that stands for the newest batch.
        fresh: 1 if it is not that of the comparison before, 0 if it is.
        scored: targets of it that count.
        troubles: parts of the recording that have failed.
    """

    steps: float = _NOTHING
    loss: float = _NOTHING
    std: float = _NOTHING
    broken: float = _NOTHING
    wait: float = _NOTHING
    forward: float = _NOTHING
    batch: float = _NOTHING
    fresh: float = _NOTHING
    scored: float = _NOTHING
    troubles: float = _NOTHING

    def packed(self) -> bytes:
        """As bytes, the same number for every share."""
        return _FORM.pack(*self)

    @classmethod
    def unpacked(cls, word: bytes) -> Share:
        """Out of such bytes."""
        return cls(*_FORM.unpack(word))


_FORM = struct.Struct(f"<{len(Share._fields)}d")
SIZE = _FORM.size
"""Bytes of a share."""


class Losses:
    """The losses of some steps, on their device until somebody asks."""

    def __init__(self) -> None:
        """None yet."""
        self._kept: deque[Number] = deque(maxlen=_MOST)

    def put(self, loss: Number) -> None:
        """Take the next one."""
        self._kept.append(loss)

    def take(self) -> tuple[float, float, float]:
        """Mean and standard deviation of the finite ones, and how many there were from the first that was not; they wait no longer."""
        kept, self._kept = list(self._kept), deque(maxlen=_MOST)
        values = _numbers(kept)
        finite = np.isfinite(values)
        bad = np.flatnonzero(~finite)
        broken = float(len(values) - bad[0]) if len(bad) else math.nan
        some = values[finite]
        if not len(some):
            return math.nan, math.nan, broken
        return float(some.mean()), float(some.std()), broken


def _numbers(kept: list[Number]) -> Doubles:
    """float64[n] on the host, after one transfer."""
    there = iter(gather([one for one in kept if isinstance(one, Tensor)]))
    return np.array(
        [float(next(there)[0]) if isinstance(one, Tensor) else one for one in kept], np.float64
    )
