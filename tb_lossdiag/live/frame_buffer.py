"""A frame's records in one array that grows, so that tables are views and a record costs its own size."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tb_lossdiag.quantities import STEPS, Combine, frame_quantities
from tb_lossdiag.records import Doubles, Floats, Steps, Table

_FEW = 64
"""Records that are never thinned."""


class FrameBuffer:
    """Records of a frame.

    Attributes:
        quantities: Q of them, in wire order.
        columns: C names, in the order they came.
        names: those of the records that come now.
    """

    def __init__(self, frame: str) -> None:
        """Empty."""
        self.quantities = frame_quantities(frame)
        self.columns: tuple[str, ...] = ()
        self.names: tuple[str, ...] = ()
        self._where: Steps | slice = slice(None)
        self._count = 0
        self._steps: Steps = np.zeros(0, np.int64)
        self._times: Doubles = np.zeros(0)
        self._values: Floats = np.zeros((len(self.quantities), 0, 0), np.float32)

    def __len__(self) -> int:
        """Number of records."""
        return self._count

    @property
    def size(self) -> int:
        """Bytes of the records."""
        return 4 * self._count * len(self.columns) * len(self.quantities)

    def name_columns(self, names: tuple[str, ...]) -> None:
        """The columns of the records that come from now on."""
        known = dict.fromkeys(self.columns)
        self.columns = (*self.columns, *(name for name in names if name not in known))
        self.names = names
        place = {name: index for index, name in enumerate(self.columns)}
        same = names == self.columns
        self._where = slice(None) if same else np.array([place[name] for name in names])
        self._make_room(len(self._steps))

    def put(self, step: int, walltime: float, matrix: Floats) -> None:
        """Take a record float32[len(names), Q]; a step that is written again is replaced."""
        self.cut(step)
        if self._count == len(self._steps):
            self._make_room(max(64, 2 * self._count))
        row = self._count
        self._steps[row], self._times[row] = step, walltime
        self._values[:, row] = np.nan
        self._values[:, row, self._where] = matrix.T
        self._count += 1

    def cut(self, step: int) -> None:
        """Forget what lies at or after a step."""
        self._count = int(np.searchsorted(self._steps[: self._count], step))

    def thin(self) -> None:
        """Forget every second record of the older half, except those that count something that is seldom."""
        half = self._count // 2
        if self._count <= _FEW:
            return
        keep = np.ones(self._count, bool)
        keep[1:half:2] = self._counts(half)[1::2]
        if keep.sum() > 0.9 * self._count:  # they are not seldom
            keep[1:half:2] = False
        rows = np.flatnonzero(keep)
        self._steps[: len(rows)] = self._steps[rows]
        self._times[: len(rows)] = self._times[rows]
        for values in self._values:  # one at a time: a copy of all would be what thinning avoids
            values[: len(rows)] = values[rows]
        self._count = len(rows)

    def tables(self) -> Iterator[Table]:
        """A table per quantity; views."""
        if not self._count:
            return
        steps, times = self._steps[: self._count], self._times[: self._count]
        for quantity, values in zip(self.quantities, self._values, strict=True):
            yield Table(quantity, self.columns, steps, times, values[: self._count])

    def _counts(self, rows: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """bool[rows]: which records counted something, such as NaN or skipped steps."""
        found = np.zeros(rows, bool)
        for quantity, values in zip(self.quantities, self._values, strict=True):
            if quantity.combine is Combine.SUM and quantity is not STEPS:
                found |= (values[:rows] > 0).any(axis=1)
        return found

    def _make_room(self, rows: int) -> None:
        shape = len(self.quantities), rows, len(self.columns)
        values: Floats = np.full(shape, np.nan, np.float32)
        count, wide = self._count, self._values.shape[2]
        values[:, :count, :wide] = self._values[:, :count]
        self._values = values
        self._steps = np.resize(self._steps, rows) if count else np.zeros(rows, np.int64)
        self._times = np.resize(self._times, rows) if count else np.zeros(rows)
