"""Sums up the steps of a window into one record, so that nothing is lost but the step in between.

Every step is given; how many of them a record covers is the cadence's business. Sums, extremes and the step of the largest value are
kept, so that one spike, clip, NaN or skipped step in a million leaves its exact step behind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from tb_lossdiag.cadence import Cadence
from tb_lossdiag.quantities import STEPS, Quantity
from tb_lossdiag.records import Doubles, Floats, Record, Steps
from tb_lossdiag.sums import Sum

Write = Callable[[int, float, list[Record]], int]
"""Writes the records of a step at a wall time; gives their size in bytes."""
_LOOKED = STEPS.frame
"""The frame that every step which was looked at leaves a row in."""


@dataclass(frozen=True)
class Block:
    """Several steps of quantities that share a frame.

    Attributes:
        columns: C names.
        steps: int64[n], not decreasing.
        walltimes: float64[n], seconds since the epoch.
        values: float32[n, C] by quantity, all of one frame.
    """

    columns: tuple[str, ...]
    steps: Steps
    walltimes: Doubles
    values: dict[Quantity, Floats]

    def rows(self, first: int, last: int) -> Block:
        """The part from step `first` up to `last`."""
        if not len(self.steps) or (self.steps[0] >= first and self.steps[-1] <= last):
            return self
        at = slice(*np.searchsorted(self.steps, [first, last + 1]))
        values = {quantity: part[at] for quantity, part in self.values.items()}
        return Block(self.columns, self.steps[at], self.walltimes[at], values)


@dataclass
class _Held:
    """What waits to be written: rows of windows by frame, and records that keep their own step."""

    frames: dict[str, list[Block]] = field(default_factory=dict)
    own: list[tuple[int, float, list[Record]]] = field(default_factory=list)

    def steps(self, frame: str | None = None) -> Steps:
        """The steps of all rows, or of a frame's, once each, in order."""
        some = self.frames.values() if frame is None else [self.frames.get(frame, [])]
        blocks = [block.steps for blocks in some for block in blocks]
        return np.unique(np.concatenate(blocks)) if blocks else np.empty(0, np.int64)


class Windows:
    """Collects steps and writes a record per window, in the order of steps."""

    def __init__(self, write: Write, cadence: Cadence) -> None:
        """Write through `write`, as often as `cadence` says."""
        self._write = write
        self.cadence = cadence
        self._held = _Held()
        self._begun: dict[str, _Frame] = {}
        self._count = 0
        self._first = 0

    def add(self, frame: str, block: Block) -> None:
        """Take rows of a frame that are summed up in windows. A step given again counts as another one within its window."""
        self._held.frames.setdefault(frame, []).append(block)

    def at(self, step: int, walltime: float, records: list[Record]) -> None:
        """Take records that keep their own step, whatever the window."""
        self._held.own.append((step, walltime, records))

    def newest(self, frame: str) -> int:
        """Last step that a frame was given, -1 if none waits."""
        blocks = self._held.frames.get(frame)
        return int(blocks[-1].steps[-1]) if blocks else -1

    def advance(self, until: int) -> None:
        """Write every window that is complete and ends no later than `until`."""
        steps = self._held.steps()
        steps = steps[steps <= until]
        begin = 0
        while begin < len(steps):
            end, complete = self._end(steps, begin)
            self._fold(int(steps[begin]), int(steps[end - 1]))
            self._count += end - begin
            if complete:
                self._close(int(steps[end - 1]))
            begin = end
        self._write_own(until)
        self._forget(until)

    def _end(self, steps: Steps, begin: int) -> tuple[int, bool]:
        """Where the window that is open at `begin` ends among these steps, and whether it does."""
        if self.cadence.every:  # a step that was looked at ends its window
            looked = np.isin(steps[begin:], self._held.steps(_LOOKED))
            return (
                (begin + int(np.argmax(looked)) + 1, True) if looked.any() else (len(steps), False)
            )
        end = min(begin + self.cadence.window - self._count, len(steps))
        return end, self._count + end - begin >= self.cadence.window

    def flush(self) -> None:
        """Write everything, the window that has begun included."""
        newest = 2**63 - 2
        self.advance(newest)
        if self._begun:
            self._close(max(frame.last for frame in self._begun.values()))

    def _fold(self, first: int, last: int) -> None:
        for name, blocks in self._held.frames.items():
            for block in blocks:
                part = block.rows(first, last)
                if len(part.steps) and part.steps[0] <= last and part.steps[-1] >= first:
                    self._begun.setdefault(name, _Frame()).fold(part)

    def _close(self, step: int) -> None:
        self._write_own(step - 1)
        records = [record for frame in self._begun.values() for record in frame.records(step)]
        walltime = max(frame.walltime for frame in self._begun.values())
        self._begun, self._count = {}, 0
        self.cadence.wrote(self._write(step, walltime, records), walltime)

    def _write_own(self, until: int) -> None:
        due = sorted((o for o in self._held.own if o[0] <= until), key=lambda own: own[0])
        self._held.own = [own for own in self._held.own if own[0] > until]
        for step, walltime, records in due:
            self._write(step, walltime, records)

    def _forget(self, until: int) -> None:
        later = {
            name: [b for block in blocks if len((b := block.rows(until + 1, 2**63 - 2)).steps)]
            for name, blocks in self._held.frames.items()
        }
        self._held.frames = {name: blocks for name, blocks in later.items() if blocks}


_ROWS = 256
"""Rows of a window that are kept as they are; more are summed up at once."""


@dataclass
class _Frame:
    """A frame's window so far."""

    columns: tuple[str, ...] = ()
    last: int = -1
    walltime: float = 0.0
    steps: int = 0
    waiting: list[Block] = field(default_factory=list)
    sums: dict[Quantity, Sum] = field(default_factory=dict)

    def fold(self, block: Block) -> None:
        """Add rows."""
        if block.columns is not self.columns and block.columns != self.columns:
            new = (name for name in block.columns if name not in self.columns)
            self.columns = (*self.columns, *new)
        self.waiting.append(block)
        self.last = max(self.last, int(block.steps[-1]))
        self.walltime, self.steps = float(block.walltimes[-1]), self.steps + len(block.steps)
        if sum(len(waiting.steps) for waiting in self.waiting) > _ROWS:
            self._sum_up()

    def records(self, step: int) -> list[Record]:
        """The window's records, as of its last step."""
        if self.steps == 1 and self.last == step:
            only = self.waiting[0]
            return [Record(q, only.columns, values[0]) for q, values in only.values.items()]
        self._sum_up()
        return [record for q, found in self.sums.items() for record in self._of(q, found, step)]

    def _of(self, quantity: Quantity, found: Sum, step: int) -> Iterator[Record]:
        yield Record(quantity, self.columns, found.combined(quantity.combine))
        if quantity.extremes:
            lag = (step - found.at).astype(np.float32)
            yield Record(quantity.highest(), self.columns, found.high.astype(np.float32))
            yield Record(quantity.highest_lag(), self.columns, lag)
            yield Record(quantity.lowest(), self.columns, found.low.astype(np.float32))

    def _sum_up(self) -> None:
        for block in self.waiting:
            same = block.columns is self.columns or block.columns == self.columns
            place = None if same else [self.columns.index(name) for name in block.columns]
            for quantity, values in block.values.items():
                found = self.sums.setdefault(quantity, Sum())
                found.widen(len(self.columns))
                found.fold(block.steps, spread(values, place, len(self.columns)))
        for found in self.sums.values():
            found.widen(len(self.columns))
        self.waiting = []


def spread(values: Floats, place: Sequence[int] | None, columns: int) -> Floats:
    """float32[n, columns] of float32[n, C]: its columns at their places, NaN elsewhere."""
    if place is None:
        return values
    wide: Floats = np.full((len(values), columns), np.nan, np.float32)
    wide[:, place] = values
    return wide
