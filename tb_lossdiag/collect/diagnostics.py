"""Everything the writer observes: calls of `add_diagnostics`, clips and watched optimizers, on their way to the recorder."""

from __future__ import annotations

import time
import weakref
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from tb_lossdiag.collect.buffers.outlet import Outlet
from tb_lossdiag.collect.buffers.queue import Observation
from tb_lossdiag.collect.call.batch_rows import BatchRows
from tb_lossdiag.collect.call.call import DiagnosticsCall, Given
from tb_lossdiag.collect.call.call_steps import CallSteps
from tb_lossdiag.collect.call.evaluation_tags import tells_of_evaluation
from tb_lossdiag.collect.call.manual import Manual
from tb_lossdiag.collect.call.plain_loss import PlainLoss
from tb_lossdiag.collect.call.reach import Reach, reach
from tb_lossdiag.collect.check_up import Subject
from tb_lossdiag.collect.clips.clip import Clipper
from tb_lossdiag.collect.clips.ledger import ClipLedger
from tb_lossdiag.collect.guard import Guard
from tb_lossdiag.collect.state.measurement import Measurement
from tb_lossdiag.collect.state.normalisations import fresh_statistics
from tb_lossdiag.collect.state.optimizers import Optimizers
from tb_lossdiag.collect.state.parameters import parameters
from tb_lossdiag.collect.state.schedulers import full_rate
from tb_lossdiag.collect.takeover import take_over
from tb_lossdiag.collect.unseen import unseen
from tb_lossdiag.collect.watch.check_up_schedule import Rounds
from tb_lossdiag.collect.watch.host import Host, Options
from tb_lossdiag.collect.watch.loads import Loads
from tb_lossdiag.collect.watch.parameter_facts import ParameterFacts
from tb_lossdiag.collect.watch.watch import Watch
from tb_lossdiag.collect.watch.watches import Watches
from tb_lossdiag.recording.event_file import EventFile
from tb_lossdiag.recording.recorder import Recorder
from tb_lossdiag.records import Record


class Diagnostics:
    """Collects samples and brings them to the recorder.

    Args:
        recorder: where everything goes.
        event_file: where the recorder writes.
        first: the first step, unless it is named.

    Attributes:
        plain: takes calls that give nothing but a loss.
        asked_at_end: who may have something to record yet.
        listening: who listens beside the watches, until the writer closes.
    """

    def __init__(self, recorder: Recorder, event_file: EventFile, first: int = 0) -> None:
        self.recorder, self._event_file = recorder, event_file
        self.guarded = Guard(recorder.say)
        recorder.write.attempt = self.guarded.door
        self.clips = ClipLedger(self.guarded.unrest)
        self.optimizers = Optimizers(self.guarded)
        self._hand = Outlet(recorder, event_file, self.guarded, self.optimizers)
        facts = ParameterFacts(self.optimizers, self.clips)
        self.host = Host(self._hand, self.clips, self.optimizers, self.guarded, Rounds(), facts)
        self.by_hand = Manual(self.guarded, recorder.say)
        self.watches = Watches(self.host)
        self._loads = Loads(self._hand.say, self.guarded.door, self.watches.alive)
        self.clipper = Clipper(self.guarded, self.clips, self.optimizers)
        self._given = Given(self.guarded, self.clips, self.optimizers, self.clipper)
        self._steps = CallSteps(first, self._hand, self.optimizers, self._say_renumbered)
        self._reach = Reach()
        self._told = Counter[str]()
        self.plain = PlainLoss(self.host, self.watches, self._steps, self.by_hand)
        self.asked_at_end: weakref.WeakSet[Any] = weakref.WeakSet()
        self.listening: weakref.WeakSet[Any] = weakref.WeakSet()

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
        """Observe every step of an optimizer; a model's new one takes the place of the one before.

        Raises:
            ValueError: the model has no parameters, or another model is watched under this name.
        """
        old = self.watches.called(name)
        if old is not None and old.holds(model) and old.steps_by(optimizer):
            return old
        coming = self._coming
        if self.watches.make_room(name, model, optimizer, coming):
            self._steps.first = coming
        self.optimizers.watch(optimizer, name)
        if scheduler is not None:
            self.recorder.say({"scheduler": type(scheduler).__name__, **full_rate(optimizer)})
        self._hand.check_rank()
        subject = Subject(name, model, optimizer, scaler, scheduler)
        watch = self.watches.begin(subject, options, self._coming)
        self.guarded.door("loads", self._loads.watched, watch)
        self.clipper.scaler = scaler or self.clipper.scaler
        return watch

    def data(self, ids: Any) -> None:
        """The step that is coming is taken with these rows of the data."""
        if self.host.silent:
            return
        rows = self._hand.rows_of_data
        if rows is None:
            ours = BatchRows(self._newest, self._hand.say)
            rows = self._hand.rows_of_data = ours
            self.recorder.heard = ours.reported
        rows.take(ids)

    def _newest(self) -> int:
        return max(self.watches.last, self._steps.newest)

    def take(self, records: list[Record]) -> None:
        """Records of the coming step that are at hand."""
        self.recorder.at(self._coming, time.time(), records)

    @property
    def _coming(self) -> int:
        return self._steps.coming(self.watches.last)

    def require(self, call: DiagnosticsCall, step: int | None) -> None:
        """See to it that what a call of `add_diagnostics` gives can be measured.

        Raises:
            ValueError: the model has no parameters or no gradients, or another one has its names.
        """
        if call.model is None:
            return
        watches = self.guarded.door("recording", self.watches.alive)
        error = self.guarded.door("recording", self._given.refused, call, step, watches or [])
        if error is not None:
            raise error

    def add(
        self, call: DiagnosticsCall, step: int | None, walltime: float | None, unnamed: int
    ) -> Exception | None:
        """Take a call of `add_diagnostics`.

        Args:
            call: what was given.
            step: the user's number, None to count.
            walltime: seconds since the epoch, None for now.
            unnamed: the number of calls before this one, which counts where no optimizer is known.

        Returns:
            What is to be raised to stop the training.
        """
        start = time.perf_counter()
        watches = self.watches.alive()
        with unseen():
            at = self._steps.of(call, watches, step, unnamed)
        if call.phase == "train" and call.loss is not None and watches:
            watches[0].lost(call.loss)
        if self.host.silent:
            self.by_hand.take()
            return None
        self._take(call, watches, at, time.time() if walltime is None else walltime)
        self.guarded.door("writing", self._hand_over, call, watches, at)
        if not watches:  # else the optimizer's step is the place
            self.guarded.step()
            return self.host.judge()
        watches[0].spent(start)
        return None

    def told(self, phase: str) -> int:
        """How many losses of a phase were given."""
        return self._told[phase] + (self.plain.count if phase == "train" else 0)

    def validated(self, loss: float) -> None:
        """The loop has evaluated the model since the newest step."""
        call = DiagnosticsCall.checked("validation", None, None, loss, None, None, None, None, "")
        self.guarded.seen("recording", self.add, call, None, None, 0)

    def scalar(self, tag: str) -> None:
        """An ordinary scalar is written; one of a validation tells where the next can be seen."""
        if self.watches.alive() and tells_of_evaluation(tag):
            self.host.rounds.schedule.validated(self.host.rounds.taken)

    def _take(self, call: DiagnosticsCall, watches: Sequence[Watch], at: int, now: float) -> None:
        """What a call gives waits for its step's record; a part that fails costs none of the others."""
        door = self.guarded.door
        if call.phase == "train" and not call.own:
            door("writing", self._follow, at)
        door("extra", self._samples, call, watches, at, now)
        door("check-up", self._held, at, now)
        door("loss", self._losses, call, watches, at, now)
        if call.given and call.phase == "train" and len(watches) > 1:
            door("reach", self._reached, call.given, watches, at, now)
        door("layers", self._describe, call, watches, at, now)
        if call.phase == "validation" and call.loss is not None and watches:
            door("normalisation", self._remembered, watches, at, now)
            door("loads", self._loads.validated, at)

    def _samples(
        self, call: DiagnosticsCall, watches: Sequence[Watch], at: int, now: float
    ) -> None:
        samples = self._given.samples(call, watches)
        if watches and watches[0].scaled and call.phase == "train":
            self.guarded("scaler", lambda: watches[0].called(at))
        if watches:  # own values may be changed in place before they are read
            samples = [
                (n, Measurement([t.clone() for t in s.tensors], s.finish)) for n, s in samples
            ]
        if samples:
            self._hand.waiting.put(Observation(at, now, samples))

    def _reached(
        self, terms: Mapping[str, Any], watches: Sequence[Watch], at: int, now: float
    ) -> None:
        """Which model each term reaches, where a check-up looks at the step."""
        if self._reach.due(terms, self.host.rounds.count):
            models = {watch.rows.name: watch.parameters.tensors for watch in watches}
            if (sample := self.guarded("reach", lambda: reach(terms, models))) is not None:
                self._hand.waiting.put(Observation(at, now, [("reach", sample)], own=True))

    def _remembered(self, watches: Sequence[Watch], at: int, now: float) -> None:
        modules = [module for watch in watches for module in watch.normalisations]
        if (sample := fresh_statistics(modules)) is not None:
            seen = [("normalisation", sample)]
            self._hand.waiting.put(Observation(at, now, seen, own=True))

    def _held(self, at: int, now: float) -> None:
        if held := self.by_hand.take():
            self._hand.waiting.put(Observation(at, now, [("check-up", s) for s in held], own=True))

    def _hand_over(self, call: DiagnosticsCall, watches: Sequence[Watch], at: int) -> None:
        if watches and call.phase == "train":
            self._hand.if_due(now=any(rows.full for rows in self._hand.rows))
        else:
            self._hand.drain(at)

    def _follow(self, step: int) -> None:
        """The training is at this step; if it went back, what is known ends there."""
        if self._steps.went_back(step):
            self.flush()

    def _losses(
        self, call: DiagnosticsCall, watches: Sequence[Watch], step: int, walltime: float
    ) -> None:
        self._told[call.phase] += call.loss is not None
        if call.loss is not None and call.phase == "validation":
            self.host.rounds.schedule.validated(self.host.rounds.taken)
        call.put_losses(self._hand.waiting, watches, step, walltime)

    # --- to the recorder ---------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Hand over and write everything."""
        self.guarded.door("writing", self._hand.flush)

    def close(self, patience: float) -> bool:
        """Write everything and stop observing.

        Args:
            patience: seconds that what other ranks must add may take; else it is left out.

        Returns:
            True: nothing of ours is installed any more.
        """
        end = time.monotonic() + patience
        for one in tuple(self.asked_at_end):
            self.guarded.door("recording", one.settle)
        for listener in tuple(self.listening):
            self.guarded.door("recording", listener.let_go)
        self.guarded.door("recording", self._loads.close)
        self.watches.end(end)
        self.guarded.seen("writing", self._hand.close, max(end - time.monotonic(), patience / 10))
        self.watches.remove()
        return True

    def begin_again(self) -> None:
        """Go on after `close`: names of watched models are free again."""
        self.watches.forget()
        self.guarded.door("loads", self._loads.listen)

    def take_over(self, folder: str, purged_from: int | None) -> None:
        """Make records of what writers that were killed left in the folder."""
        take_over(folder, self._event_file, purged_from)

    def keep_tail(self) -> None:
        """Keep what is not known to be in the event file."""
        self._hand.tail.keep(now=True)

    def forget_tail(self) -> None:
        """All is in the event file."""
        self._hand.tail.remove()

    def _say_renumbered(self, step: int, named: int) -> None:
        if not self.host.silent:
            self.recorder.renumber(step, named, time.time())

    def _describe(
        self, call: DiagnosticsCall, watches: Sequence[Watch], step: int, walltime: float
    ) -> None:
        """Sizes and holders of an unwatched model's parameters, when they differ from what was last said."""
        model = call.model
        if model is not None and not any(watch.holds(model) for watch in watches):
            news = self.guarded(
                "layers", lambda: self.host.facts.news(parameters(model, call.name), model)
            )
            if news:
                self.recorder.at(step, walltime, news)
