"""Everything the writer observes: calls of `add_diagnostics`, clips and watched optimizers, on their way to the recorder."""

from __future__ import annotations

import math
import time
import weakref
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn

from tb_lossdiag.collect import amp, clipping, gradient, loss
from tb_lossdiag.collect.by_hand import ByHand
from tb_lossdiag.collect.call import Call
from tb_lossdiag.collect.check_up import Subject
from tb_lossdiag.collect.examiner import Rounds
from tb_lossdiag.collect.guard import Guard
from tb_lossdiag.collect.host import Options
from tb_lossdiag.collect.layers import Layers
from tb_lossdiag.collect.ledger import ClipLedger, Order, reported
from tb_lossdiag.collect.optimizer import OptimizerWatch
from tb_lossdiag.collect.parameters import Parameters, is_distributed, parameters
from tb_lossdiag.collect.ranks import Board, rank
from tb_lossdiag.collect.rows import Rows
from tb_lossdiag.collect.sample import Sample
from tb_lossdiag.collect.sharded import rows_for
from tb_lossdiag.collect.spread import Spread
from tb_lossdiag.collect.transfer import gather
from tb_lossdiag.collect.watch import Watch
from tb_lossdiag.recorder import Recorder
from tb_lossdiag.records import Record

T = TypeVar("T")
_LONGEST = 1.0
"""Seconds that observations of watched steps may wait for the file."""


class Judge(Protocol):
    """Judges what is recorded, in the training loop."""

    @property
    def calm(self) -> bool:
        """Whether something that is not finite would be news."""
        ...

    def judge(self) -> None:
        """Judge if it is time to; may raise to stop the training."""
        ...

    def last(self) -> None:
        """The run ends."""
        ...


@dataclass
class _Waiting:
    """Samples of a step, still on their device."""

    step: int
    walltime: float
    samples: list[tuple[str, Sample]]
    own: bool = False
    watch: Rows | None = None


class Diagnostics:
    """Collects samples and brings them to the recorder.

    Args:
        recorder: where everything goes.
        before_writing: called before the recorder may write.
    """

    def __init__(self, recorder: Recorder, before_writing: Callable[[], None]) -> None:
        self.recorder = recorder
        self.guarded = Guard(recorder.say)
        self.clips = ClipLedger()
        self.optimizers = OptimizerWatch()
        self._before_writing = before_writing
        self._layers = Layers(self.optimizers, self.clips)
        self.by_hand = ByHand(self.guarded, self.say)
        self._rows: list[Rows] = []
        self._watches: list[weakref.ref[Watch]] = []
        self._waiting: list[_Waiting] = []
        self._scaler: Any = None
        self.rounds = Rounds()
        self._drained = time.monotonic()
        self._newest = self._written = -1
        self.silent = False
        self.live: Judge | None = None
        self._alarmed = False
        self.hush()

    # --- what users call ---------------------------------------------------------------------------------------------

    def clip(
        self,
        tensors: Iterable[Tensor] | Tensor,
        max_norm: float,
        norm_type: float,
        error_if_nonfinite: bool,
        foreach: bool | None,
    ) -> Tensor:
        """Clip by norm as torch does, and note it."""
        given = [tensors] if isinstance(tensors, Tensor) else list(tensors)
        order = self.guarded("clipping", lambda: self._order(given))
        total, each = clipping.clip(given, max_norm, norm_type, error_if_nonfinite, foreach)
        l2 = float(norm_type) == 2.0  # noqa: PLR2004
        if order is not None and l2:
            self.guarded(
                "clipping", lambda: self.clips.note(given, total, max_norm, each=each, order=order)
            )
        return total

    def clip_value(
        self, tensors: Iterable[Tensor] | Tensor, bound: float, foreach: bool | None
    ) -> None:
        """Clip by value as torch does, and note it."""
        given = [tensors] if isinstance(tensors, Tensor) else list(tensors)
        order = self.guarded("clipping", lambda: self._order(given))
        before, after = clipping.clip_value(given, bound, foreach)
        if order is not None:
            total, left = torch.linalg.vector_norm(before), torch.linalg.vector_norm(after)
            self.guarded(
                "clipping",
                lambda: self.clips.note(given, total, bound, each=before, after=left, order=order),
            )

    def watch(
        self,
        model: nn.Module,
        optimizer: Any,
        scaler: Any,
        scheduler: Any,
        name: str,
        options: Options,
    ) -> Watch:
        """Observe every step of an optimizer.

        Raises:
            ValueError: the model has no parameters, or another model is watched under this name.
        """
        if any(rows.name == name for rows in self._rows):
            raise ValueError(f"name: {name!r} is watched already; give each watched model its own")
        self.optimizers.watch(optimizer, name)
        if scheduler is not None:
            self.recorder.say({"scheduler": type(scheduler).__name__})
        self.hush()
        found = parameters(model, name)
        rows = rows_for(name, found, model, options.every, self.recorder.say)
        spread = None
        if type(rows) is Rows and (board := Board.of_group()) is not None:
            spread = Spread(board, name, found)
        subject = Subject(name, model, optimizer, scaler, scheduler)
        watch = Watch(rows, subject, self, options, spread)
        self._scaler = scaler or self._scaler
        self._rows.append(rows)
        self._watches.append(weakref.ref(watch))
        return watch

    def add(self, call: Call, step: int | None, walltime: float | None, unnamed: int) -> None:
        """Take a call of `add_diagnostics`.

        Args:
            call: what was given.
            step: the user's number, None to count.
            walltime: seconds since the epoch, None for now.
            unnamed: the number of calls before this one, which counts where no optimizer is known.

        Raises:
            ValueError: the model has no parameters or no gradients.
        """
        self.hush()
        watches = self.alive()
        at = self._name(watches, call, step, unnamed)
        if self.silent:
            return
        if call.phase == "train":
            if at < self._newest:  # the training went back: what is known ends here
                self.flush()
            self._newest = at
        samples = self._samples(call, watches)
        if held := self.by_hand.take():
            self._waiting.append(
                _Waiting(at, _now(walltime), [("check-up", s) for s in held], own=True)
            )
        now = _now(walltime)
        if watches:  # a loss may be changed in place before it is read
            samples = [(n, Sample([t.clone() for t in s.tensors], s.finish)) for n, s in samples]
        self._waiting.append(_Waiting(at, now, samples))
        self._describe(call, watches, at, now)
        if watches and call.phase == "train":
            self._maybe_drain(now=False)
        else:
            self.drain(at)
        if not watches:  # else the optimizer's step is the place
            self.judge()

    # --- what watches call -------------------------------------------------------------------------------------------

    def sink(self, watch: Rows, step: int, samples: Sequence[Sample], *, own: bool) -> None:
        """Take samples of a watched step."""
        if self.silent:
            return
        named = [("step", sample) for sample in samples]
        self._waiting.append(_Waiting(step, time.time(), named, own, watch))

    def say(self, words: dict[str, str]) -> None:
        """Take facts in words."""
        self.recorder.say(words)

    def layers(self, model: Parameters, module: nn.Module, step: int) -> None:
        """Record what holds for parameters, if it has changed."""
        if self.silent:
            return
        news = self.guarded("layers", lambda: self._layers.news(model, module))
        if news:
            self.recorder.at(step, time.time(), news)

    def stepped(self, watch: Rows, *, now: bool) -> None:
        """A watched step has been taken."""
        self._maybe_drain(now=now or watch.full or self._alarmed)
        if self._alarmed:  # the step before held something that is not finite: let it be judged
            self.guarded("writing", lambda: self.recorder.cut(self._written))
        self._alarmed = now and self.live is not None and self.live.calm

    def judge(self) -> None:
        """Judge what was recorded, if that was asked for and it is time; may raise to stop the training."""
        if self.live is not None and not self.silent:
            self.live.judge()

    # --- to the recorder ---------------------------------------------------------------------------------------------

    def drain(self, step: int | None = None) -> None:
        """Hand over what waits, and write what is complete: steps before the newest one, or before `step`."""
        self.guarded("writing", lambda: self._drain(step))

    def flush(self) -> None:
        """Hand over and write everything."""

        def work() -> None:
            self._drain(None)
            if self._pending() is None:
                self.recorder.flush()

        if not self.silent:
            self.guarded("writing", work)

    def close(self, patience: float) -> None:
        """Write everything and stop observing; what other ranks must add may take so many seconds, or is left out."""
        for rows in self._rows:
            if patience:
                self.guarded("ranks", lambda rows=rows: rows.end(patience))  # type: ignore[misc]
        self.drain()
        if not self.silent:
            self.guarded("writing", self.recorder.flush)
        if self.live is not None and patience:
            self.live.last()
        for watch in self.alive():  # a check-up may have begun; nothing of ours stays installed
            watch.remove()

    def hush(self) -> None:
        """Only rank 0 writes; once another rank, always."""
        self.silent = self.silent or rank() > 0

    def _pending(self) -> int | None:
        """The oldest step that other ranks have not added to."""
        return min((rows.pending for rows in self._rows if rows.pending is not None), default=None)

    def _maybe_drain(self, *, now: bool) -> None:
        if now or len(self._waiting) >= 4 * 64 or time.monotonic() - self._drained > _LONGEST:
            self.drain()

    def _drain(self, step: int | None) -> None:
        if self.silent:
            self._drop()
            return
        self._before_writing()
        self._drained = time.monotonic()
        newest = -1 if step is None else step
        for rows in self._rows:
            for block in rows.take():
                self.recorder.add(block)
                newest = max(newest, int(block.steps[-1]))
            for one in rows.apart():
                self.recorder.at(*one)
        waiting, self._waiting = self._waiting, []
        for observed, records in zip(waiting, self._records(waiting), strict=True):
            newest = max(newest, observed.step)
            if observed.own:
                self.recorder.at(observed.step, observed.walltime, records)
            else:
                self.recorder.take(observed.step, observed.walltime, records)
        if names := self.optimizers.names():
            self.recorder.say({"optimizer": names})
        pending = self._pending()
        self._written = (newest if pending is None else min(newest, pending)) - 1
        self.recorder.advance(self._written)

    def _drop(self) -> None:
        """Another rank writes."""
        self._waiting = []
        for rows in self._rows:
            list(rows.take())
            rows.apart()

    def _records(self, waiting: Sequence[_Waiting]) -> list[list[Record]]:
        """The records of everything that waits, after one transfer."""
        samples = [sample for one in waiting for _, sample in one.samples]
        with torch.no_grad():
            arrays = iter(gather([tensor for sample in samples for tensor in sample.tensors]))
        found = []
        for one in waiting:
            records: list[Record] = []
            for name, sample in one.samples:
                parts = [next(arrays) for _ in sample.tensors]
                records += self.guarded(name, lambda s=sample, p=parts: s.finish(p)) or []  # type: ignore[misc]
            found.append(records)
        return found

    # --- calls of add_diagnostics ------------------------------------------------------------------------------------

    def _name(self, watches: Sequence[Watch], call: Call, step: int | None, unnamed: int) -> int:
        """The step of a call; watched steps are named after it."""
        if step is None:
            return self._count(watches, call, unnamed)
        if call.phase == "train":
            for watch in watches:
                if (rename := watch.name_step(step)) is not None:
                    old = watch.rows.rename(*rename)
                    for one in self._waiting:
                        if one.watch is watch.rows and one.step in old:
                            one.step = rename.step
        return step

    def _count(self, watches: Sequence[Watch], call: Call, unnamed: int) -> int:
        if watches:
            return watches[0].step
        done = self.optimizers.steps if len(self.optimizers) else unnamed
        return max(done - 1, 0) if call.phase == "validation" else done

    def _samples(self, call: Call, watches: Sequence[Watch]) -> list[tuple[str, Sample]]:
        if call.optimizer is not None:
            self.guarded("optimizer", lambda: self.optimizers.watch(call.optimizer))
        self._scaler = call.scaler or self._scaler
        train = call.phase == "train"
        unwatched = call.model is not None and not any(w.holds(call.model) for w in watches)
        work: list[tuple[str, Callable[[], Sample | None], bool]] = [
            ("loss", lambda: loss.total(call.loss, call.phase), call.loss is not None),  # type: ignore[arg-type]
            ("loss term", lambda: loss.terms(call.terms or {}, call.phase), bool(call.terms)),
            ("clipping", lambda: self._clipping(call, watches), train),
            ("optimizer", self._rates, train and not watches and bool(self.optimizers.alive())),
            ("scaler", lambda: amp.scale(call.scaler), call.scaler is not None and not watches),
            ("extra", lambda: loss.own(call.extra or {}), bool(call.extra)),
        ]
        if unwatched:
            work.insert(0, ("gradient", lambda: self._gradients(call), True))
            _require_gradient(parameters(call.model))  # type: ignore[arg-type]
        made = [(name, self.guarded(name, make)) for name, make, wanted in work if wanted]
        return [(name, sample) for name, sample in made if sample is not None]

    def _gradients(self, call: Call) -> Sample:
        model = parameters(call.model)  # type: ignore[arg-type]
        if any(map(is_distributed, model.tensors)):
            raise NotImplementedError("the model is sharded: call writer.watch on every rank")
        held = [p for p in model.tensors if p.grad is not None]
        return gradient.gradients(model, self.clips.norms_before(held), self._factor(call))

    def _rates(self) -> Sample:
        records = self.optimizers.rates()
        return Sample([], lambda _: records)

    def _clipping(self, call: Call, watches: Sequence[Watch]) -> Sample | None:
        seen = self.clips.take()
        if call.clip is None:
            return seen
        for watch in watches:
            watch.reported_clip(*call.clip)
        return reported(*call.clip)

    def _factor(self, call: Call) -> float | Tensor:
        """What gives measured gradient norms back as they were before clipping and after unscaling."""
        factor: float | Tensor = 1.0
        if call.scaler is not None:
            factor = 1.0 / amp.loss_scale(call.scaler, self.optimizers.alive())
        if call.clip is not None:
            total, bound = call.clip
            coefficient = torch.clamp(bound / (total.float() + 1e-6), max=1.0)
            factor = factor / torch.where(coefficient > 0, coefficient, math.nan)
        return factor

    def _describe(self, call: Call, watches: Sequence[Watch], step: int, walltime: float) -> None:
        """Sizes and holders of an unwatched model's parameters, when they differ from what was last said."""
        model = call.model
        if model is not None and not any(watch.holds(model) for watch in watches):
            news = self.guarded("layers", lambda: self._layers.news(parameters(model), model))
            if news:
                self.recorder.at(step, walltime, news)

    def _order(self, given: Sequence[Tensor]) -> Order:
        scaler = self._scaler
        if scaler is None:
            return Order(self.optimizers.used(given))
        before = not amp.is_unscaled(scaler, self.optimizers.alive())
        return Order(self.optimizers.used(given), float(before))

    def alive(self) -> list[Watch]:
        """The watches that observe."""
        found = [watch for ref in self._watches if (watch := ref()) is not None]
        return [watch for watch in found if watch.active]


def _now(walltime: float | None) -> float:
    return time.time() if walltime is None else walltime


def _require_gradient(model: Parameters) -> None:
    trainable = sum(p.requires_grad for p in model.tensors)
    if not any(p.grad is not None for p in model.tensors if p.requires_grad):
        raise ValueError(
            f"model: none of its {trainable} trainable parameters has a gradient; "
            "call add_diagnostics after backward() and before zero_grad()"
        )
