"""What a watch shares with the writer's other parts, and where it hands over what it saw."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from torch import nn

from tb_lossdiag.collect.buffers.norm_buffer import NormBuffer
from tb_lossdiag.collect.buffers.outlet import Outlet
from tb_lossdiag.collect.buffers.queue import Observation
from tb_lossdiag.collect.clips.ledger import ClipBatch, ClipLedger
from tb_lossdiag.collect.guard import Guard
from tb_lossdiag.collect.ranks.sharded_buffer import ShardedNormBuffer
from tb_lossdiag.collect.state.measurement import Measurement
from tb_lossdiag.collect.state.optimizers import Optimizers
from tb_lossdiag.collect.state.parameters import Parameters
from tb_lossdiag.collect.state.scaler import Scale
from tb_lossdiag.collect.watch.check_up_schedule import Rounds
from tb_lossdiag.collect.watch.parameter_facts import ParameterFacts
from tb_lossdiag.collect.watch.replacements import Replacements
from tb_lossdiag.records import Record


@dataclass(frozen=True)
class Host:
    """What all watches of a writer have in common.

    Attributes:
        outlet: where everything goes.
        clips: clips that were seen.
        optimizers: those that were given.
        guarded: switches failing collectors off.
        rounds: of the check-ups.
        facts: what was said of parameters.
        replacements: how many optimizers each model has had.
    """

    outlet: Outlet
    clips: ClipLedger
    optimizers: Optimizers
    guarded: Guard
    rounds: Rounds
    facts: ParameterFacts
    replacements: Replacements = field(default_factory=Replacements)

    @property
    def silent(self) -> bool:
        """Whether another rank writes, or the process that this one was forked from."""
        return self.outlet.silent

    def absent(self, rows: NormBuffer) -> bool:
        """Whether nothing of a watched model is needed of this rank: another one writes, and no sums are taken over all."""
        return self.silent and not isinstance(rows, ShardedNormBuffer)

    def say(self, words: dict[str, str]) -> None:
        """Take facts in words."""
        self.outlet.say(words)

    def sink(
        self, watch: NormBuffer, step: int, samples: Sequence[Measurement], *, own: bool
    ) -> None:
        """Take samples of a step; `own`: they keep that step, whatever the window."""
        if not self.outlet.silent:
            named = [("step", sample) for sample in samples]
            self.outlet.waiting.put(Observation(step, time.time(), named, own, watch))

    def clipped(self, watch: NormBuffer, step: int, clips: ClipBatch | None) -> None:
        """Take the clips of a step."""
        if clips is not None and not self.outlet.silent:
            self.outlet.waiting.put_clips(step, time.time(), clips, watch)

    def scaled(self, watch: NormBuffer, step: int, scale: Scale | None) -> None:
        """Take the loss scale of a step."""
        if scale is not None and not self.outlet.silent:
            self.outlet.waiting.put_scale(step, time.time(), scale, watch)

    def found(self, records: Iterable[tuple[int, Record]]) -> None:
        """Take records that belong to steps which no optimizer takes."""
        if not self.outlet.silent:
            for step, record in records:
                self.outlet.waiting.put(
                    Observation(step, time.time(), [("scaler", _known(record))])
                )

    def layers(self, watch: NormBuffer, model: Parameters, module: nn.Module, step: int) -> None:
        """Record what holds for parameters, if it has changed."""
        if self.outlet.silent:
            return
        news = self.guarded.quick("layers", self.facts.news, model, module)
        if news:
            self.sink(watch, step, [Measurement([], lambda _: news)], own=True)

    def stepped(self, watch: NormBuffer, *, now: bool) -> None:
        """A step has been taken; `now`: something in it must reach the file at once."""
        self.guarded.door("writing", lambda: self.outlet.stepped(watch, now=now))

    def judge(self) -> Exception | None:
        """Judge what was recorded, if that was asked for and it is time; what is to be raised to stop the training."""
        return self.outlet.judge()


def _known(record: Record) -> Measurement:
    return Measurement([], lambda _: [record])


@dataclass(frozen=True)
class Options:
    """What is observed, and how often.

    Attributes:
        every: steps between two looks at the gradients, 1 for all.
        activations: whether check-ups look at activations.
        check_up: whether there are check-ups.
        decompose: steps between two decompositions of the loss, 0 for each call.
        probes: whether copies of the model are asked.
    """

    every: int = 1
    activations: bool = True
    check_up: bool = True
    decompose: int = 0
    probes: bool = True
