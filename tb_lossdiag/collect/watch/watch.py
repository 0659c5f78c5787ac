"""`writer.watch`: observes every step of an optimizer through its public hooks."""

from __future__ import annotations

from functools import cached_property
from types import TracebackType
from typing import Any

from torch import Tensor, nn

from tb_lossdiag.collect.buffers.norm_buffer import NormBuffer
from tb_lossdiag.collect.buffers.rename import Rename
from tb_lossdiag.collect.check_up import Subject
from tb_lossdiag.collect.state.models import inner
from tb_lossdiag.collect.state.normalisations import normalisations
from tb_lossdiag.collect.state.optimizers import parameters_of
from tb_lossdiag.collect.state.parameters import Parameters
from tb_lossdiag.collect.state.tracing import Told, untraced_hook
from tb_lossdiag.collect.state.transfer import Number
from tb_lossdiag.collect.watch.examiner import Examiner
from tb_lossdiag.collect.watch.host import Host, Options
from tb_lossdiag.collect.watch.rank_talk import RankTalk
from tb_lossdiag.collect.watch.reloads import Reloads
from tb_lossdiag.collect.watch.replacements import warn_of_turns
from tb_lossdiag.collect.watch.step_counter import StepCounter
from tb_lossdiag.collect.watch.steps import WatchedSteps


class Watch:
    """A watched model and optimizer; `remove()` or leaving the `with` block ends it.

    Args:
        rows: where its steps wait.
        subject: the model, its optimizer, scaler and scheduler.
        found: the model's parameters.
        host: what it shares with the writer's other parts.
        options: what is observed.
        first: its first step, unless that is named.
        talk: compares data-parallel ranks, if there are several.

    Attributes:
        talk: the same.
        times: how long its steps take, and what of that recording takes.
    """

    def __init__(
        self,
        rows: NormBuffer,
        subject: Subject,
        found: Parameters,
        host: Host,
        options: Options,
        first: int,
        talk: RankTalk | None = None,
    ) -> None:
        self.rows, self._host, self._options, self.talk = rows, host, options, talk
        self._model, self._optimizer = subject.model, subject.optimizer
        self._steps = WatchedSteps(rows, subject, found, host, options, first, talk)
        self._asked = 0
        optimizer = subject.optimizer  # whose hooks keep the watch alive
        self._hooks = [
            optimizer.register_step_pre_hook(untraced_hook(Told(self._steps.before), self))
        ]
        self.times = self._steps.times
        self._steps.notes = host.optimizers.join(optimizer, self._steps)
        if not self._steps.notes:
            self._hooks.append(
                optimizer.register_step_post_hook(untraced_hook(Told(self._steps.ended)))
            )
        self._steps.begin_check_up()

    def remove(self) -> None:
        """Stop observing; what was observed stays recorded."""
        self._host.guarded.unrest.stir()
        hooks, self._hooks = self._hooks, []
        for hook in hooks:
            hook.remove()
        if hooks and self._steps.notes:
            self._host.optimizers.leave(self._optimizer)
        self._steps.end()
        self.end(0.0)
        self._host.guarded.door("ranks", self.rows.close)

    def end(self, patience: float) -> None:
        """No more steps come; other ranks may take so many seconds to say their part of the comparison."""
        if (scale := self._steps.scale) is not None:
            self._host.guarded("scaler", lambda: self._host.found(scale.rest()))
        if self.talk is not None:
            self._host.guarded.door("ranks", self.talk.end, patience)

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
        return bool(self._hooks) and not self._steps.origin.left()

    def holds(self, model: nn.Module) -> bool:
        """Whether it is this model that is watched, in a wrapper or without."""
        return model is self._model or inner(model) is inner(self._model)

    def steps_by(self, optimizer: Any) -> bool:
        """Whether it is this optimizer whose steps are watched."""
        return optimizer is self._optimizer

    def goes_on_with(self, model: nn.Module, optimizer: Any) -> bool:
        """Whether this optimizer takes the place of the watched one: it trains the same model, and some of the same parameters."""
        held = set(map(id, parameters_of(self._optimizer)))
        news = map(id, parameters_of(optimizer))
        return self.holds(model) and any(p in held for p in news)

    def give_way(self) -> None:
        """Stop observing because another optimizer took the place; should this one step all the same, say so once."""
        self.remove()
        warn_of_turns(self._optimizer, self.rows.name, self._host.guarded, self._host.say)

    def name_step(self, step: int) -> Rename | None:
        """The user says which step it is; see `StepCounter.name`."""
        self.rows.provisional = False
        self.rows.hold.end()
        counter = self._steps.counter
        rename = counter.name(step, fresh=self._host.optimizers.fresh(self._optimizer))
        if counter.shared:
            self._host.guarded.unrest.stir()
        return rename

    @property
    def step(self) -> int:
        """The step that is going on, or has just ended while no new gradient has come."""
        return self._steps.counter.now(fresh=self._host.optimizers.fresh(self._optimizer))

    @property
    def key(self) -> int:
        """Its optimizer's id."""
        return id(self._optimizer)

    @property
    def counter(self) -> StepCounter:
        """Numbers its steps."""
        return self._steps.counter

    @property
    def reloads(self) -> Reloads:
        """Checkpoints that were loaded between its steps."""
        return self._steps.reloads

    @cached_property
    def normalisations(self) -> list[nn.modules.batchnorm._BatchNorm]:
        """The first batch normalisations of its model."""
        return normalisations(self._model)

    @property
    def rests(self) -> bool:
        """Whether its optimizer has made no step."""
        return not self._steps.taken

    @property
    def examiner(self) -> Examiner | None:
        """Its check-ups, None without."""
        return self._steps.examiner

    @property
    def parameters(self) -> Parameters:
        """The watched model's parameters, as they are now."""
        return self._steps.parameters.current()

    def decomposes(self) -> bool:
        """Whether the loss is to be decomposed in the coming step."""
        return self._steps.taken % max(self._options.decompose, 1) == 0

    @property
    def decomposes_by_itself(self) -> bool:
        """Whether terms given to `add_diagnostics` are to be decomposed."""
        return self._options.decompose > 0 and self.decomposes()

    @property
    def plain(self) -> bool:
        """Whether a loss given for it is only to be kept: nothing is to be decomposed."""
        return not self._options.decompose

    @property
    def distant(self) -> bool:
        """Whether gradients cannot be taken here alone: another rank writes, or the parameters are sharded."""
        return self._host.silent or type(self.rows) is not NormBuffer

    def reported_clip(self, total: Tensor, max_norm: float) -> None:
        """The user clipped on their own: the coming step's norms are given back as they were before."""
        self._steps.gradients.reported_clip(total, max_norm)

    @property
    def scaled(self) -> bool:
        """Whether a GradScaler calls the optimizer."""
        return self._steps.scale is not None

    def lost(self, loss: Number) -> None:
        """The training's loss on this rank."""
        if self.talk is not None:
            self.talk.lost(loss)

    def spent(self, start: float) -> None:
        """Recording took the time since then (of `time.perf_counter`); the step's record says so."""
        self.times.spent(start)

    def called(self, step: int) -> None:
        """The training reports this step; if none was taken since it last did, its scaler may have skipped one."""
        before, self._asked = self._asked, self._steps.taken
        watched = self._steps.scale
        if watched is None or before != self._asked or not watched.scaler.is_enabled():
            return
        self._host.found(watched.call(step))
        if watched.skips:
            self._steps.counter.skipped()
