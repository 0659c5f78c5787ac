"""Steps that wait to be summed up, as one matrix: a row per step, a column per series (quantity of a column)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from tb_lossdiag.quantities import Combine, Quantity, frame_quantities
from tb_lossdiag.records import Doubles, Floats, FrameBlock, Steps

Places = npt.NDArray[np.intp]


@dataclass
class FrameLayout:
    """Where a frame's series are.

    Attributes:
        columns: C names.
        quantities: Q of them, in wire order.
        places: intp[C, Q], column of the sheet.
    """

    columns: tuple[str, ...]
    quantities: tuple[Quantity, ...]
    places: Places


class StepMatrix:
    """The matrix, and what its columns mean. NaN = not recorded.

    Attributes:
        layouts: by frame.
        rules: how each series is combined, one `Combine` per column.
    """

    def __init__(self) -> None:
        """Empty."""
        self.layouts: dict[str, FrameLayout] = {}
        self.rules: list[Combine] = []
        self._values: Floats = np.empty((0, 0), np.float32)
        self._times: Doubles = np.empty(0)
        self._rows: dict[tuple[int, int], int] = {}
        self._last: tuple[Steps, Places] | None = None

    def __len__(self) -> int:
        """Rows that wait."""
        return len(self._rows)

    @property
    def width(self) -> int:
        """Number of series."""
        return len(self.rules)

    def copy(self) -> StepMatrix:
        """Another one with the same rows, which may be changed."""
        other, used = StepMatrix(), len(self)
        other.layouts = {frame: replace(layout) for frame, layout in self.layouts.items()}
        other.rules = list(self.rules)
        other._values = self._values[:used].copy()
        other._times = self._times[:used].copy()
        other._rows = dict(self._rows)
        return other

    def put(self, block: FrameBlock) -> None:
        """Take a block's rows."""
        layout = self._layout(block.frame, block.columns)
        rows = self._find(block)
        same = layout.columns is block.columns or layout.columns == block.columns
        index = slice(None) if same else [layout.columns.index(name) for name in block.columns]
        for quantity, values in block.values.items():
            places = layout.places[index, layout.quantities.index(quantity)]
            self._values[rows[:, None], places] = values
        self._times[rows] = block.walltimes

    def take(self, until: int) -> tuple[Steps, Doubles, Floats]:
        """Steps int64[n], wall times float64[n] and values float32[n, K] up to a step, in order; they wait no longer."""
        self._last = None
        keys = sorted([key for key in self._rows if key[0] <= until])
        rows = np.array([self._rows[key] for key in keys], np.intp)
        steps = np.array([step for step, _ in keys], np.int64)
        times, values = self._times[rows], self._values[rows, : self.width]
        later = sorted([key for key in self._rows if key[0] > until])
        left = [self._rows[key] for key in later]
        self._values[: len(left)] = self._values[left]
        self._times[: len(left)] = self._times[left]
        self._values[len(left) :] = np.nan
        self._rows = {key: row for row, key in enumerate(later)}
        return steps, times, values

    def place(self, quantity: Quantity) -> Places:
        """Columns of a quantity, none if it was never given."""
        layout = self.layouts.get(quantity.frame)
        if layout is None:
            return np.empty(0, np.intp)
        return layout.places[:, layout.quantities.index(quantity)]

    def _find(self, block: FrameBlock) -> Places:
        """Rows of a block's steps, new ones where there are none."""
        if self._last is None or not np.array_equal(self._last[0], block.steps):
            self._last = block.steps, self._found(block)
        self._grow(len(self._rows))  # there may be new columns
        return self._last[1]

    def _found(self, block: FrameBlock) -> Places:
        steps = block.steps
        if (steps[1:] > steps[:-1]).all():  # none twice, as nearly always
            return self._rows_of([(step, 0) for step in steps.tolist()])
        seen: dict[int, int] = {}
        rows = []
        for step in block.steps.tolist():
            count = seen[step] = seen.get(step, -1) + 1
            rows.append(self._rows.setdefault((step, count), len(self._rows)))
        return np.array(rows, np.intp)

    def _rows_of(self, keys: list[tuple[int, int]]) -> Places:
        first = len(self._rows)
        if self._rows.keys().isdisjoint(keys):
            rows = range(first, first + len(keys))
            self._rows.update(zip(keys, rows, strict=True))
            return np.arange(first, first + len(keys))
        return np.array([self._rows.setdefault(key, len(self._rows)) for key in keys], np.intp)

    def _grow(self, rows: int) -> None:
        have, wide = self._values.shape
        if rows <= have and self.width <= wide:
            return
        shape = max(have, 2 * rows if rows > have else rows), max(self.width, wide)
        values: Floats = np.full(shape, np.nan, np.float32)
        values[:have, :wide] = self._values
        self._values = values
        self._times = np.append(self._times, np.zeros(shape[0] - len(self._times)))

    def _layout(self, frame: str, columns: tuple[str, ...]) -> FrameLayout:
        """The layout of a frame, with room for these columns."""
        layout = self.layouts.get(frame)
        if layout is None:
            quantities = frame_quantities(frame)
            layout = FrameLayout((), quantities, np.empty((0, len(quantities)), np.intp))
            self.layouts[frame] = layout
        if columns is not layout.columns and columns != layout.columns:
            known = set(layout.columns)
            new = tuple(name for name in columns if name not in known)
            more = len(new) * len(layout.quantities)
            places = np.arange(self.width, self.width + more).reshape(
                len(new), len(layout.quantities)
            )
            layout.places = np.concatenate([layout.places, places])
            layout.columns = (*layout.columns, *new) if layout.columns else columns
            self.rules += [quantity.combine for _ in new for quantity in layout.quantities]
        return layout
