"""What is observed of every step of a watched optimizer, and in which order: once before it, once after it."""

from __future__ import annotations

import time
from typing import Any

import torch

from tb_lossdiag.collect.buffers.norm_buffer import NormBuffer
from tb_lossdiag.collect.check_up import Subject
from tb_lossdiag.collect.state.parameters import Parameters
from tb_lossdiag.collect.unseen import real
from tb_lossdiag.collect.watch.calm_steps import CalmSteps, Pattern
from tb_lossdiag.collect.watch.examiner import Examiner
from tb_lossdiag.collect.watch.gauge import Norms
from tb_lossdiag.collect.watch.host import Host, Options
from tb_lossdiag.collect.watch.optimizer_facts import OptimizerFacts
from tb_lossdiag.collect.watch.rank_talk import RankTalk
from tb_lossdiag.collect.watch.reloads import Reloads
from tb_lossdiag.collect.watch.step_counter import StepCounter
from tb_lossdiag.collect.watch.step_extras import StepExtras
from tb_lossdiag.collect.watch.step_gradients import StepGradients
from tb_lossdiag.collect.watch.step_updates import StepUpdates
from tb_lossdiag.collect.watch.watched_parameters import WatchedParameters
from tb_lossdiag.process.forks import Origin

_clock = time.perf_counter


class WatchedSteps:
    """Looks at each step in turn and hands over what was seen.

    Args:
        rows: where the steps wait.
        subject: the model, its optimizer, scaler and scheduler.
        found: the model's parameters.
        host: what the watch shares with the writer's other parts.
        options: what is observed.
        first: the first step, unless that is named.
        talk: compares data-parallel ranks, if there are several.

    Attributes:
        taken: so many steps.
        owed: how many of them have ended and were not counted; who tells of one counts it here first, so that a failure shifts no later number.
        counter: numbers them.
        reloads: checkpoints loaded between them.
        parameters: of the model.
        gradients: of the coming step.
        scale: its loss scale, None without a GradScaler.
        examiner: its check-ups, None without.
        origin: the process that they happen in.
        times: how long they take.
        calm: those that are like the one before.
        notes: whether the optimizers are told of them here.
    """

    def __init__(
        self,
        rows: NormBuffer,
        subject: Subject,
        found: Parameters,
        host: Host,
        options: Options,
        first: int,
        talk: RankTalk | None,
    ) -> None:
        self._rows, self._host, self._every, self._talk = rows, host, options.every, talk
        self.taken = self.owed = 0
        self.origin = Origin()
        self.counter, self.reloads = StepCounter(first), Reloads(subject.optimizer)
        self.parameters = held = WatchedParameters(subject.model, found, rows, host)
        self._extras = StepExtras(rows, host, held, subject.scaler)
        self.scale = self._extras.scale
        self.gradients = StepGradients(rows, subject, held, host, options.every, self.counter, talk)
        self.times, self._rates = self.gradients.times, self.gradients.rates
        weight = self.reloads.weight
        self._weight = torch.empty(0, device="cpu") if weight is None else weight
        self._updates = StepUpdates(rows, held, host, options.every)
        self._seldom = self._updates.apart  # what varies seldom is looked at with them
        self._facts = OptimizerFacts(rows, subject, held, host, options.every, resumed=first > 0)
        self._reuse = self._facts.reuse
        self.examiner = None
        if options.check_up and not host.silent:
            self.examiner = Examiner(subject, host, options, resumed=first > 0)
        self.calm = CalmSteps(
            rows,
            subject.optimizer,
            held,
            host,
            self.counter,
            self.gradients,
            possible=type(rows) is NormBuffer and talk is None,
            every=options.every,
            scaler=subject.scaler,
        )
        self.notes = False

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
            taken = self.taken
            if self.calm.begin(taken, arguments, named):
                if self._weight._version != self.reloads.version:  # noqa: SLF001
                    self.reloads.touched = True
                if taken % self._reuse.apart == self._reuse.apart - 1:
                    self._host.guarded.quick("gradient", self._reuse.look)
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

    def after(self, optimizer: Any, arguments: Any, named: Any) -> Exception | None:
        """It has ended its step; what is to be raised to stop the training."""
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
        """A step that is not a calm one has ended."""
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
        step = self._count()
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

    def after_calm(self, optimizer: Any, norms: Norms) -> Exception | None:
        """A calm step with these norms has ended; what is to be raised to stop the training.

        In the midst of a training each call of a function costs a microsecond: what the others do stands here once more.
        """
        start = _clock()
        calm, times, counter, taken = self.calm, self.times, self.counter, self.taken
        pattern, calm.norms = calm.pattern, None
        if pattern is None or pattern.gauge is None:
            return self._after_passed(optimizer, pattern, start)
        step = counter.take() if self.owed == 1 else self._count()
        self.owed = 0
        if self.notes:
            self._host.optimizers.note_calm(optimizer, pattern.ends)
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
        return self._end_calm(start, full=full)

    def _after_passed(
        self, optimizer: Any, pattern: Pattern | None, start: float
    ) -> Exception | None:
        """The same for a step whose gradients nobody looks at."""
        step = self._count()
        if self.notes and pattern is not None:
            self._host.optimizers.note_calm(optimizer, pattern.ends)
        if self.calm.around:
            self._extras.sink_calm(step)
        self.reloads.version = self._weight._version  # noqa: SLF001
        return self._end_calm(start, full=False)

    def _end_calm(self, start: float, *, full: bool) -> Exception | None:
        """A calm step has been taken, whose end was seen at this time; hand over if there is no room for another one or it is time to."""
        host, stop = self._host, None
        self.taken += 1
        host.guarded.steps += 1
        outlet = host.outlet
        if full or start > outlet.due or outlet.news:
            host.stepped(self._rows, now=False)
            stop = host.judge()  # nothing is news before it is handed over
        self.times.own += _clock() - start
        if stop is None and self.examiner is not None and not self.examiner.waits(self.taken):
            self.begin_check_up()
            self._unless_examined()
        return stop

    def _sink_seldom(self, step: int) -> None:
        """Hand over what is looked at after some calm steps only."""
        self.calm.look()
        self._host.guarded.door("layers", self._facts.sink, step, self.taken)
        self._updates.after_step(step)

    def _count(self) -> int:
        """The number of the step that has just been taken."""
        if self.owed > 1:
            self.counter.missed(self.owed - 1)
        self.owed = 0
        return self.counter.take()

    def _expect(self) -> None:
        """The next step may be a calm one."""
        self.calm.expect(self.taken)
        self._unless_examined()

    def _unless_examined(self) -> None:
        """Unless it is looked at from inside."""
        if self.examiner is not None and self.examiner.running:
            self.calm.interrupt()

    def _judge(self) -> Exception | None:
        start = time.perf_counter()
        stop = self._host.judge()
        self.gradients.times.spent(start)
        return stop

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


def _closure(optimizer: Any, arguments: Any, named: Any) -> bool:
    """Whether the step evaluates the model itself, so that its gradients come while it runs."""
    given = [a for a in (*arguments, *named.values()) if a is not optimizer]
    return any(callable(argument) for argument in given)
