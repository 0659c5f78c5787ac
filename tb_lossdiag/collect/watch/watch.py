"""`writer.watch`: observes every step of an optimizer through its public hooks."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tb_lossdiag.collect.buffers.norm_buffer import NormBuffer, StepInfo
from tb_lossdiag.collect.buffers.rename import Rename
from tb_lossdiag.collect.check_up import Subject
from tb_lossdiag.collect.ranks.divergence import RankDivergence
from tb_lossdiag.collect.ranks.sharded_buffer import ShardedNormBuffer
from tb_lossdiag.collect.state import scaler
from tb_lossdiag.collect.state.measurement import Measurement
from tb_lossdiag.collect.state.models import inner
from tb_lossdiag.collect.state.optimizers import foreign, rates
from tb_lossdiag.collect.state.parameters import Parameters, Places, norms, parameters
from tb_lossdiag.collect.state.schedulers import SchedulerSearch
from tb_lossdiag.collect.state.tracing import untraced
from tb_lossdiag.collect.unseen import real
from tb_lossdiag.collect.watch import updates
from tb_lossdiag.collect.watch.examiner import Examiner
from tb_lossdiag.collect.watch.gradient_norms import Measure
from tb_lossdiag.collect.watch.gradient_reuse import GradientReuse
from tb_lossdiag.collect.watch.host import Host, Options
from tb_lossdiag.collect.watch.reloads import Reloads
from tb_lossdiag.collect.watch.replacements import Beginning
from tb_lossdiag.collect.watch.step_counter import StepCounter
from tb_lossdiag.process.forks import Origin
from tb_lossdiag.process.warn import warn
from tb_lossdiag.quantities import PARAMETER_NORM, UPDATE_NORM
from tb_lossdiag.records import Record

_UPDATES_EVERY = 20
"""Steps between two looks at what a step changes: each costs about six passes over the parameters."""
_TWO = (
    "two optimizers of one model take turns, and only the newer one is watched as {name!r}; "
    "give each a name: writer.watch(model, optimizer, name=...)"
)
_FIRST = 3
"""Steps that are looked at whatever their number: the first say most."""


class Watch:
    """A watched model and optimizer; `remove()` or leaving the `with` block ends it.

    Args:
        rows: where its steps wait.
        subject: the model, its optimizer, scaler and scheduler.
        found: the model's parameters.
        host: what it shares with the writer's other parts.
        options: what is observed.
        first: its first step, unless that is named.
        spread: compares data-parallel ranks, if there are several.
    """

    def __init__(
        self,
        rows: NormBuffer,
        subject: Subject,
        found: Parameters,
        host: Host,
        options: Options,
        first: int,
        spread: RankDivergence | None = None,
    ) -> None:
        self.rows = rows
        self.counter = StepCounter(first)
        self._origin = Origin()
        self.reloads = Reloads(subject.optimizer)
        self._spread = spread
        self._absent = host.silent and not isinstance(rows, ShardedNormBuffer)
        self._model, self._optimizer = subject.model, subject.optimizer
        self._host, self._options = host, options
        self._scheduler = SchedulerSearch(subject.optimizer, known=subject.scheduler is not None)
        self._scale = None if subject.scaler is None else scaler.ScaleWatch(subject.scaler)
        self._parameters = found
        self._places = Places(subject.model)
        self._held = 0
        self._steps = self._put_at = self._asked = 0
        self._said: list[Record] = []
        self._reuse = GradientReuse(rows.name, subject.optimizer, host.optimizers)
        self._overhead, self._ended = 0.0, float("nan")
        self._owed = 0
        self._norms: tuple[Tensor, np.ndarray[Any, Any] | None, Any] | None = None
        self._scaled: frozenset[int] = frozenset()
        self._measure = Measure(subject.optimizer, subject.scaler, host.clips)
        self._snapshot: updates.Snapshot | None = None
        self._examiner = None
        if options.check_up and not host.silent:
            self._examiner = Examiner(subject, host, activations=options.activations)

        def ended(*given: Any) -> Exception | None:
            self._owed += 1  # until it has been counted, so that one failure shifts no later number
            return self._after(*given)

        before = host.guarded.hook("step", self._before)
        after = host.guarded.hook("step", ended)
        self._hooks = [
            subject.optimizer.register_step_pre_hook(untraced(before)),
            subject.optimizer.register_step_post_hook(untraced(after)),
        ]
        earlier = host.replacements.another(rows.name, subject.model)
        self._beginning = Beginning(rows.name, subject.optimizer, earlier)
        self._begin_check_up()

    def remove(self) -> None:
        """Stop observing; what was observed stays recorded."""
        hooks, self._hooks = self._hooks, []
        for hook in hooks:
            hook.remove()
        self._snapshot = None
        if self._examiner is not None:
            self._examiner.abandon()
        self.end(0.0)
        self._host.guarded.door("ranks", self.rows.close)

    def end(self, patience: float) -> None:
        """No more steps come; other ranks may take so many seconds to say their part of the comparison."""
        if (spread := self._spread) is not None:
            self._host.guarded.door("ranks", spread.end, patience)

    def __enter__(self) -> Watch:  # noqa: PYI034  (Self needs Python 3.11)
        """The watch itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it."""
        self.remove()

    @property
    def active(self) -> bool:
        """Whether it still observes."""
        return bool(self._hooks) and not self._origin.left()

    def holds(self, model: nn.Module) -> bool:
        """Whether it is this model that is watched, in a wrapper or without."""
        return model is self._model or inner(model) is inner(self._model)

    def steps_by(self, optimizer: Any) -> bool:
        """Whether it is this optimizer whose steps are watched."""
        return optimizer is self._optimizer

    def goes_on_with(self, model: nn.Module, optimizer: Any) -> bool:
        """Whether this optimizer takes the place of the watched one: it trains the same model, and some of the same parameters."""
        held = {id(p) for group in self._optimizer.param_groups for p in group["params"]}
        news = (id(p) for group in optimizer.param_groups for p in group["params"])
        return self.holds(model) and any(p in held for p in news)

    def give_way(self) -> None:
        """Stop observing because another optimizer took the place; should this one step all the same, say so once."""
        self.remove()
        name, say = self.rows.name, self._host.say

        def again(*_: object) -> None:
            hook.remove()
            warn(f"Loss Doctor: {_TWO.format(name=name)}", 4)
            say({f"unwatched optimizer {name}".rstrip(): _TWO.format(name=name)})

        hook = self._optimizer.register_step_post_hook(
            untraced(self._host.guarded.hook("optimizer", again))
        )

    def name_step(self, step: int) -> Rename | None:
        """The user says which step it is; see `StepCounter.name`."""
        self.rows.provisional = False
        self.rows.hold.end()
        return self.counter.name(step, fresh=self._host.optimizers.fresh(self._optimizer))

    @property
    def step(self) -> int:
        """The step that is going on, or has just ended while no new gradient has come."""
        fresh = self._host.optimizers.fresh(self._optimizer)
        return self.counter.coming if fresh or not self.counter.begun else self.counter.last

    @property
    def examiner(self) -> Examiner | None:
        """Its check-ups, None without."""
        return self._examiner

    @property
    def parameters(self) -> Parameters:
        """The watched model's parameters, as they are now."""
        if self._places.changed():
            self._host.guarded.door("gradient", self._reread)
        return self._parameters

    def decomposes(self) -> bool:
        """Whether the loss is to be decomposed in the coming step."""
        return self._steps % max(self._options.decompose, 1) == 0

    @property
    def decomposes_by_itself(self) -> bool:
        """Whether terms given to `add_diagnostics` are to be decomposed."""
        return self._options.decompose > 0 and self.decomposes()

    @property
    def distant(self) -> bool:
        """Whether gradients cannot be taken here alone: another rank writes, or the parameters are sharded."""
        return self._host.silent or type(self.rows) is not NormBuffer

    def reported_clip(self, total: Tensor, max_norm: float) -> None:
        """The user clipped on their own: the coming step's norms are given back as they were before."""
        self._measure.reported_clip(total, max_norm)

    @property
    def scaled(self) -> bool:
        """Whether a GradScaler calls the optimizer."""
        return self._scale is not None

    def spent(self, start: float) -> None:
        """Recording took the time since then (of `time.perf_counter`); the step's record says so."""
        self._overhead += time.perf_counter() - start

    def skipping(self) -> Measurement | None:
        """The loss scale, if no step has been taken since the last call: while a scaler skips, no hook of the step runs."""
        before, self._asked = self._asked, self._steps
        if self._scale is None or before != self._steps or not self._scale.scaler.is_enabled():
            return None
        return scaler.scale(self._scale.scaler)

    # --- the hooks ---------------------------------------------------------------------------------------------------

    def _before(self, optimizer: Any, arguments: Any, named: Any) -> None:
        if self._origin.left() or not real():
            return
        start = time.perf_counter()
        closure = _closure(optimizer, arguments, named)
        self._beginning.step_begins(self._steps)
        self._norms = None
        self.reloads.before_step()
        if not closure:
            self._host.guarded.quick("gradient", self._measure_gradients)
            if self._reuse.due(self._steps):
                self._host.guarded.quick("gradient", self._reuse.look)
        if self._examiner is not None:
            self._examiner.before_step(closure=closure)
        if self._steps % _UPDATES_EVERY == 0 or self._steps < _FIRST:
            self._host.guarded("update", self._snapshot_parameters)
        self.spent(start)

    def _after(self, optimizer: Any, arguments: Any, named: Any) -> Exception | None:
        """What is to be raised to stop the training."""
        if self._origin.left():
            return None
        if not real():
            self._owed -= 1
            return None
        start = time.perf_counter()
        guarded = self._host.guarded
        if _closure(optimizer, arguments, named):
            guarded.quick("gradient", self._measure_gradients)
        observed = self._steps % self._options.every == 0
        self.reloads.after_step()
        guarded.door("step", self._finish_step, start)
        guarded.step()
        if observed:
            guarded.quick("ranks", self.rows.step_ended)
        if (stop := self._judge()) is None:  # else nothing of ours may be installed
            self._begin_check_up()
        return stop

    def _finish_step(self, start: float) -> None:
        """Hand over what was seen of the step; a part that fails costs none of the others."""
        door = self._host.guarded.door
        if self._owed > 1:
            self.counter.missed(self._owed - 1)
        step = self.counter.take()
        self._owed = 0
        self.rows.provisional = self.counter.provisional
        if self._steps % _UPDATES_EVERY == 0:
            door("layers", self._refresh, step)
        alarm = door("gradient", self._buffer_norms, step, start)
        if self._snapshot is not None:
            door("update", self._sink_updates, step)
        if self._examiner is not None:
            self._examiner.after_step(self.rows, step, self._parameters)
        if self._scale is not None:
            door("scaler", self._sink_scale, step)
        door("clipping", self._sink_clips, step)
        self._steps += 1
        self._measure.done()
        self._host.stepped(self.rows, now=bool(alarm))
        self.spent(start)

    def _buffer_norms(self, step: int, start: float) -> bool:
        """Hand over the step's norms; whether they held something that is not a number."""
        if self._norms is None:
            return False
        measured, where, bad = self._norms
        count = self._steps + 1 - self._put_at
        times = (start - self._ended) / count, self._overhead / count
        groups = rates(self._optimizer, self.rows.name)
        row = StepInfo(
            step, time.time(), *times, where, bad, groups, count, self.counter.named, self._scaled
        )
        self._norms, self._overhead, self._ended = None, 0.0, start
        self._put_at = self._steps + 1
        self.rows.put(measured, row)
        return bad is not None

    def _sink_scale(self, step: int) -> None:
        assert self._scale is not None  # noqa: S101  (asked before)
        records = self._scale.records()
        self._host.sink(self.rows, step, [Measurement([], lambda _: records)], own=False)

    def _sink_clips(self, step: int) -> None:
        if (clips := self._host.clips.take()) is not None:
            sample = self.rows.clipped(clips)
            self._host.sink(self.rows, step, [sample] if sample else [], own=False)
        self._host.clips.used(self._parameters.tensors)

    def _judge(self) -> Exception | None:
        start = time.perf_counter()
        stop = self._host.judge()
        self.spent(start)
        return stop

    def _begin_check_up(self) -> None:
        start = time.perf_counter()
        if self._examiner is not None:
            self._examiner.begin(self._steps)
        self.spent(start)

    # --- what they look at -------------------------------------------------------------------------------------------

    def _measure_gradients(self) -> None:
        """Norms of all gradients as the step uses them, before clipping and after unscaling."""
        compared = self._spread is not None and self._spread.due(self._steps)
        if (self._steps % self._options.every or self._absent) and not compared:
            return
        if not self.rows.measures:
            self._norms = torch.zeros(0), np.zeros(0, np.int64), None
            return
        if (count := _count(self._optimizer)) != self._held or self._places.changed():
            self._held = count
            self._reread()
        tensors = self._parameters.tensors
        held: Sequence[nn.Parameter] = [p for p in tensors if p.grad is not None]
        if not held or self._host.clips.spoiled(held):
            return
        where = None if len(held) == len(tensors) else self._where()
        measured = self._measure.norms(held)
        if compared:
            self._host.guarded("ranks", lambda: self._compare(measured))
        if self._steps % self._options.every or self._absent:
            return
        self._norms = self._told_from_zero(held, where, measured)

    def _told_from_zero(
        self, held: Sequence[nn.Parameter], where: Any, measured: Tensor
    ) -> tuple[Tensor, Any, Any]:
        """Norms, their columns and non-finite elements: what was too small for a square is measured anew, on its device where it waits."""
        self._scaled = frozenset()
        if self._at_hand(measured):
            return measured, where, self._measure.put_right(held, measured)
        if self.rows.suspects.columns:
            measured = self._scale_suspects(held, where, measured)
        return measured, where, None

    def _scale_suspects(self, held: Sequence[nn.Parameter], where: Any, measured: Tensor) -> Tensor:
        """The norms, those that came over small measured scaled."""
        self._scaled = self.rows.suspects.columns
        columns = range(len(held)) if where is None else where.tolist()
        places = [place for place, column in enumerate(columns) if column in self._scaled]
        if not places:
            return measured
        each = list(measured.unbind())
        for place, norm in zip(places, self._measure.scaled(held, places).unbind(), strict=True):
            each[place] = torch.where(norm > 0, norm, each[place]).to(each[place])
        return torch.stack(each)

    def _at_hand(self, measured: Tensor) -> bool:
        return measured.is_cpu and not isinstance(self.rows, ShardedNormBuffer)

    def _compare(self, gradient: Tensor) -> None:
        assert self._spread is not None  # noqa: S101  (asked before)
        weights = norms(updates.kept(self._parameters.tensors))
        sample = self._spread.give(self._steps, gradient, weights)
        self._host.sink(self.rows, self.step, [sample], own=True)

    def _where(self) -> Any:
        return np.flatnonzero([p.grad is not None for p in self._parameters.tensors])

    def _snapshot_parameters(self) -> None:
        if self._absent or not self.rows.measures:
            return
        tensors = [p for p in self._parameters.tensors if p.requires_grad]
        self._snapshot = updates.Snapshot(tensors) if tensors else None

    def _sink_updates(self, step: int) -> None:
        snapshot, self._snapshot = self._snapshot, None
        if snapshot is None:
            return
        names, tensors = self._parameters.names, self._parameters.tensors
        if isinstance(self.rows, ShardedNormBuffer):
            self._host.guarded("update", lambda: self._add_updates(snapshot.norms()))
            return
        samples = self._host.guarded(
            "update",
            lambda: [
                updates.update(names, tensors, snapshot.norms()),
                updates.weights(names, tensors),
            ],
        )
        self._host.sink(self.rows, step, samples or [], own=True)

    def _add_updates(self, change: Tensor) -> None:
        if isinstance(self.rows, ShardedNormBuffer):
            tensors = self._parameters.tensors
            where = updates.trainable(tensors)
            self.rows.also(UPDATE_NORM, where, change)
            self.rows.also(PARAMETER_NORM, where, norms(updates.kept(tensors)))

    def _refresh(self, step: int) -> None:
        self._reread()
        self._host.layers(self.rows, self._parameters, self._model, step)
        if name := self._scheduler.found(self._optimizer):
            self._host.say({"scheduler": name})
        news = foreign(self._optimizer, self._parameters, self.rows.name)
        if [float(r.values[0]) for r in news] != [float(r.values[0]) for r in self._said]:
            self._said = news
            self._sink_records(step, news)
        for late in (self._reuse.news(), self._beginning.news()):
            if late:
                self._sink_records(step, late)

    def _sink_records(self, step: int, records: list[Record]) -> None:
        self._host.sink(self.rows, step, [Measurement([], lambda _: records)], own=True)

    def _reread(self) -> None:
        """Look for parameters that came, went or were replaced."""
        found = parameters(self._model, self.rows.name)
        same = len(found.tensors) == len(self._parameters.tensors) and all(
            a is b for a, b in zip(found.tensors, self._parameters.tensors, strict=True)
        )
        if not same or self._places.changed():
            self._places = Places(self._model)
        if not same:
            self._host.stepped(self.rows, now=True)
            self.rows.reset(found.names)
            self._parameters = found


def _closure(optimizer: Any, arguments: Any, named: Any) -> bool:
    """Whether the step evaluates the model itself, so that its gradients come while it runs."""
    given = [a for a in (*arguments, *named.values()) if a is not optimizer]
    return any(callable(argument) for argument in given)


def _count(optimizer: Any) -> int:
    return sum(len(group["params"]) for group in optimizer.param_groups)
