"""The short way of a calm step, one that is like the step before; `calm_steps` tells which are.

In the midst of a training each call of a function costs a microsecond: what the whole way of `steps` does stands here once more.
"""

from __future__ import annotations

import time
from typing import Any

from tb_lossdiag.collect.watch.gauge import Norms
from tb_lossdiag.collect.watch.step_parts import StepParts

_clock = time.perf_counter


class CalmWay(StepParts):
    """Takes the calm steps."""

    def after_calm(self, optimizer: Any, norms: Norms) -> Exception | None:
        """A calm step with these norms has ended; what is to be raised to stop the training."""
        start = _clock()
        calm, times, counter, taken = self.calm, self.times, self.counter, self.taken
        pattern = calm.pattern
        if pattern is None or pattern.gauge is None:
            return self.after_passed(optimizer)
        calm.norms = None
        step = counter.take() if self.owed == 1 else self.count()
        self.owed, outlet, ends = 0, self._outlet, pattern.ends
        if self.notes:
            if ends is self._optimizers.calm and ends.take():
                self._optimizers.steps += 1
            else:
                self._optimizers.note_calm(optimizer, ends)
        count = taken + 1 - times.row
        full = self._rows.put_calm(
            norms,
            (
                step,
                time.time(),
                (start - times.ended) / count,
                times.own / count,
                pattern.where,
                None,
                self._rates.now(),
                count,
                counter.named,
            ),
        )
        times.own, times.ended, times.row = 0.0, start, taken + 1
        if calm.around:
            self._extras.sink_calm(step)
        self.reloads.version = self._weight._version  # noqa: SLF001
        if taken % self._seldom == 0:
            self._sink_seldom(step)
        pattern.gauge.kept = []
        self.taken = taken + 1
        self._guarded.steps += 1
        if full or start > outlet.due or outlet.news or self.examiner is not None:
            return self._end_calm(start, full=full)
        times.own += _clock() - start
        return None

    def after_passed(self, optimizer: Any) -> Exception | None:
        """The same for a step whose gradients nobody looks at."""
        start = _clock()
        calm, outlet = self.calm, self._outlet
        pattern, calm.norms = calm.pattern, None
        step = self.counter.take() if self.owed == 1 else self.count()
        self.owed = 0
        if self.notes and pattern is not None:
            if pattern.ends is self._optimizers.calm and pattern.ends.take():
                self._optimizers.steps += 1
            else:
                self._optimizers.note_calm(optimizer, pattern.ends)
        if calm.around:
            self._extras.sink_calm(step)
        self.reloads.version = self._weight._version  # noqa: SLF001
        self.taken += 1
        self._guarded.steps += 1
        if start > outlet.due or outlet.news or self.examiner is not None:
            return self._end_calm(start, full=False)
        self.times.own += _clock() - start
        return None

    def _end_calm(self, start: float, *, full: bool) -> Exception | None:
        """A calm step has been taken, whose end was seen at this time: hand over if there is no room for another one or it is time to."""
        outlet, examiner, stop = self._outlet, self.examiner, None
        if full or start > outlet.due or outlet.news:
            self._host.stepped(self._rows, now=False)
            stop = self._host.judge()  # nothing is news before it is handed over
        self.times.own += _clock() - start
        if examiner is not None and stop is None and not examiner.waits(self.taken):
            self.begin_check_up()
            self.unless_examined()
        return stop

    def _sink_seldom(self, step: int) -> None:
        """Hand over what is looked at after some calm steps only."""
        self.calm.look()
        self._rates.forget()
        self._host.guarded.door("layers", self._facts.sink, step, self.taken)
        self._updates.after_step(step)

    def unless_examined(self) -> None:
        """Unless it is looked at from inside."""
        if self.examiner is not None and self.examiner.running:
            self.calm.interrupt()

    def begin_check_up(self) -> None:
        """A step may come: look at it from inside if that is due."""
        start = time.perf_counter()
        if self.examiner is not None:
            self._host.guarded.openly("probes", self.examiner.probe)
            self.examiner.begin(self.taken)
        if self._talk is not None:
            self._host.guarded("ranks", self._listen)
        self.gradients.times.spent(start)

    def _listen(self) -> None:
        """Look at the coming step for the other ranks, if it is time to."""
        assert self._talk is not None  # noqa: S101  (asked before)
        self._talk.coming(self.taken)
