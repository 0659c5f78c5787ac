"""What is observed of every step of a watched optimizer, and in which order: once before it, once after it."""

from __future__ import annotations

import time
from typing import Any

from tb_lossdiag.collect.unseen import real
from tb_lossdiag.collect.watch.calm_steps import PASSED
from tb_lossdiag.collect.watch.calm_way import CalmWay

_clock = time.perf_counter


class WatchedSteps(CalmWay):
    """Looks at each step in turn and hands over what was seen."""

    def end(self) -> None:
        """No step comes any more."""
        self._updates.forget()
        self.calm.interrupt()
        self.calm.over()
        if self._talk is not None:
            self._talk.rest()
        if self.examiner is not None:
            self.examiner.abandon()

    def before(self, optimizer: Any, arguments: Any, named: Any) -> None:
        """The optimizer begins its step, with these arguments."""
        start = _clock()
        try:
            taken, apart = self.taken, self._reuse.apart
            if self.calm.begin(taken, arguments, named):
                if self._weight._version != self.reloads.version:  # noqa: SLF001
                    self.reloads.touched = True
                if taken % apart == apart - 1:
                    self._reuse.look()
                if taken % self._seldom == 0:
                    self._updates.before_step(taken)
                if self.examiner is not None and self._host.rounds.members > 1:
                    self.examiner.before_step(closure=False)
            else:
                self._before(optimizer, arguments, named)
        except Exception as error:  # noqa: BLE001  (training must go on)
            self._host.guarded.caught("step", error)
        self.times.own += _clock() - start

    def _before(self, optimizer: Any, arguments: Any, named: Any) -> None:
        """A step that is not a calm one begins."""
        self.calm.over()  # if the one before never ended
        if self.origin.left() or not real():
            return
        closure = _closure(optimizer, arguments, named)
        self._facts.beginning.step_begins(self.taken)
        self.gradients.begin()
        self.reloads.before_step()
        if not closure:
            self._host.guarded.quick("gradient", self.gradients.measure, self.taken)
            if self._reuse.due(self.taken):
                self._host.guarded.quick("gradient", self._reuse.look)
        if self.examiner is not None:
            self.examiner.before_step(closure=closure)
        self._updates.before_step(self.taken)

    def ended(self, optimizer: Any, arguments: Any, named: Any) -> None:
        """It has ended its step; may raise to stop the training."""
        try:
            self.owed += 1
            norms = self.calm.norms
            if norms is None:
                stop = self._ended(optimizer, arguments, named)
            elif norms is PASSED:
                stop = self.after_passed(optimizer)
            else:
                stop = self.after_calm(optimizer, norms)
        except Exception as error:  # noqa: BLE001  (training must go on)
            self._host.guarded.caught("step", error)
            return
        if stop is not None:
            raise stop

    def _ended(self, optimizer: Any, arguments: Any, named: Any) -> Exception | None:
        """A step that is not a calm one has ended; what is to be raised to stop the training."""
        if self.notes:
            self._host.guarded.door("optimizer", self._host.optimizers.note_step, optimizer)
        if self.origin.left():
            return None
        stop = self._after(optimizer, arguments, named)
        self.calm.over()
        if stop is None:
            self._expect()
        return stop

    def _after(self, optimizer: Any, arguments: Any, named: Any) -> Exception | None:
        """The same in the process that the steps are of."""
        if not real():
            self.owed -= 1
            return None
        start = time.perf_counter()
        guarded = self._host.guarded
        if _closure(optimizer, arguments, named):
            guarded.quick("gradient", self.gradients.measure, self.taken)
        observed = self.taken % self._every == 0
        self.reloads.after_step()
        guarded.door("step", self._finish_step, start)
        guarded.step()
        if observed:
            guarded.quick("ranks", self._rows.step_ended)
        if (stop := self._judge()) is None:  # else nothing of ours may be installed
            self.begin_check_up()
        return stop

    def _finish_step(self, start: float) -> None:
        """Hand over what was seen of the step; a part that fails costs none of the others."""
        door = self._host.guarded.door
        step = self.count()
        self._rows.provisional = self.counter.provisional
        if self.taken % self._seldom == 0:
            door("layers", self._facts.sink, step, self.taken)
        alarm = door("gradient", self.gradients.put, step, self.taken, start)
        self._updates.after_step(step)
        if self.examiner is not None:
            self.examiner.after_step(self._rows, step, self.parameters.now)
        self._extras.sink(step)
        self.taken += 1
        self.gradients.done()
        self._host.stepped(self._rows, now=bool(alarm))
        self.gradients.times.spent(start)

    def _expect(self) -> None:
        """The next step may be a calm one."""
        self.calm.expect(self.taken)
        self.unless_examined()

    def _judge(self) -> Exception | None:
        start = time.perf_counter()
        stop = self._host.judge()
        self.gradients.times.spent(start)
        return stop


def _closure(optimizer: Any, arguments: Any, named: Any) -> bool:
    """Whether the step evaluates the model itself, so that its gradients come while it runs."""
    given = [a for a in (*arguments, *named.values()) if a is not optimizer]
    return any(callable(argument) for argument in given)
