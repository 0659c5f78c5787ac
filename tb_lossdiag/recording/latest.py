"""The latest steps as they were, before windows sum them up: written where something breaks."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from tb_lossdiag.quantities.breaks import BREAKS
from tb_lossdiag.recording.step_matrix import FrameLayout
from tb_lossdiag.records import Doubles, Floats, Record, Steps

_BEFORE, _AFTER = 48, 15
"""Steps before and after one at which something broke."""
_MOST = 2**20
"""Bytes that are written in all."""

Single = tuple[int, float, list[Record]]
"""A step, its wall time, and what is kept of it."""


class LatestSteps:
    """Keeps references to the rows of the latest steps."""

    def __init__(self) -> None:
        """None was taken."""
        self._parts: deque[tuple[Steps, Doubles, Floats]] = deque()
        self._count, self._written, self._spent = 0, -1, 0

    def keep(self, steps: Steps, times: Doubles, values: Floats) -> None:
        """Take rows that nobody changes any more."""
        self._parts.append((steps, times, values))
        self._count += len(steps)
        while self._count - len(self._parts[0][0]) >= len(steps) + _BEFORE:
            self._count -= len(self._parts.popleft()[0])

    def forget(self) -> None:
        """The training goes on elsewhere."""
        self._parts.clear()
        self._count, self._written = 0, -1

    def singles(
        self, layouts: Mapping[str, FrameLayout], broken: Sequence[int]
    ) -> Iterator[Single]:
        """The steps around those at which something broke, one by one; none that has been given before."""
        for steps, times, values in self._parts:
            for step, walltime, row in zip(steps.tolist(), times.tolist(), values, strict=True):
                near = any(-_BEFORE <= step - one <= _AFTER for one in broken)
                if near and step > self._written and self._spent < _MOST:
                    records = _records(row, layouts)
                    self._spent += sum(record.values.nbytes for record in records)
                    self._written = step
                    if records:
                        yield step, walltime, records


def _records(row: Floats, layouts: Mapping[str, FrameLayout]) -> list[Record]:
    found = []
    for frame, (whole, part) in BREAKS.items():
        layout = layouts.get(frame)
        if layout is None:
            continue
        places = layout.places[:, layout.quantities.index(whole)]
        values = row[np.minimum(places, len(row) - 1)]
        values = np.where(places < len(row), values, np.nan).astype(np.float32)
        if not np.isnan(values).all():
            found.append(Record(part, layout.columns, values))
    return found
