"""The gradients of an optimizer's steps: their norms, from before the step to the row that waits for its record."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tb_lossdiag.collect.buffers.norm_buffer import NormBuffer, StepInfo
from tb_lossdiag.collect.check_up import Subject
from tb_lossdiag.collect.ranks.sharded_buffer import ShardedNormBuffer
from tb_lossdiag.collect.state.parameters import norms
from tb_lossdiag.collect.state.rates import StepRates
from tb_lossdiag.collect.watch import updates
from tb_lossdiag.collect.watch.gradient_norms import Measure
from tb_lossdiag.collect.watch.host import Host
from tb_lossdiag.collect.watch.rank_talk import RankTalk
from tb_lossdiag.collect.watch.step_counter import StepCounter
from tb_lossdiag.collect.watch.step_times import StepTimes
from tb_lossdiag.collect.watch.watched_parameters import WatchedParameters


class StepGradients:
    """Measures the gradients that a step uses, and puts them into a row when it has been taken.

    Args:
        rows: where steps wait.
        subject: the model, its optimizer and scaler.
        model: its parameters.
        host: what the watch shares with the writer's other parts.
        every: steps between two looks.
        counter: numbers the steps.
        talk: compares data-parallel ranks, if there are several.

    Attributes:
        times: how long the steps take.
        rates: of the optimizer's groups.
    """

    def __init__(
        self,
        rows: NormBuffer,
        subject: Subject,
        model: WatchedParameters,
        host: Host,
        every: int,
        counter: StepCounter,
        talk: RankTalk | None,
    ) -> None:
        self._rows, self._model, self._host, self._every = rows, model, host, every
        self._optimizer, self._counter, self._talk = subject.optimizer, counter, talk
        self.times = StepTimes()
        self._measure = Measure(subject.optimizer, subject.scaler, host.clips)
        self._absent = host.absent(rows)
        self._norms: tuple[Tensor, np.ndarray[Any, Any] | None, Any] | None = None
        self._scaled: frozenset[int] = frozenset()
        self.rates = StepRates(subject.optimizer)

    def reported_clip(self, total: Tensor, max_norm: float) -> None:
        """The user clipped on their own: the coming step's norms are given back as they were before."""
        self._host.guarded.unrest.stir()
        self._measure.reported_clip(total, max_norm)

    @property
    def as_they_are(self) -> bool:
        """Whether norms need no putting right: no scale, no clip that was only reported, none that was tiny."""
        return self._measure.as_they_are and not self._absent

    def begin(self) -> None:
        """A step begins; nothing of it is known."""
        self._norms = None

    def measure(self, taken: int) -> None:
        """Norms of all gradients as the step after so many uses them, before clipping and after unscaling."""
        compared = self._talk is not None and self._talk.due(taken)
        if compared and self._talk is not None and self._talk.normless:
            self._host.guarded("ranks", lambda: self._compare(taken, torch.zeros(0)))
            compared = False
        if (taken % self._every or self._absent) and not compared:
            return
        if not self._rows.measures:
            self._norms = torch.zeros(0), np.zeros(0, np.int64), None
            return
        self._model.follow(self._optimizer)
        tensors = self._model.now.tensors
        held: Sequence[nn.Parameter] = [p for p in tensors if p.grad is not None]
        if (
            self._model.frozen
        ):  # what they were left with when they were frozen is no gradient of this step
            held = [p for p in held if p.requires_grad]
        if not held or self._host.clips.spoiled(held):
            return
        where = None if len(held) == len(tensors) else places_of(tensors, held)
        measured = self._measure.norms(held)
        if compared:
            self._host.guarded("ranks", lambda: self._compare(taken, measured))
        if taken % self._every or self._absent:
            return
        self._norms = self._told_from_zero(held, where, measured)

    def put(self, step: int, taken: int, start: float) -> bool:
        """Hand over the norms of the step that came after so many, at this time; whether they held something that is not a number."""
        if self._norms is None:
            return False
        measured, where, bad = self._norms
        groups = self.rates.now()
        seconds, own, count = self.times.take(start, taken)
        named, scaled = self._counter.named, self._scaled
        row = StepInfo(step, time.time(), seconds, own, where, bad, groups, count, named, scaled)
        self._norms = None
        self._rows.put(measured, row)
        return bad is not None

    def done(self) -> None:
        """The step has been taken: what was reported of its clip is over."""
        self._measure.done()

    # --- what is too small for its square ----------------------------------------------------------------------------

    def _told_from_zero(
        self, held: Sequence[nn.Parameter], where: Any, measured: Tensor
    ) -> tuple[Tensor, Any, Any]:
        """Norms, their columns and non-finite elements: what was too small for a square is measured anew, on its device where it waits."""
        self._scaled = frozenset()
        if self._at_hand(measured):
            return measured, where, self._measure.put_right(held, measured)
        if self._rows.suspects.columns:
            measured = self._scale_suspects(held, where, measured)
        return measured, where, None

    def _scale_suspects(self, held: Sequence[nn.Parameter], where: Any, measured: Tensor) -> Tensor:
        """The norms, those that came over small measured scaled."""
        self._scaled = self._rows.suspects.columns
        columns = range(len(held)) if where is None else where.tolist()
        places = [place for place, column in enumerate(columns) if column in self._scaled]
        if not places:
            return measured
        each = list(measured.unbind())
        for place, norm in zip(places, self._measure.scaled(held, places).unbind(), strict=True):
            each[place] = torch.where(norm > 0, norm, each[place]).to(each[place])
        return torch.stack(each)

    def _at_hand(self, measured: Tensor) -> bool:
        return measured.is_cpu and not isinstance(self._rows, ShardedNormBuffer)

    # --- beside other ranks ------------------------------------------------------------------------------------------

    def _compare(self, taken: int, gradient: Tensor) -> None:
        assert self._talk is not None  # noqa: S101  (asked before)
        whole = () if self._talk.normless else updates.kept(self._model.now.tensors)
        sample = self._talk.give(taken, gradient, norms(whole))
        step = self._counter.now(fresh=self._host.optimizers.fresh(self._optimizer))
        self._host.sink(self._rows, step, [sample], own=True)


def places_of(tensors: Sequence[Tensor], held: Sequence[Tensor]) -> Any:
    """int64[n]: where some tensors are among others."""
    some = set(map(id, held))
    return np.flatnonzero([id(p) in some for p in tensors])
