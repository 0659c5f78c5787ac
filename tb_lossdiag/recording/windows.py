"""Sums up the steps of a window into one record, so that nothing is lost but the steps in between.

Every step is given; a record covers one at first, more and more of them as a run grows. Sums, extremes and the step of the largest
value are kept, so that one spike, clip, NaN or skipped step in a million leaves its exact step behind.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from tb_lossdiag.quantities import STEPS
from tb_lossdiag.recording.latest import LatestSteps
from tb_lossdiag.recording.step_matrix import StepMatrix
from tb_lossdiag.recording.window_sums import Bools, Sums, summed
from tb_lossdiag.recording.window_sums import places as rule_places
from tb_lossdiag.records import Floats, FrameBlock, FrameRecord, Record, Steps, frame_records

Write = Callable[[int, float, list[FrameRecord]], int]
"""Writes the parts of a step at a wall time; gives their size in bytes."""
NEVER = 2**63 - 1
_SHARES = 16
"""Parts of the byte budget; each one used doubles the window, so the file grows with the logarithm of the run."""
_FREE = 512
"""Records written before their rate is looked at: the first steps say most."""
_LOOK = 64
"""Records over which the rate is taken, and that a window of another size gets at least."""
_SECONDS = 0.05
"""At most 20 records a second after that: more resolution than a screen shows, and writing stays far below a step's cost."""


@dataclass
class Cadence:
    """The window of the next record, in steps.

    Attributes:
        budget: bytes that a run's records may take.
        every: only every so many steps are looked at, and each of those is a record; 0: all are, and the window adapts.
        watched: steps are observed without being asked for one by one, so records must not come quicker than they are of use.
    """

    budget: int = 32 * 2**20
    every: int = 0
    watched: bool = False
    window: int = 1
    _spent: int = 0
    _records: int = 0
    _times: list[float] = field(default_factory=list)

    def watch(self, budget: int, every: int) -> None:
        """Steps are watched from now on; a window that has grown stays."""
        self.budget, self.every, self.watched = budget, every, True

    def wrote(self, size: int, walltime: float) -> None:
        """Take account of a record of `size` bytes whose last step was at `walltime`, in seconds."""
        self._spent += size
        self._records += 1
        self._times = [*self._times[1 - _LOOK :], walltime]
        if not self.every and (self._costly() or self._hasty()):
            self.window *= 2
            self._spent, self._records, self._times = 0, 0, []

    def _costly(self) -> bool:
        return self._spent >= self.budget // _SHARES

    def _hasty(self) -> bool:
        """Whether the records of this window, and the last 64, came faster than `_SECONDS` each."""
        times = self._times
        if not self.watched:
            return False
        free = _FREE if self.window == 1 else _LOOK
        return self._records >= free and times[-1] - times[0] < _SECONDS * (len(times) - 1)


class _Frame(NamedTuple):
    """A frame's records: float32[W, C, Q], and which of them there are."""

    name: str
    columns: tuple[str, ...]
    values: Floats
    there: list[bool]


class _Batch(NamedTuple):
    """The records of several windows."""

    steps: list[int]
    times: list[float]
    frames: list[_Frame]


class Windows:
    """Collects steps and writes a record per window, in the order of steps.

    Args:
        write: writes a record.
        cadence: how many steps it covers.
    """

    def __init__(self, write: Write, cadence: Cadence) -> None:
        self._write = write
        self.cadence = cadence
        self._sheet = StepMatrix()
        self._own: list[tuple[int, float, list[Record]]] = []
        self._begun: Sums | None = None
        self._rules = rule_places([])
        self._latest = LatestSteps()

    def ahead(self, write: Write) -> Windows:
        """Windows that stand where these do, and write what these would write, with `write`."""
        ahead = copy.copy(self)
        ahead._write, ahead.cadence = write, copy.copy(self.cadence)  # noqa: SLF001
        ahead._sheet, ahead._own = self._sheet.copy(), list(self._own)  # noqa: SLF001
        ahead._latest = LatestSteps()  # noqa: SLF001
        return ahead

    def add(self, block: FrameBlock) -> None:
        """Take rows that are summed up in windows."""
        self._sheet.put(block)

    def at(self, step: int, walltime: float, records: list[Record]) -> None:
        """Take records that keep their own step, whatever the window."""
        self._own.append((step, walltime, records))

    def advance(self, until: int) -> None:
        """Write every window that is complete and ends no later than `until`."""
        steps, times, values = self._sheet.take(until)
        if self.cadence.window > 1 and len(steps) and not self.cadence.every:
            self._latest.keep(steps, times, values)
        while len(steps):
            ends = self._ends(steps, values)
            if not len(ends):
                self._carry(summed(steps, times, values, np.array([len(steps)])))
                break
            used = self._close(summed(steps, times, values, ends), ends)
            steps, times, values = steps[used:], times[used:], values[used:]
        self._write_own(until)

    def broke(self, steps: Sequence[int]) -> None:
        """Something broke there: where a record covers several steps, those around it are written one by one as well."""
        self._own += self._latest.singles(self._sheet.layouts, steps)

    def forget(self) -> None:
        """The training goes on elsewhere."""
        self._latest.forget()

    def flush(self, until: int = NEVER) -> None:
        """Write everything up to a step, the window that has begun included."""
        self.advance(until)
        begun, self._begun = self._begun, None
        if begun is not None:
            self._record(self._batch(begun), 0)

    def _ends(self, steps: Steps, values: Floats) -> Steps:
        """Rows after which a window ends, for as long as its size stays what it is."""
        last = np.append(np.flatnonzero(np.diff(steps)), len(steps) - 1)  # of each step
        if self.cadence.every:  # a step that was looked at ends its window
            looked = ~np.isnan(values[:, self._sheet.place(STEPS)]).all(axis=1)
            seen = np.logical_or.reduceat(looked, np.append(0, last[:-1] + 1))
            return last[seen] + 1
        begun = 0 if self._begun is None else int(self._begun.count[0])
        first = self.cadence.window - begun - 1
        return last[max(first, 0) :: self.cadence.window] + 1

    def _close(self, sums: Sums, ends: Steps) -> int:
        """Write windows until their size changes; rows used up."""
        size = self.cadence.window
        begun, self._begun = self._begun, None
        batch = self._batch(sums if begun is None else begun.joined(sums))
        for index in range(len(ends)):
            self._record(batch, index)
            if self.cadence.window != size:
                return int(ends[index])
        return int(ends[-1])

    def _carry(self, sums: Sums) -> None:
        self._begun = sums if self._begun is None else self._begun.joined(sums)

    def _batch(self, sums: Sums) -> _Batch:
        """The records of all windows of some sums."""
        if len(self._rules) != self._sheet.width:
            self._rules = rule_places(self._sheet.rules)
        combined, several = sums.combined(self._rules), sums.several
        frames = []
        for frame, layout in self._sheet.layouts.items():
            values = combined[:, layout.places]
            there: Bools = ~np.logical_and.reduce(np.isnan(values), axis=(1, 2))
            if there.any():
                frames.append(_Frame(frame, layout.columns, values, there.tolist()))
            extremes = [i for i, q in enumerate(layout.quantities) if q.extremes]
            if extremes and (both := there & several).any():
                three = sums.extremes(layout.places[:, extremes])
                frames.append(_Frame(f"{frame}_window", layout.columns, three, both.tolist()))
        return _Batch(sums.last_step.tolist(), sums.last_time.tolist(), frames)

    def _record(self, batch: _Batch, index: int) -> None:
        step, walltime = batch.steps[index], batch.times[index]
        self._write_own(step - 1)
        found = [
            FrameRecord(frame.name, frame.columns, frame.values[index])
            for frame in batch.frames
            if frame.there[index]
        ]
        self.cadence.wrote(self._write(step, walltime, found), walltime)

    def _write_own(self, until: int) -> None:
        if not self._own:
            return
        due = sorted((own for own in self._own if own[0] <= until), key=lambda own: own[0])
        self._own = [own for own in self._own if own[0] > until]
        for step, walltime, records in due:
            self._write(step, walltime, frame_records(records))
