"""What a watched optimizer's steps are looked at with."""

from __future__ import annotations

import torch

from tb_lossdiag.collect.buffers.norm_buffer import NormBuffer
from tb_lossdiag.collect.check_up import Subject
from tb_lossdiag.collect.state.parameters import Parameters
from tb_lossdiag.collect.watch.calm_steps import CalmSteps
from tb_lossdiag.collect.watch.examiner import Examiner
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


class StepParts:
    """Everything that a step of a watched optimizer is looked at with.

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
        self._facts = OptimizerFacts(rows, subject, held, host, options.every, resumed=first > 0)
        self._updates = StepUpdates(rows, held, host, options.every, self._facts.holes)
        self._seldom = self._updates.apart  # what varies seldom is looked at with them
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
        self._optimizers, self._outlet = host.optimizers, host.outlet
        self._guarded = host.guarded

    def count(self) -> int:
        """The number of the step that has just been taken."""
        if self.owed > 1:
            self.counter.missed(self.owed - 1)
        self.owed = 0
        return self.counter.take()
