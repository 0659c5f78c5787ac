"""The watches of a writer: one for each name, whose optimizer may give way to the model's next one."""

from __future__ import annotations

import time
import weakref
from typing import Any

from torch import nn

from tb_lossdiag.collect.check_up import Subject, clear
from tb_lossdiag.collect.ranks.choose_buffer import choose_buffer
from tb_lossdiag.collect.ranks.divergence import RankDivergence
from tb_lossdiag.collect.ranks.layout import Kind, layout
from tb_lossdiag.collect.ranks.store import RankStore, tell
from tb_lossdiag.collect.state.parameters import Parameters, parameters
from tb_lossdiag.collect.state.precision import precision
from tb_lossdiag.collect.watch.host import Host, Options
from tb_lossdiag.collect.watch.rank_talk import RankTalk
from tb_lossdiag.collect.watch.step_counter import StepCounter
from tb_lossdiag.collect.watch.watch import Watch

_UNLIKE = {
    Kind.PARTED: "each computes with a part of every layer",
    Kind.STAGED: "each rank has a stage of the pipeline",
}
"""How ranks lie that have nothing to compare."""


class Watches:
    """Begins and ends them; a watch that nobody holds any more, and whose optimizer is gone, is none.

    Args:
        host: what they share with the writer's other parts.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._refs: list[weakref.ref[Watch]] = []
        self._counters: list[StepCounter] = []

    def alive(self) -> list[Watch]:
        """Those that observe."""
        found = [watch for ref in self._refs if (watch := ref()) is not None]
        return [watch for watch in found if watch.active]

    def only(self) -> Watch | None:
        """The one that observes, if there is one and there were no others."""
        if len(self._refs) != 1:
            return None
        watch = self._refs[0]()
        return watch if watch is not None and watch.active else None

    @property
    def last(self) -> int:
        """The newest step that one of them has counted, -1 without."""
        return max((counter.last for counter in self._counters), default=-1)

    def called(self, name: str) -> Watch | None:
        """The one of this name, if it observes."""
        return next((watch for watch in self.alive() if watch.rows.name == name), None)

    def begin(self, subject: Subject, options: Options, first: int) -> Watch:
        """Observe from now on; the first step has this number unless it is named.

        Raises:
            ValueError: the model has no parameters.
        """
        host, name = self._host, subject.name
        found = parameters(subject.model, name)
        rows = choose_buffer(name, found, subject.model, options.every, host.say)
        host.guarded.unrest.stir()
        watch = Watch(rows, subject, found, host, options, first, self._talk(subject, found))
        words = host.guarded("layers", lambda: precision(found.tensors, subject.optimizer))
        if words:
            host.say(words)
        host.outlet.rows.append(rows)
        self._refs.append(weakref.ref(watch))
        self._counters.append(watch.counter)
        return watch

    def _talk(self, subject: Subject, found: Parameters) -> RankTalk | None:
        """Compares the ranks; None with fewer than two, and where they do not train one model on data of their own."""
        board = RankStore.of_group()
        if board is None:
            return None
        kind = layout(found, subject.model)
        if kind in _UNLIKE:
            self._host.say({"ranks": f"not compared: {_UNLIKE[kind]}"})
        if kind is Kind.STAGED and not board.rank:
            tell(f"{_UNLIKE[kind]}, and rank 0, which writes, records its own alone")
        if kind in _UNLIKE:
            return None
        spread = RankDivergence(board, subject.name, found, self._host.say, kind)
        return RankTalk(spread, subject, self._host.guarded, self._host.say)

    def make_room(self, name: str, model: nn.Module, optimizer: Any, coming: int) -> bool:
        """End the watch that had this name, whose optimizer is no more, or gives way to this one; whether there was one.

        Args:
            name: of the watch that is to begin.
            model: what it is to watch.
            optimizer: whose steps.
            coming: its first step.

        Raises:
            ValueError: another model is watched under this name.
        """
        outlet = self._host.outlet
        rows = next((rows for rows in outlet.rows if rows.name == name), None)
        if rows is None:
            return False
        if (old := self.called(name)) is not None:
            if not old.goes_on_with(model, optimizer):
                raise ValueError(
                    f"name: {name!r} is watched already; give each watched model its own"
                )
            old.give_way()
        self._host.guarded.door("writing", outlet.retire, rows, coming)
        self._keep(self.alive())
        return True

    def _keep(self, watches: list[Watch]) -> None:
        """The others are over, with their counts; check-ups follow one that is left."""
        self._refs = [weakref.ref(watch) for watch in watches]
        self._counters = [watch.counter for watch in watches]
        rounds = self._host.rounds
        if all(watch.examiner is not rounds.leader for watch in watches):
            rounds.leader = None

    def end(self, until: float) -> None:
        """No more steps come; other ranks may take until then (of `time.monotonic`) to say their part."""
        for ref in self._refs:
            self._host.guarded.door("ranks", _end, ref, max(until - time.monotonic(), 0.0))

    def remove(self) -> None:
        """Nothing of them stays installed; a check-up may have begun."""
        for ref in self._refs:
            if not self._host.guarded.went("step", _remove, ref):
                clear()

    def forget(self) -> None:
        """Their names are free again."""
        self._host.guarded.unrest.stir()
        self._refs.clear()
        self._host.outlet.rows.clear()


def _end(ref: weakref.ref[Watch], patience: float) -> None:
    """Let the other ranks end their part of a watch."""
    if (watch := ref()) is not None and watch.active:
        watch.end(patience)


def _remove(ref: weakref.ref[Watch]) -> None:
    """End a watch."""
    if (watch := ref()) is not None:
        watch.remove()
