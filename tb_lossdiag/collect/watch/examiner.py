"""Decides when a watched model gets a check-up, and hands on what it finds."""

from __future__ import annotations

import time
from collections.abc import Callable

from tb_lossdiag.collect.buffers.norm_buffer import NormBuffer
from tb_lossdiag.collect.check_up import CheckUp, Example, MeasuredCall, Subject, clear
from tb_lossdiag.collect.check_up.loss.trained import Trained
from tb_lossdiag.collect.check_up.values import Facts, to_sample
from tb_lossdiag.collect.probes import Prober
from tb_lossdiag.collect.state.asking import parameters_in
from tb_lossdiag.collect.state.loaders import place_in_epoch, stream_workers
from tb_lossdiag.collect.state.measurement import Measurement
from tb_lossdiag.collect.state.parameters import Parameters
from tb_lossdiag.collect.watch import updates
from tb_lossdiag.collect.watch.denominators import denominators
from tb_lossdiag.collect.watch.histograms import Histograms
from tb_lossdiag.collect.watch.host import Host, Options
from tb_lossdiag.collect.watch.ties import Ties
from tb_lossdiag.collect.watch.twins import twins

_NAME = "check-up"


class Examiner:
    """The check-ups of one watched model.

    Args:
        subject: what is watched.
        host: what it shares with the writer's other parts, rounds with the other watched models.
        options: what is looked at.
        resumed: whether the training was under way before.
    """

    def __init__(
        self, subject: Subject, host: Host, options: Options, *, resumed: bool = False
    ) -> None:
        self._check_up = CheckUp(subject, activations=options.activations)
        self._name = subject.name
        self._optimizer = subject.optimizer
        self._ties = host.guarded("tie", lambda: Ties(subject.root()))
        self._prober = Prober(subject) if options.probes else None
        self._example: tuple[NormBuffer, int, Example] | None = None
        self._histograms = Histograms()
        self._host = host
        self._rounds = rounds = host.rounds
        rounds.members += 1
        model, schedule = subject.model, rounds.schedule
        pieces = sum(1 for _ in model.modules()) + sum(1 for _ in parameters_in(model))
        schedule.pieces = max(schedule.pieces, pieces)
        self._running, self._resumed, self._looks = False, resumed, 0
        self._joined = 0 if rounds.leader is not None else rounds.count
        self._before = rounds.taken  # a model's new optimizer does not begin the schedule anew
        self._taken = 0
        self._bare = self._worked = 0.0
        self._ended = time.perf_counter()

    def begin(self, taken: int) -> None:
        """A step has ended, `taken` so far: begin a check-up if one is due."""
        now = time.perf_counter()
        self._bare, self._ended = now - self._ended if taken else 0.0, now
        self._taken = self._before + taken
        if self._running:  # it should have ended by now
            self.abandon()
        if self._due(now) and not self._host.guarded.rest(_NAME):
            self._attempt(self._begin)

    def waits(self, taken: int) -> bool:
        """A step has ended, `taken` so far; whether none is due, which so is cheaper to tell than with `begin`."""
        rounds, step = self._rounds, self._before + taken
        alone = rounds.leader is self and rounds.count == self._joined
        if self._running or not alone or not rounds.schedule.waits(step):
            return False
        now = time.perf_counter()
        self._bare, self._ended = now - self._ended, now
        self._taken = rounds.taken = step
        return True

    def _begin(self) -> None:
        self._worked = time.thread_time()
        keep = self._prober is not None and self._prober.due(self._taken)
        self._running = self._check_up.begin(keep=keep)
        if not self._running:
            self._finish(0.0)
            if keep and self._prober is not None:
                self._host.say(self._prober.unseen())

    def _due(self, now: float) -> bool:
        rounds = self._rounds
        if rounds.leader is None:
            rounds.leader = self
        if rounds.leader is self:
            rounds.taken = self._taken
        if rounds.leader is self and rounds.schedule.due(self._taken, now):
            rounds.count += 1
        joins = rounds.count > self._joined
        self._joined = rounds.count
        return joins

    def before_step(self, *, closure: bool) -> None:
        """The optimizer begins its step."""
        if self._running:
            self._attempt(lambda: self._check_up.before_step(closure=closure))
        elif self._rounds.members > 1:
            self._check_up.steps_unseen()

    def after_step(self, rows: NormBuffer, step: int, model: Parameters) -> None:
        """It has ended its step, which gets this number."""
        if self._running:
            self._attempt(lambda: self._after_step(rows, step, model))

    def _after_step(self, rows: NormBuffer, step: int, model: Parameters) -> None:
        samples = self._check_up.after_step()
        self._running = False
        if (example := self._check_up.example()) is not None:
            self._example = rows, step, example
        samples += self._host.guarded("element", lambda: self._parameters(model)) or []
        samples += self._host.guarded("denominator", lambda: self._divided(model)) or []
        samples += self._host.guarded("tie", lambda: self._tied(model)) or []
        samples += self._host.guarded("histogram", lambda: self._spread(model)) or []
        samples += self._host.guarded("loader", self._place) or []
        self._host.sink(rows, step, samples, own=True)
        self._look_around()
        self._finish(max(time.perf_counter() - self._ended - self._bare, 0.0))

    def _look_around(self) -> None:
        """Tell once whether the training acts: whoever takes a step by then has an environment, or has none."""
        if where := self._host.guarded("surroundings", self._rounds.environments.acts_in):
            self._host.say({"agent": f"acts in an environment of {where}"})

    def probe(self) -> None:
        """Ask copies of the model, if this check-up was to. The user's own functions run, so nothing of ours stands around it."""
        if self._example is None or self._prober is None:
            return
        began = time.perf_counter()
        (rows, step, example), self._example = self._example, None
        outcome = self._prober.run(self._taken, example)
        if outcome.facts:
            self._host.sink(rows, step, [to_sample({self._name: outcome.facts})], own=True)
        self._host.say(outcome.words)
        self._ended += time.perf_counter() - began

    def _attempt(self, work: Callable[[], None]) -> None:
        """Do a part of a check-up; if it fails, nothing of the check-up may stay behind."""
        if not self._host.guarded.went(_NAME, work):
            self._leave()

    @property
    def running(self) -> bool:
        """Whether a check-up is going on."""
        return self._running and self._check_up.running

    @property
    def trained(self) -> Trained:
        """What the loss of the newest step was that it looked at."""
        return self._check_up.trained

    def add(self, call: MeasuredCall) -> None:
        """A custom loss's call, for the check-up that is going on."""
        self._check_up.add(call)

    def abandon(self) -> None:
        """Stop a check-up that is going on; another model's steps decide from now on."""
        self._leave()
        if self._rounds.leader is self:
            self._rounds.leader = None

    def _leave(self) -> None:
        self._running = False
        if not self._host.guarded.went(_NAME, self._check_up.abandon):
            clear()

    def _finish(self, cost: float) -> None:
        if self._rounds.leader is self:
            worked = max(time.thread_time() - self._worked - self._bare, 0.0)
            self._rounds.schedule.done(self._taken, cost, time.perf_counter(), worked)
        self._tell()

    def _parameters(self, model: Parameters) -> list[Measurement]:
        seen = [updates.elements(model.names, model.tensors)]
        alike = twins(model.names, model.tensors)
        return seen if alike is None else [*seen, alike]

    def _place(self) -> list[Measurement]:
        """In the first check-up after a resume: where in its epoch the loop is. In the second one: who reads its stream."""
        resumed, self._resumed = self._resumed, False
        self._looks += 1
        facts: Facts = {**place_in_epoch()} if resumed else {}
        if self._looks == 2:  # noqa: PLR2004
            facts |= stream_workers()
        return [to_sample({"": facts})] if facts else []

    def _divided(self, model: Parameters) -> list[Measurement]:
        found = denominators(self._optimizer, model.names, model.tensors)
        return [] if found is None else [found]

    def _tied(self, model: Parameters) -> list[Measurement]:
        found = None if self._ties is None else self._ties.measured(model)
        if self._ties is None or found is None:
            return []
        self._host.say(self._ties.words())
        return [found]

    def _spread(self, model: Parameters) -> list[Measurement]:
        found = self._histograms.take(self._taken, model.names, model.tensors)
        return [] if found is None else [found]

    def _tell(self) -> None:
        if facts := self._check_up.facts():
            self._host.say(facts)
        if (failure := self._check_up.failure) is not None:
            self._host.guarded.failed(_NAME, failure)
