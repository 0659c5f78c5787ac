"""Everything the writer observes: calls of `add_diagnostics`, clips and watched optimizers, on their way to the recorder."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from torch import nn

from tb_lossdiag.collect.by_hand import ByHand
from tb_lossdiag.collect.call import Call
from tb_lossdiag.collect.check_up import Subject
from tb_lossdiag.collect.clipper import Clipper
from tb_lossdiag.collect.examiner import Rounds
from tb_lossdiag.collect.given import Given
from tb_lossdiag.collect.guard import Guard
from tb_lossdiag.collect.host import Options
from tb_lossdiag.collect.layers import Layers
from tb_lossdiag.collect.layout import rows_for
from tb_lossdiag.collect.ledger import ClipLedger
from tb_lossdiag.collect.optimizer import OptimizerWatch
from tb_lossdiag.collect.parameters import Parameters, parameters
from tb_lossdiag.collect.ranks import Board, rank
from tb_lossdiag.collect.rows import ROWS, Rows
from tb_lossdiag.collect.sample import Sample
from tb_lossdiag.collect.spread import Spread
from tb_lossdiag.collect.waiting import Queue, Waiting
from tb_lossdiag.collect.watch import Watch
from tb_lossdiag.eventfile import EventFile
from tb_lossdiag.quantities import LOSS_NONFINITE, NONFINITE_STEPS
from tb_lossdiag.recorder import Recorder
from tb_lossdiag.sheet import Block

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


class Diagnostics:
    """Collects samples and brings them to the recorder.

    Args:
        recorder: where everything goes.
        event_file: where the recorder writes.
    """

    def __init__(self, recorder: Recorder, event_file: EventFile) -> None:
        self.recorder = recorder
        self.guarded = Guard(recorder.say)
        self.clips = ClipLedger()
        self.optimizers = OptimizerWatch()
        self._event_file = event_file
        self._layers = Layers(self.optimizers, self.clips)
        self.by_hand = ByHand(self.guarded, self.say)
        self._rows: list[Rows] = []
        self._watches: list[weakref.ref[Watch]] = []
        self._waiting = Queue(self.guarded)
        self.clipper = Clipper(self.guarded, self.clips, self.optimizers)
        self._given = Given(self.guarded, self.clips, self.optimizers, self.clipper)
        self.rounds = Rounds()
        self._drained = time.monotonic()
        self._newest = -1
        self.silent = False
        self.live: Judge | None = None
        self._alarm: int | None = None
        self.hush()

    # --- what users call ---------------------------------------------------------------------------------------------

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
        self.clipper.scaler = scaler or self.clipper.scaler
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
        watches = self.alive()
        at = self._name(watches, call, step, unnamed)
        if self.silent:
            return
        if call.phase == "train":
            self._follow(at)
        now = time.time() if walltime is None else walltime
        samples = self._given.samples(call, watches)
        if samples:
            if watches:  # own values may be changed in place before they are read
                samples = [
                    (n, Sample([t.clone() for t in s.tensors], s.finish)) for n, s in samples
                ]
            self._waiting.put(Waiting(at, now, samples))
        if held := self.by_hand.take():
            self._waiting.put(Waiting(at, now, [("check-up", s) for s in held], own=True))
        self._losses(call, at, now)
        self._describe(call, watches, at, now)
        if watches and call.phase == "train":
            self._maybe_drain(now=any(rows.full for rows in self._rows))
        else:
            self.drain(at)
        if not watches:  # else the optimizer's step is the place
            self.judge()

    def _follow(self, step: int) -> None:
        """The training is at this step; if it went back, what is known ends there."""
        if step < self._newest:
            self.flush()
        self._newest = step

    def _losses(self, call: Call, step: int, walltime: float) -> None:
        if call.loss is not None:
            self._waiting.put_loss(call.phase, step, walltime, call.loss)
        if call.terms:
            self._waiting.put_terms(call.phase, step, walltime, call.terms)

    # --- what watches call -------------------------------------------------------------------------------------------

    def sink(self, watch: Rows, step: int, samples: Sequence[Sample], *, own: bool) -> None:
        """Take samples of a watched step."""
        if self.silent:
            return
        named = [("step", sample) for sample in samples]
        self._waiting.put(Waiting(step, time.time(), named, own, watch))

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
        urgent = now or self._alarm is not None
        if urgent or not any(rows.provisional and len(rows) < 2 * ROWS for rows in self._rows):
            self._maybe_drain(now=urgent or watch.full)

    def judge(self) -> None:
        """Judge what was recorded, if that was asked for and it is time; may raise to stop the training."""
        if self.live is not None and not self.silent:
            self.live.judge()

    # --- to the recorder ---------------------------------------------------------------------------------------------

    def drain(self, step: int | None = None) -> None:
        """Hand over what waits, and write what is complete: steps before the newest one, or before `step`."""
        self._write(lambda: self._drain(step))

    def flush(self) -> None:
        """Hand over and write everything."""

        def work() -> None:
            self._drain(None)
            if self._pending() is None:
                self.recorder.flush()

        if not self.silent:
            self._write(work)

    def close(self, patience: float) -> None:
        """Write everything and stop observing; what other ranks must add may take so many seconds, or is left out."""
        for rows in self._rows:
            self.guarded("ranks", lambda rows=rows: rows.end(patience))  # type: ignore[misc]
        self.drain()
        if not self.silent:
            self._write(self.recorder.flush)
        if self.live is not None and patience:
            self.live.last()
        for watch in self.alive():  # a check-up may have begun; nothing of ours stays installed
            watch.remove()

    def _write(self, work: Callable[[], None]) -> None:
        """Do work that writes; what it wrote goes to the file's thread at once, even if it failed."""
        self.guarded("writing", work)
        self.guarded("writing", self._event_file.commit)

    def hush(self) -> None:
        """Only rank 0 writes; once another rank, always."""
        self.silent = self.silent or rank() > 0

    def _pending(self) -> int | None:
        """The oldest step that other ranks have not added to."""
        return min((rows.pending for rows in self._rows if rows.pending is not None), default=None)

    def _maybe_drain(self, *, now: bool) -> None:
        if now or self._waiting.full or time.monotonic() - self._drained > _LONGEST:
            self.drain()

    def _drain(self, step: int | None) -> None:
        self.hush()
        if self.silent:
            self._drop()
            return
        self._event_file.open()
        self._drained = time.monotonic()
        newest = max(-1 if step is None else step, self._hand_rows(), self._hand_waiting())
        if names := self.optimizers.names():
            self.recorder.say({"optimizer": names})
        pending = self._pending()
        until = (newest if pending is None else min(newest, pending)) - 1
        self.recorder.advance(until)
        if (
            self._alarm is not None and self._alarm <= until
        ):  # let it be judged before its window ends
            self._alarm = None
            self.recorder.cut(until)

    def _hand(self, block: Block) -> int:
        """Several steps; the newest of them. The first that is not finite is news to who judges."""
        self.recorder.add(block)
        if self.live is not None and self._alarm is None and self.live.calm:
            self._alarm = _first_broken(block)
        return int(block.steps[-1])

    def _hand_rows(self) -> int:
        """Watched steps; the newest of them, -1 without one."""
        newest = -1
        for rows in self._rows:
            for block in rows.take():
                newest = max(newest, self._hand(block))
            for one in rows.apart():
                self.recorder.take(*one)
        return newest

    def _hand_waiting(self) -> int:
        """Everything else; the newest step of it, -1 without one."""
        newest = -1
        for block in self._waiting.take_losses():
            newest = max(newest, self._hand(block))
        for observed, records in self._waiting.take():
            newest = max(newest, observed.step)
            take = self.recorder.at if observed.own else self.recorder.take
            take(observed.step, observed.walltime, records)
        return newest

    def _drop(self) -> None:
        """Another rank writes."""
        self._waiting.drop()
        for rows in self._rows:
            list(rows.take())
            rows.apart()

    # --- calls of add_diagnostics ------------------------------------------------------------------------------------

    def _name(self, watches: Sequence[Watch], call: Call, step: int | None, unnamed: int) -> int:
        """The step of a call; watched steps are named after it."""
        if step is None:
            return self._count(watches, call, unnamed)
        if call.phase == "train":
            for watch in watches:
                if (rename := watch.name_step(step)) is not None:
                    old = watch.rows.rename(*rename)
                    self._waiting.rename(watch.rows, old, rename.step)
        return step

    def _count(self, watches: Sequence[Watch], call: Call, unnamed: int) -> int:
        if watches:
            return watches[0].step
        done = self.optimizers.steps if len(self.optimizers) else unnamed
        return max(done - 1, 0) if call.phase == "validation" else done

    def _describe(self, call: Call, watches: Sequence[Watch], step: int, walltime: float) -> None:
        """Sizes and holders of an unwatched model's parameters, when they differ from what was last said."""
        model = call.model
        if model is not None and not any(watch.holds(model) for watch in watches):
            news = self.guarded("layers", lambda: self._layers.news(parameters(model), model))
            if news:
                self.recorder.at(step, walltime, news)

    def alive(self) -> list[Watch]:
        """The watches that observe."""
        found = [watch for ref in self._watches if (watch := ref()) is not None]
        return [watch for watch in found if watch.active]


def _first_broken(block: Block) -> int | None:
    """The first step with a loss or gradient that is not finite."""
    counts = (block.values.get(quantity) for quantity in (NONFINITE_STEPS, LOSS_NONFINITE))
    bad = [(count > 0).any(axis=1) for count in counts if count is not None]
    steps = block.steps[np.logical_or.reduce(bad)] if bad else block.steps[:0]
    return int(steps[0]) if len(steps) else None
