"""The check-up: observes one training step, from the end of the step before to the end of this one."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch

from tb_lossdiag.collect.check_up.copies import Copies
from tb_lossdiag.collect.check_up.drawn import Drawn
from tb_lossdiag.collect.check_up.functions import Kind
from tb_lossdiag.collect.check_up.judged import Judged
from tb_lossdiag.collect.check_up.loose import Loose
from tb_lossdiag.collect.check_up.loss.measured_call import MeasuredCall
from tb_lossdiag.collect.check_up.loss.trained import Trained
from tb_lossdiag.collect.check_up.mode import FunctionCall, Switchboard, switchboard
from tb_lossdiag.collect.check_up.model.arguments import Arguments
from tb_lossdiag.collect.check_up.model.hooks import HOOKS, ModuleCall
from tb_lossdiag.collect.check_up.observation import CheckUpState
from tb_lossdiag.collect.check_up.outcome import Outcome
from tb_lossdiag.collect.check_up.rounding import Rounding
from tb_lossdiag.collect.check_up.scheduler_order import FirstStep
from tb_lossdiag.collect.check_up.strangers import Strangers
from tb_lossdiag.collect.check_up.subject import Subject
from tb_lossdiag.collect.check_up.values import to_sample
from tb_lossdiag.collect.state.measurement import Measurement
from tb_lossdiag.collect.unseen import undispatched

_T = TypeVar("_T")


@dataclass(frozen=True)
class Example:
    """What a model was given in a step.

    Attributes:
        arguments: None where it was not called itself.
        ahead: whether it is trained on its own input, shifted by one.
    """

    arguments: Arguments | None
    ahead: bool


class CheckUp:
    """Observes a step of one subject whenever it is told to.

    Only a hook may drive it, always at the same depth of the training loop: `begin` when a step has ended (or before the first),
    `before_step` and `after_step` around the next. Between `after_step` and the next `begin` nothing is installed anywhere.

    Attributes:
        failure: the exception that ended a check-up from inside, if any; training goes on.
        failure_trace: its traceback as text.
        limits: what the newest check-up could not look at, in words; "" if it saw all.
        trained: what the loss of the newest step with a backward pass was.
    """

    def __init__(self, subject: Subject, *, activations: bool = True, calls: bool = True) -> None:
        """Observe nothing yet.

        Args:
            subject: what is watched.
            activations: whether to take statistics of activations.
            calls: whether to look at loss calls.
        """
        self._subject = subject
        self._activations = activations
        self._with_calls = calls
        self._now: CheckUpState | None = None
        self._board: Switchboard | None = None
        self._aside = False  # the board is, while the optimizer steps
        self._outcome = Outcome(subject)
        self._facts: dict[str, str] = {}
        self._first_step = FirstStep(subject)
        self._copies = Copies(subject)
        self._strangers, self._drawn = Strangers(subject), Drawn(subject)
        self._loose = Loose(subject)
        self._judged = Judged(subject.root())
        self._compared: list[Measurement] = []
        self._rounding = Rounding(subject)
        self._process = os.getpid()
        self.failure: Exception | None = None
        self.failure_trace = ""
        self.limits = ""
        self.trained = Trained()
        self._example: Example | None = None

    def begin(self, *, keep: bool = False) -> bool:
        """Start observing; False where nothing can be observed. `keep`: what the model is given, until the step has ended."""
        self.abandon()
        self.failure, self.failure_trace = None, ""
        begun = self._guarded(self._begin, otherwise=False)
        if self._now is not None:
            self._now.forwards.keeps = keep
        return begun

    def example(self) -> Example | None:
        """What the model was given in the newest check-up, handed out once."""
        example, self._example = self._example, None
        return example

    def _begin(self) -> bool:
        if os.getpid() != self._process:  # a forked child: its parent's steps are not its own
            return False
        if self._subject.sharded():
            self.limits = "sharded parameters: not observed"
            return False
        self._now = CheckUpState(
            self._subject, activations=self._activations, with_calls=self._with_calls
        )
        if self._subject.compiled():
            self.limits = "compiled model: only the step itself was observed"
            return True
        self.limits = ""
        self._copies.begin()
        self._copies.keep()
        self._strangers.begin()
        self._loose.begin()
        self._judged.begin()
        HOOKS.add(self)
        board = switchboard()
        if board.add(self):
            self._board = board
        else:
            self.limits = "a torch function mode is active: loss calls and order were not observed"
        return True

    def before_step(self, *, closure: bool = False) -> None:
        """The optimizer begins its step.

        Args:
            closure: whether the step was given a closure, which makes the gradients itself.
        """
        self._guarded(lambda: self._before_step(closure), otherwise=None)
        if self._board is not None and not closure and self._subject.steps_by_itself():
            self._aside = self._board.suspend()

    def _before_step(self, closure: bool) -> None:
        if self._now is None:
            return
        self._compared = self._copies.samples()
        if untrained := {**self._strangers.facts(), **self._loose.facts()}:
            self._compared.append(to_sample({self._subject.name: untrained}))
        if judged := self._judged.facts():
            self._compared.append(to_sample({self._subject.name: judged}))
        if drawn := self._drawn.facts():
            self._compared.append(to_sample({self._subject.name: drawn}))
        self._rounding.before_step()
        early = self._first_step.scheduler_early()
        self._now.before_step(closure=closure, scheduler_early=early)
        for other in self._board.others(self) if self._board else ():
            if isinstance(other, CheckUp):
                other.claimed(self._subject.held())

    def steps_unseen(self) -> None:
        """The optimizer begins a step that is not observed: those who observe theirs are told whose gradients it uses."""
        for other in switchboard().others(self):
            if isinstance(other, CheckUp):
                other.passed_by(self._subject.held())

    def after_step(self) -> list[Measurement]:
        """The optimizer has ended its step: stop observing and hand over what was seen."""
        none: list[Measurement] = []
        samples = self._guarded(self._after_step, otherwise=none)
        self.abandon()
        return samples

    def _after_step(self) -> list[Measurement]:
        if self._now is None:
            return []
        self._now.after_step()
        self.trained = self._now.calls.trained
        lines = self._now.lines()
        self._facts = {
            **self._now.calls.facts(),
            **lines,
            **self._strangers.words(),
            **self._loose.words(),
        }
        if self._now.forwards.keeps:
            done = self._now.forwards.confirmed
            given = None if done is None else done.arguments
            self._example = Example(given, self._now.calls.ahead())
        seen = self._outcome.samples(self._now, functions=self._board is not None)
        if rounded := self._rounding.facts():
            seen.append(to_sample({self._subject.name: rounded}))
        return [*seen, *self._compared]

    def abandon(self) -> None:
        """Stop observing without a result. Safe at any time, also twice."""
        self._now = None
        HOOKS.remove(self)
        switchboard().leave_if_idle()
        board, self._board = self._board, None
        aside, self._aside = self._aside, False
        if board is not None:
            board.remove(self)
            if aside:
                board.resume()

    def facts(self) -> dict[str, str]:
        """What the newest check-up saw, in words."""
        return {**self._facts, **({"check_up": self.limits} if self.limits else {})}

    def add(self, call: MeasuredCall) -> None:
        """A custom loss's call, if a check-up is going on."""
        if self._now is not None:
            self._now.calls.add(call)

    @property
    def running(self) -> bool:
        """Whether a check-up is going on."""
        return self._now is not None

    def claimed(self, others: Sequence[torch.Tensor]) -> None:
        """Another check-up's optimizer makes its step with these parameters."""
        if self._now is not None:
            self._now.claimed(others)

    def passed_by(self, others: Sequence[torch.Tensor]) -> None:
        """Another optimizer makes a step with these parameters that is not observed."""
        if self._now is not None:
            self._now.passed_by(others)

    def before(self, call: FunctionCall) -> None:
        """A torch function is about to run."""
        if self._now is not None:
            if call.kind is Kind.BACKWARD:
                self._loose.backward(t for t in call.tensors() if isinstance(t, torch.Tensor))
            self._now.before(call)

    def after(self, call: FunctionCall) -> None:
        """It has returned."""
        if self._now is not None:
            self._now.after(call)

    def entered(self, call: ModuleCall) -> None:
        """A module is called."""
        if self._now is not None:
            self._copies.called(call.module)
            self._judged.entered(call.module, call.args)
            if self._now.forwards.inside:
                self._strangers.called(call.module, call.args)
            else:
                self._strangers.beside(call.module)
                self._loose.called(call.args)
            self._now.entered(call)

    def left(self, call: ModuleCall) -> None:
        """It has returned."""
        if self._now is not None:
            self._strangers.left(call.module, (call.args, call.kwargs))
            self._judged.left(call.module, call.output)
            self._now.forwards.left(call)

    def aside(self, call: ModuleCall) -> None:
        """A module is called without gradients."""
        if self._now is not None:
            self._copies.called(call.module)
            self._judged.entered(call.module, call.args)
            self._now.forwards.aside(call)

    def answered(self, call: ModuleCall) -> None:
        """It has returned."""
        if self._now is not None:
            self._judged.left(call.module, call.output)

    def exported(self) -> None:
        """The model is being exported: hooks would make that fail, so this check-up ends."""
        self.limits = "the model was exported during the check-up: nothing was observed"
        self.abandon()

    def failed(self, error: Exception) -> None:
        """Something here went wrong: this check-up ends, training goes on."""
        # Its traceback would keep the training's tensors and graph alive.
        self.failure_trace = "".join(traceback.format_exception(error))
        self.failure = error.with_traceback(None)
        self.abandon()

    def _guarded(self, act: Callable[[], _T], *, otherwise: _T) -> _T:
        try:
            with torch._C.DisableTorchFunction(), torch.no_grad(), undispatched():  # noqa: SLF001
                return act()
        except Exception as error:  # noqa: BLE001  (a measurement must never end a training)
            self.failed(error)
            return otherwise
