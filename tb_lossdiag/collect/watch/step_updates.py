"""How far some steps move a watched model's parameters."""

from __future__ import annotations

import time

from torch import Tensor

from tb_lossdiag.collect.buffers.norm_buffer import NormBuffer
from tb_lossdiag.collect.ranks.sharded_buffer import ShardedNormBuffer
from tb_lossdiag.collect.state.parameters import norms
from tb_lossdiag.collect.watch import updates
from tb_lossdiag.collect.watch.holes import Holes
from tb_lossdiag.collect.watch.host import Host
from tb_lossdiag.collect.watch.watched_parameters import WatchedParameters
from tb_lossdiag.quantities import PARAMETER_NORM, UPDATE_NORM

EVERY = 20
"""Steps between two looks at what a step changes, at least: each costs about six passes over the parameters."""
_FIRST = 3
"""Steps that are looked at whatever their number: the first say most."""
_FREE, _SHARE = 0.02, 0.0025
"""Seconds of processor time that looks may take before they have to keep to this part of the training's time: the looks at a thousand steps
of a small model, which say how it begins."""


class StepUpdates:
    """Takes a snapshot before a step and hands over what has changed after it.

    Args:
        rows: where steps wait.
        model: the watched model's parameters.
        host: what the watch shares with the writer's other parts.
        every: steps between two looks at the gradients.
        holes: looks at what is 0 before such a step.

    Attributes:
        apart: steps between two looks, which fall on steps whose gradients are looked at.
    """

    def __init__(
        self,
        rows: NormBuffer,
        model: WatchedParameters,
        host: Host,
        every: int = 1,
        holes: Holes | None = None,
    ) -> None:
        self._rows, self._model, self._host = rows, model, host
        self.apart = -(-EVERY // every) * every
        self._holes = holes
        self._absent = host.absent(rows)
        self._snapshot: updates.Snapshot | None = None
        self._spent, self._began = 0.0, time.perf_counter()
        self._together = isinstance(rows, ShardedNormBuffer)

    def due(self, taken: int) -> bool:
        """Whether the step that comes after so many is looked at."""
        if taken < _FIRST:
            return True
        return taken % self.apart == 0 and (self._together or self._affordable())

    def _affordable(self) -> bool:
        """Whether looks have kept to their part of the time. Ranks that add up what they see must not differ in it."""
        return self._spent <= _FREE + _SHARE * (time.perf_counter() - self._began)

    def before_step(self, taken: int) -> None:
        """A step comes after so many."""
        if self.due(taken):
            worked = time.thread_time()
            self._host.guarded.quick("update", self._take)
            self._spent += time.thread_time() - worked

    def after_step(self, step: int) -> None:
        """It has been taken, and has this number."""
        if self._snapshot is not None:
            worked = time.thread_time()
            self._host.guarded.door("update", self._sink, step)
            self._spent += time.thread_time() - worked

    def forget(self) -> None:
        """No step comes any more."""
        self._snapshot = None

    def _take(self) -> None:
        if self._absent or not self._rows.measures:
            return
        tensors = updates.kept(self._model.now.tensors)
        self._snapshot = updates.Snapshot(tensors) if tensors else None
        if self._holes is not None:
            self._holes.count(self._model.now.names, self._model.now.tensors)

    def _sink(self, step: int) -> None:
        snapshot, self._snapshot = self._snapshot, None
        if snapshot is None:
            return
        rows, names, tensors = self._rows, self._model.now.names, self._model.now.tensors
        if isinstance(rows, ShardedNormBuffer):
            self._host.guarded("update", lambda: _add(rows, tensors, snapshot.norms()))
            return
        samples = self._host.guarded.quick("update", updates.moved, names, tensors, snapshot)
        holes = [] if self._holes is None else [self._holes.counted(step)]
        self._host.sink(rows, step, [*(samples or []), *holes], own=True)


def _add(rows: ShardedNormBuffer, tensors: tuple[Tensor, ...], change: Tensor) -> None:
    """What of them lies on this rank."""
    where = updates.trainable(tensors)
    rows.also(UPDATE_NORM, where, change)
    rows.also(PARAMETER_NORM, where, norms(updates.kept(tensors)))
