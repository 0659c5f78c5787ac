"""What one check-up under way knows, and takes of the calls that it sees."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from tb_lossdiag.collect.check_up.call_site import script_line
from tb_lossdiag.collect.check_up.customs import Customs
from tb_lossdiag.collect.check_up.free_scales import FreeScales
from tb_lossdiag.collect.check_up.functions import PLAIN, Kind
from tb_lossdiag.collect.check_up.gradients import Gradients
from tb_lossdiag.collect.check_up.loss.calls import Calls
from tb_lossdiag.collect.check_up.mode import FunctionCall
from tb_lossdiag.collect.check_up.model import additions
from tb_lossdiag.collect.check_up.model.forward import Forwards
from tb_lossdiag.collect.check_up.model.hooks import ModuleCall, keywords
from tb_lossdiag.collect.check_up.norms import Norms, gradient_norms
from tb_lossdiag.collect.check_up.source import reached
from tb_lossdiag.collect.check_up.subject import Subject
from tb_lossdiag.collect.check_up.unchanged import UnchangedShare
from tb_lossdiag.collect.check_up.values import Facts
from tb_lossdiag.collect.state.processor import now
from tb_lossdiag.quantities import ASLEEP_PARTS, CLIP_LINE, EVAL_INPUT_MEAN, LINES, STEP_LINE

_CASTS, _CLAMPS = (
    frozenset({"to", "type", "type_as", "bfloat16", "half"}),
    frozenset({"clamp", "clip"}),
)


class CheckUpState:
    """What one check-up under way knows.

    Args:
        subject: what is watched.
        activations: whether to take statistics of activations.
        with_calls: whether to look at loss calls.
    """

    def __init__(self, subject: Subject, *, activations: bool, with_calls: bool) -> None:
        self.began = now()
        self._subject, self.with_calls = subject, with_calls
        self.calls = Calls()
        self.forwards = Forwards(subject.root(), activations=activations, held=subject.held())
        self.calls.values, self.calls.masks = self.forwards.values, self.forwards.masks
        self.calls.sequences, self.calls.dials = self.forwards.sequences, self.forwards.dials
        self.calls.read = self.forwards.read
        self.gradients = Gradients(subject)
        self.customs = Customs(subject)
        self.free = FreeScales(subject)
        self._fed_by: int | None = None
        self._closure = False
        self.at_step: Norms | None = None
        self.modes: Facts = {}
        self.snapshot: UnchangedShare | None = None
        self.scheduler_early = math.nan
        self._step_line = ""

    def before_step(self, *, closure: bool, scheduler_early: float) -> None:
        """The optimizer begins its step; see `CheckUp.before_step`."""
        self._closure, self.scheduler_early = closure, scheduler_early
        self._step_line = script_line()
        self.modes = self.forwards.modes()
        if not closure:
            self.at_step = gradient_norms(self._subject.held())
        self.snapshot = UnchangedShare(self._subject.trainable())

    def after_step(self) -> None:
        """It has ended it."""
        if self._closure:
            # A closure made the gradients within the step; they are still there.
            self.at_step = gradient_norms(self._subject.held())
        if not self.gradients.backwards:
            self.forwards.settle()
            self.calls.settle()

    def lines(self) -> dict[str, str]:
        """Where the script clips and steps."""
        found = {CLIP_LINE: self.gradients.clip_line, STEP_LINE: self._step_line}
        if self.forwards.confirmed:
            found[ASLEEP_PARTS] = LINES.join(self.forwards.confirmed.asleep.names())
        return {name: line for name, line in found.items() if line}

    def entered(self, call: ModuleCall) -> None:
        """A module is called while gradients are recorded."""
        self.forwards.entered(call)
        if call.module is self._subject.root():
            self.gradients.parts.asked((call.args, keywords(call.module)))

    def claimed(self, others: Sequence[torch.Tensor]) -> None:
        """Another check-up's optimizer makes its step with these parameters."""
        self.calls.claimed()
        self.forwards.renew()
        self.customs, self.free = Customs(self._subject), FreeScales(self._subject)
        self.gradients.claimed(others)

    def passed_by(self, others: Sequence[torch.Tensor]) -> None:
        """Another optimizer makes a step with these parameters that is not observed."""
        self.calls.passed_by()
        self.gradients.claimed(others)

    def before(self, call: FunctionCall) -> None:
        """A torch function is about to run."""
        if call.kind in (Kind.PLAIN, Kind.ATTENTION, Kind.ROUTER):
            return
        if call.kind is Kind.ACTIVATION:
            self._fed_by = self.forwards.feeder(call)
            return
        if call.kind is Kind.BACKWARD:
            self._backward(_roots(call))
        elif call.kind is Kind.CLAMP and call.args:
            self.forwards.clamps(call, call.args[0])
        self.gradients.before(call)

    def _backward(self, roots: list[torch.Tensor]) -> None:
        if self.with_calls:
            self.calls.backward(roots, self.forwards.numbers())
        self.customs.backward(roots)
        self.free.begins()
        nodes = reached(roots, self.calls.wanted() | self.forwards.wanted())
        self.calls.confirm(nodes)
        self.forwards.confirm(nodes.keys())

    def after(self, call: FunctionCall) -> None:
        """It has returned."""
        if call.kind is Kind.LOSS:
            self._lost(call)
        elif call.kind is Kind.PLAIN:
            if call.name == "max":
                self.forwards.routes(call)
            self._noted(call)
        elif call.kind is Kind.ACTIVATION:
            self.forwards.function(call, self._fed_by)
            if call.name == "softmax":
                self.forwards.attends(call)
            self._noted(call)
        elif call.kind is Kind.ATTENTION:
            self.forwards.attends(call)
        elif call.kind is Kind.ROUTER:
            self.forwards.routes(call)
            self._noted(call)
        else:
            self._of_gradients(call)

    def _of_gradients(self, call: FunctionCall) -> None:
        """A backward pass, or a change in place."""
        if call.kind is Kind.BACKWARD:
            self.calls.passed()
            self.customs.passed()
            self.free.ended(self.gradients.root)
        elif call.kind is Kind.SCALE and self.with_calls:
            self.calls.scaled(call)
        self.gradients.after(call)

    def _lost(self, call: FunctionCall) -> None:
        """A loss function."""
        if not self.with_calls:
            return
        if EVAL_INPUT_MEAN in self.forwards.evaluated:
            self.calls.evaluated(call)
        self.calls.after(call, self.forwards.sequences())

    def _noted(self, call: FunctionCall) -> None:
        """An operation that a loss may be written with."""
        if call.name in _CASTS:
            self.forwards.casts(call)
        elif call.name in _CLAMPS:
            self.forwards.clamps(call, call.result)
        elif call.name in additions.NAMES:
            self.forwards.adds(call)
        if self.with_calls and call.name in PLAIN:
            self.calls.plain(call)


def _roots(call: FunctionCall) -> list[torch.Tensor]:
    return [tensor for tensor in call.tensors() if isinstance(tensor, torch.Tensor)]
