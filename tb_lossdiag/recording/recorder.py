"""Where everything observed comes together: steps become windows, windows become records in the event file."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from tb_lossdiag.quantities import QUANTITIES, Quantity
from tb_lossdiag.recording.emit import Emit
from tb_lossdiag.recording.journal import Journal
from tb_lossdiag.recording.past import Past
from tb_lossdiag.recording.record_writer import RecordWriter, Scalars
from tb_lossdiag.recording.windows import Cadence, Windows
from tb_lossdiag.records import FrameBlock, Record
from tb_lossdiag.run import LiveReport
from tb_lossdiag.wire.schema import Fact

_WINDOWED = {quantity.frame for quantity in QUANTITIES if quantity.extremes} | {"group", "weight"}
"""Frames whose steps are summed up; all others keep every record at its own step."""

_Series = tuple[str, tuple[str, ...]]
"""Frame and columns: what one source leaves, in the order of its steps."""


class Recorder:
    """Takes what the collectors observe, in any order within the steps that have not been written yet.

    Args:
        emit: writes to the event file.
        scalars: the ordinary scalars of a record.
        cadence: how many steps a record covers.
        past: what the folder holds already.

    Attributes:
        write: writes the records.
        heard: is told of what was said of a finding, too.
    """

    def __init__(
        self, emit: Emit, scalars: Scalars, cadence: Cadence, past: Past | None = None
    ) -> None:
        self._journal = Journal(emit, past)
        self.write = RecordWriter(self._journal, scalars)
        self.heard: Callable[[LiveReport], object] | None = None
        self._windows = Windows(self.write, cadence)
        self._open: dict[tuple[Quantity, tuple[str, ...]], Record] = {}
        self._step, self._walltime = -1, 0.0
        self._newest: dict[_Series, int] = {}

    @property
    def cadence(self) -> Cadence:
        """How many steps a record covers."""
        return self._windows.cadence

    def say(self, words: Mapping[str, str]) -> None:
        """Take facts that word an advice."""
        self._journal.say(words)

    def renumber(self, step: int, named: int, walltime: float) -> None:
        """The user's numbers began again: what is `named` so is `step` in the one count that records keep."""
        self._journal.renumber(step, named, walltime)

    def restart(self) -> None:
        """Events were lost: what later ones need to be read is written again."""
        self._journal.restart()

    def take(self, step: int, walltime: float | None, records: Iterable[Record]) -> None:
        """Take records of a step. A quantity given again for the same step and columns replaces what it had."""
        now = time.time() if walltime is None else walltime
        summed: list[Record] = []
        own: list[Record] = []
        for record in records:
            (summed if record.quantity.frame in _WINDOWED else own).append(record)
        if summed and step != self._step:
            self.settle()
            self._restart_before(step, {(r.quantity.frame, r.columns) for r in summed})
        if own:
            self.at(step, now, own)
        if not summed:
            return
        self._step, self._walltime = step, now
        self._open.update({(record.quantity, record.columns): record for record in summed})

    def at(self, step: int, walltime: float, records: list[Record]) -> None:
        """Take records that keep their own step, whatever the window."""
        self._windows.at(step, walltime, records)

    def add(self, block: FrameBlock) -> None:
        """Take several steps of a frame."""
        series = block.frame, block.columns
        self._restart_before(int(block.steps[0]), {series})
        self._newest[series] = int(block.steps[-1])
        self._windows.add(block)

    def extend(self, block: FrameBlock) -> None:
        """Take several steps of a frame, of which the last may be given again, as in `take`."""
        steps, times, last = block.steps.tolist(), block.walltimes.tolist(), len(block.steps) - 1
        for index in dict.fromkeys((0, last)):
            if index and last > 1:
                self.settle()
                self.add(_between(block))
            given = [Record(q, block.columns, rows[index]) for q, rows in block.values.items()]
            self.take(steps[index], times[index], given)

    def settle(self) -> None:
        """End the step that `take` was given last: nothing will be replaced in it any more."""
        found, self._open = self._open, {}
        parts: dict[tuple[str, tuple[str, ...]], dict[Quantity, Record]] = {}
        for (quantity, columns), record in found.items():
            parts.setdefault((quantity.frame, columns), {})[quantity] = record
        steps, times = np.array([self._step], np.int64), np.array([self._walltime])
        for (_, columns), part in parts.items():
            values = {quantity: record.values[None] for quantity, record in part.items()}
            self.add(FrameBlock(columns, steps, times, values))

    def advance(self, until: int) -> None:
        """Write the windows that end no later than step `until`."""
        if self._step <= until:
            self.settle()
        self._windows.advance(until)

    def broke(self, steps: Sequence[int]) -> None:
        """Something broke in steps that windows have summed up: those around them are kept one by one."""
        self._windows.broke(steps)

    def cut(self, until: int) -> None:
        """Write the window that has begun, as far as step `until`, although it is not full."""
        if self._step <= until:
            self.settle()
        self._windows.flush(until)

    def report(self, said: LiveReport) -> None:
        """Take what was said of a finding while the training runs."""
        self._journal.report(said)
        if self.heard is not None:
            self.heard(said)

    def known(self) -> list[Fact]:
        """What a reader who comes only now has to know."""
        return self._journal.known()

    def flush(self) -> None:
        """Write everything."""
        self.settle()
        self._windows.flush()
        self._journal.flush()

    def close(self) -> None:
        """Write everything, and that this was all."""
        self.flush()
        self._journal.close()

    def ahead(self, emit: Emit) -> None:
        """Emit what `flush` would write now, and change nothing."""
        ahead = copy.copy(self)
        ahead._journal = self._journal.ahead(emit)  # noqa: SLF001
        ahead.write = self.write.ahead(ahead._journal)  # noqa: SLF001
        ahead._windows = self._windows.ahead(ahead.write)  # noqa: SLF001
        ahead._newest = dict(self._newest)  # noqa: SLF001
        ahead.flush()
        self._journal.agree(ahead._journal)  # noqa: SLF001

    def _restart_before(self, step: int, series: set[_Series]) -> None:
        """A step that falls means that the training went back: what came before it is written, and ends all windows."""
        if any(step < self._newest.get(one, -1) for one in series):
            self.cut(step - 1)
            self.flush()
            self._journal.went_back(step)
            self._windows.forget()
            self._newest = {}


def _between(block: FrameBlock) -> FrameBlock:
    """All but the first and the last step."""
    values = {quantity: rows[1:-1] for quantity, rows in block.values.items()}
    return FrameBlock(block.columns, block.steps[1:-1], block.walltimes[1:-1], values)
