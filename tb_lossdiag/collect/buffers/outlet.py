"""Hands what was observed to the recorder, and sees to it that it reaches the file."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import numpy as np

from tb_lossdiag.collect.buffers.broken_steps import BrokenSteps
from tb_lossdiag.collect.buffers.norm_buffer import ROWS, NormBuffer
from tb_lossdiag.collect.buffers.queue import Queue
from tb_lossdiag.collect.guard import Guard
from tb_lossdiag.collect.state.optimizers import Optimizers
from tb_lossdiag.collect.state.processes import rank
from tb_lossdiag.quantities import LOSS_NONFINITE, NONFINITE_STEPS, QUANTITIES
from tb_lossdiag.recording.event_file import EventFile
from tb_lossdiag.recording.recorder import Recorder
from tb_lossdiag.recording.tail import Tail
from tb_lossdiag.records import Floats, FrameBlock

_LONGEST = 0.75
"""Seconds that observations of watched steps may wait to be handed over: with the pause of the tail file a second."""
_KEPT = 512
"""Steps that wait, at most, while writing rests after a failure."""
_APPENDED = 30.0
"""Seconds between two records of windows that have begun, where they cannot be kept in a tail file."""
_BREAKS = frozenset(quantity.nonfinite for quantity in QUANTITIES)
_INSTEAD = "open windows are written every 30 s instead of being kept in a tail file"


class Judge(Protocol):
    """Judges what is recorded, in the training loop."""

    @property
    def calm(self) -> bool:
        """Whether something that is not finite would be news."""
        ...

    def judge(self) -> Exception | None:
        """Judge if it is time to; what is to be raised to stop the training."""
        ...

    def last(self) -> None:
        """The run ends."""
        ...


class RowsOfData(Protocol):
    """Knows which rows of the data steps are taken with."""

    def take(self, ids: Any) -> None:
        """Take those of the step that is coming."""
        ...

    def tell(self, steps: Iterable[int]) -> None:
        """Say those of steps at which something broke, before their record is written."""
        ...


class Outlet:
    """Everything that waits, on its way to the recorder.

    Args:
        recorder: where it goes.
        event_file: where the recorder writes.
        guarded: switches failing collectors off.
        optimizers: whose names are facts.

    Attributes:
        waiting: samples and losses.
        rows: steps of watched models.
        live: judges what was recorded, if that was asked for.
        rows_of_data: knows which rows steps are taken with, if it was told.
        tail: keeps what is not yet a record.
        due: time of `time.perf_counter` after which what waits has waited long enough.
        news: whether something was handed over that was not judged yet, where somebody judges.
    """

    def __init__(
        self, recorder: Recorder, event_file: EventFile, guarded: Guard, optimizers: Optimizers
    ) -> None:
        self._recorder, self._event_file = recorder, event_file
        self._guarded, self._optimizers = guarded, optimizers
        self.waiting = Queue(guarded)
        self.rows: list[NormBuffer] = []
        self._silent = False
        self.live: Judge | None = None
        self.news = False
        self.rows_of_data: RowsOfData | None = None
        self._breaks = BrokenSteps()
        self._broke: list[int] = []
        self._alarm: int | None = None
        self._appended = time.monotonic()
        self.due = time.perf_counter() + _LONGEST
        self.tail = Tail(recorder.ahead, event_file)
        self._broken = self._was_broken = False
        self.check_rank()

    @property
    def silent(self) -> bool:
        """Whether another rank writes, or the process that this one was forked from."""
        return self._silent or self._event_file.inherited

    def check_rank(self) -> None:
        """Only rank 0 writes, and no forked child; once silent, always."""
        if not self._silent and (rank() > 0 or self._event_file.inherited):
            self._silent = True
            self._guarded.unrest.stir()

    def say(self, words: dict[str, str]) -> None:
        """Take facts in words."""
        self._recorder.say(words)

    def stepped(self, watch: NormBuffer, *, now: bool) -> None:
        """A watched step has been taken; `now`: something in it must reach the file at once."""
        urgent = now or self._alarm is not None
        watch.hold.step()
        if urgent:
            watch.hold.end()
        if urgent or not any(rows.provisional and len(rows) < 2 * ROWS for rows in self.rows):
            self.if_due(now=urgent or watch.full)

    def if_due(self, *, now: bool) -> None:
        """Hand over if it is time to, or a loss is no number any more."""
        broken = self.waiting.broken and not self._was_broken
        if broken or self.waiting.full:
            self._end_holds()
        if now or broken or self.waiting.full or time.perf_counter() > self.due:
            self.drain()

    def judge(self) -> Exception | None:
        """Judge what was recorded, if that was asked for and it is time; what is to be raised to stop the training."""
        self.news = self._alarm is not None  # which is to be written at the next step
        if self.live is not None and not self.silent:
            return self._guarded.seen("live", self.live.judge)
        return None

    def drain(self, step: int | None = None) -> None:
        """Hand over what waits, and write what is complete: steps before the newest one, or before `step`."""
        self._write(lambda: self._drain(step))

    def retire(self, rows: NormBuffer, step: int) -> None:
        """No more steps come for these rows; hand over what is before this step."""
        rows.hold.end()
        self.drain(step)
        self.rows.remove(rows)

    def flush(self) -> None:
        """Hand over and write everything."""

        def work() -> None:
            self._drain(None)
            if self._pending() is None:
                self._recorder.flush()

        self._end_holds()
        if not self.silent:
            self._write(work)

    def close(self, patience: float) -> None:
        """Write everything; what other ranks must add may take so many seconds, or is left out."""
        for rows in self.rows:
            self._guarded("ranks", lambda rows=rows: rows.end(patience))  # type: ignore[misc]
        self._end_holds()
        door = self._guarded.door  # what rests has its last chance
        with np.errstate(all="ignore"):
            door("writing", self._drain, None)
            if not self.silent:
                door("writing", self._recorder.close)
        door("writing", self._event_file.commit)
        if self.live is not None and patience:
            door("live", self.live.last)

    def _write(self, work: Callable[[], None]) -> None:
        """Do work that writes; what it wrote goes to the file's thread at once, even if it failed."""
        self._guarded("writing", work)
        self._guarded.door("writing", self._event_file.commit)
        if self._guarded.rest("writing") > _KEPT:
            self._guarded.door("writing", self._drop)  # it would be too much by then
        if not self.silent:
            self._guarded("tail", self._keep)

    def _keep(self) -> None:
        """Keep what is not yet a record where a kill leaves it, at once if something is not finite that was before."""
        now = self._broken and not self._was_broken
        self._was_broken = self._broken
        before = self.tail.why
        kept = self.tail.keep(now=now)
        if self.tail.why != before:
            self._recorder.say({"tail": self.tail.why and f"{self.tail.why}: {_INSTEAD}"})
        if kept or not (now or time.monotonic() - self._appended > _APPENDED):
            return
        self._appended = time.monotonic()
        self._recorder.flush()
        self._event_file.commit()

    def _pending(self) -> int | None:
        """The oldest step that other ranks have not added to."""
        return min((rows.pending for rows in self.rows if rows.pending is not None), default=None)

    def _end_holds(self) -> None:
        for rows in self.rows:
            rows.hold.end()

    def _drain(self, step: int | None) -> None:
        self.check_rank()
        if self.silent:
            self._drop()
            return
        if any(rows.hold.waits for rows in self.rows):
            return
        self._event_file.open()
        self.due = time.perf_counter() + _LONGEST
        self._broken = False
        hands = self._hand_rows, self._hand_waiting
        handed = [self._guarded.door("writing", hand) for hand in hands]
        newest = max(-1 if n is None else n for n in (step, *handed))
        if names := self._optimizers.names():
            self._recorder.say({"optimizer": names})
        pending = self._pending()
        until = (newest if pending is None else min(newest, pending)) - 1
        self._recorder.advance(until)
        if self._broke and self._broke[-1] <= until:
            broke, self._broke = self._broke, []
            self._recorder.broke(broke)
        if self._alarm is not None and self._alarm <= until:
            self._alarm = None
            self._recorder.cut(until)  # it is judged before its window would end
        self.news = self.live is not None

    def _hand(self, block: FrameBlock) -> int:
        """Several steps; the newest of them. The first that is not finite is news to who judges."""
        self._recorder.add(block)
        if self.rows_of_data is not None or self._recorder.cadence.window > 1:
            self._guarded("data", lambda: self._look(block))
        self._broken |= any(_breaks(q.name, values) for q, values in block.values.items())
        if self.live is not None and self._alarm is None and self.live.calm:
            self._alarm = _first_broken(block)
        return int(block.steps[-1])

    def _look(self, block: FrameBlock) -> None:
        """Look for what broke among steps that are handed on: records say of several no more than their extremes."""
        steps = self._breaks.among(block)
        self._broke += steps
        if steps and self.rows_of_data is not None:
            self.rows_of_data.tell(steps)

    def _hand_blocks(self, blocks: Iterable[FrameBlock]) -> int:
        """Such blocks; the newest of their steps, -1 without one. One that fails costs none of the others."""
        steps = [self._guarded.door("writing", self._hand, block) for block in blocks]
        return max((step for step in steps if step is not None), default=-1)

    def _hand_rows(self) -> int:
        """Watched steps; the newest of them, -1 without one."""
        newest = -1
        for rows in self.rows:
            newest = max(newest, self._hand_blocks(rows.take()))
            for one in rows.late_records():
                self._recorder.take(*one)
        return newest

    def _hand_waiting(self) -> int:
        """Everything else; the newest step of it, -1 without one."""
        newest = self._hand_blocks(self.waiting.take_losses())
        for observed, records in self.waiting.take():
            newest = max(newest, observed.step)
            self._broken |= any(_breaks(r.quantity.name, r.values) for r in records)
            take = self._recorder.at if observed.own else self._recorder.take
            self._guarded.door("writing", take, observed.step, observed.walltime, records)
        for block in self.waiting.take_blocks():
            newest = max(newest, int(block.steps[-1]))
            self._broken |= any(_breaks(q.name, values) for q, values in block.values.items())
            self._guarded.door("writing", self._recorder.extend, block)
        return newest

    def _drop(self) -> None:
        """Another rank writes."""
        self.waiting.drop()
        for rows in self.rows:
            list(rows.take())
            rows.late_records()


def _first_broken(block: FrameBlock) -> int | None:
    """The first step with a loss or gradient that is not finite."""
    counts = (block.values.get(quantity) for quantity in (NONFINITE_STEPS, LOSS_NONFINITE))
    bad = [(count > 0).any(axis=1) for count in counts if count is not None]
    steps = block.steps[np.logical_or.reduce(bad)] if bad else block.steps[:0]
    return int(steps[0]) if len(steps) else None


def _breaks(name: str, values: Floats) -> bool:
    """Whether a quantity's values count something that is not finite."""
    return name in _BREAKS and bool((values > 0).any())
