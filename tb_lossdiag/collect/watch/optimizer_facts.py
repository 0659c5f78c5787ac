"""What holds for a watched optimizer and varies seldom: its scheduler, whose parameters it holds, what it uses again and began with."""

from __future__ import annotations

from tb_lossdiag.collect.buffers.norm_buffer import NormBuffer
from tb_lossdiag.collect.check_up import Subject
from tb_lossdiag.collect.state.cuts import Cuts
from tb_lossdiag.collect.state.measurement import Measurement
from tb_lossdiag.collect.state.optimizers import foreign, parameters_of
from tb_lossdiag.collect.state.schedulers import SchedulerSearch, full_rate
from tb_lossdiag.collect.watch.gradient_reuse import GradientReuse
from tb_lossdiag.collect.watch.holes import Holes
from tb_lossdiag.collect.watch.host import Host
from tb_lossdiag.collect.watch.replacements import Beginning
from tb_lossdiag.collect.watch.schedule_pace import SchedulePace
from tb_lossdiag.collect.watch.watched_parameters import WatchedParameters
from tb_lossdiag.records import Record

_FIRST, _RARE = 4, 4
"""Looks that are at everything, and of those after them each how many-th: what says something of the whole training may be told later."""


class OptimizerFacts:
    """Looks at an optimizer now and then, and says what is new.

    Args:
        rows: where its steps wait.
        subject: the optimizer with its model.
        model: the model's parameters.
        host: what the watch shares with the writer's other parts.
        every: steps between two looks at the gradients.
        resumed: whether it begins after the training's first step.
    """

    def __init__(
        self,
        rows: NormBuffer,
        subject: Subject,
        model: WatchedParameters,
        host: Host,
        every: int = 1,
        *,
        resumed: bool = False,
    ) -> None:
        self._rows, self._model, self._host = rows, model, host
        self._module, self._optimizer = subject.model, subject.optimizer
        self._scheduler = SchedulerSearch(subject.optimizer, subject.scheduler)
        self._cuts = Cuts(subject.model)
        cuts = (
            self._cuts
        )  # and not all of this: what holds itself outlives its model until the collector comes
        self.holes = Holes(lambda before, step: host.say(cuts.between(before, step)))
        self._pace = SchedulePace(rows.name, self._scheduler.one)
        self._looks = 0
        self._held: list[Record] = []
        self._held_of: list[int] = []
        earlier = host.replacements.another(rows.name, subject.model)
        self.beginning = Beginning(rows.name, subject.optimizer, earlier, resumed=resumed)
        self.reuse = GradientReuse(rows.name, subject.optimizer, host.optimizers, every)

    def sink(self, step: int, taken: int) -> None:
        """A step has been taken, after so many others: hand over what has changed, of the parameters as well."""
        self._model.reread()
        self._host.layers(self._rows, self._model.now, self._module, step)
        if cuts := self._cuts.words(step):
            self._host.say(cuts)
        self._looks += 1
        if self._looks <= _FIRST or self._looks % _RARE == 0:
            self._sink_rare(step, taken)

    def _sink_rare(self, step: int, taken: int) -> None:
        """The same of the scheduler, of what the optimizer holds, and of what it began with."""
        if name := self._scheduler.found(self._optimizer):
            self._host.say({"scheduler": name, **full_rate(self._optimizer)})
        if moves := self._scheduler.moves():
            self._host.say(moves)
        if over := self._scheduler.two.words():
            self._host.say(over)
        for news in (
            self._foreign(),
            self.reuse.news(),
            self.beginning.news(),
            self._pace.news(taken),
        ):
            if news:
                self._sink(step, news)

    def _foreign(self) -> list[Record]:
        """Whose parameters it holds, if that has changed."""
        of = [id(self._model.now), *map(id, parameters_of(self._optimizer))]
        if of == self._held_of:
            return []
        self._held_of = of
        held = foreign(self._optimizer, self._model.now, self._rows.name)
        if [float(r.values[0]) for r in held] == [float(r.values[0]) for r in self._held]:
            return []
        self._held = held
        return held

    def _sink(self, step: int, news: list[Record]) -> None:
        self._host.sink(self._rows, step, [Measurement([], lambda _: news)], own=True)
