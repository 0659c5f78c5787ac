"""What a step's losses were made of that no loss function shows."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from torch import Tensor

from tb_lossdiag.collect.check_up.loss.divergence import divergence_sign
from tb_lossdiag.collect.check_up.loss.excess import Excess
from tb_lossdiag.collect.check_up.loss.focal_mean import focused_mean, samples_in_mean
from tb_lossdiag.collect.check_up.loss.loss_call import LossCall
from tb_lossdiag.collect.check_up.loss.margin import compared_in_margins
from tb_lossdiag.collect.check_up.loss.moved_critic import (
    Difference,
    moves_the_critic,
    trained_advantages,
)
from tb_lossdiag.collect.check_up.loss.outer import Outer
from tb_lossdiag.collect.check_up.loss.policy_sign import policy_sign
from tb_lossdiag.collect.check_up.loss.preference import idle_preference
from tb_lossdiag.collect.check_up.loss.ratio import Ratio, clamped_ratio
from tb_lossdiag.collect.check_up.loss.tape import Operation, Tape
from tb_lossdiag.collect.check_up.loss.twice import softmax_of_softmax
from tb_lossdiag.collect.check_up.loss.variance_floor import floored_share
from tb_lossdiag.collect.check_up.loss.weights import (
    Answers,
    critic,
    padding_centred,
    scales_apart,
    weights,
)
from tb_lossdiag.collect.check_up.loss.weights_of_one import by_own_sum, weights_of_one
from tb_lossdiag.collect.check_up.mode import FunctionCall
from tb_lossdiag.collect.check_up.values import Facts
from tb_lossdiag.quantities import (
    ALL_AGAINST_ALL,
    COMPARED_IN_MARGINS,
    CRITIC_MOVED,
    DIVERGENCE_NEGATED,
    EXCESS_OF_BOUND,
    FOCUS_OF_MEAN,
    PADDING_CENTRED,
    POLICY_NEGATED,
    PREFERENCE_IDLE,
    SCALES_APART,
    SOFTMAX_TWICE,
    VARIANCE_FLOORED,
    WEIGHTS_OF_ONE,
)

_KEPT = 4
_DIVIDES = ("div_", "__itruediv__", "divide_")


class Composed:
    """Looks through the operations of each backward pass of a step.

    Attributes:
        ratio: a policy's, in the first pass that has one.
    """

    def __init__(self) -> None:
        self.ratio: Ratio | None = None
        self._outer, self._twice, self._ones = Outer(), 0, 0
        self._means: dict[int, int] = {}
        self._weights: list[Tensor] = []
        self._critics: list[Answers] = []
        self._differences: list[Difference] = []
        self._excess = Excess()
        self._found: Facts = {}

    def plain(self, call: FunctionCall, made: Operation | None) -> None:
        """A plain operation has returned; `made` is what the tape knows of it."""
        self._outer.note(call)
        if made is not None:
            self._ones = self._ones or weights_of_one(made)

    def scaled(self, call: FunctionCall, tape: Tape) -> None:
        """A tensor was multiplied or divided in place, weights perhaps by their own sum."""
        if call.name not in _DIVIDES or len(call.args) < 2:  # noqa: PLR2004
            return
        x, divisor = call.args[0], tape.operand(call.args[1])
        if isinstance(x, Tensor) and x.requires_grad and divisor is not None:
            self._ones = self._ones or (x.numel() if by_own_sum(x.detach(), divisor) else 0)

    def called(self, call: LossCall) -> None:
        """A loss function was called, or one was recognised in plain operations."""
        samples = samples_in_mean(call)
        if samples and call.node is not None:
            self._means[call.node] = samples
        if len(self._critics) < _KEPT and (answers := critic(call)) is not None:
            self._critics.append(answers)

    def look(self, ends: Sequence[Operation | None], operations: Sequence[Operation]) -> None:
        """A backward pass begins.

        Args:
            ends: the operations that made what it begins from; None where one isn't known.
            operations: what led there, the nearest first.
        """
        self._outer.confirm(operations)
        self._twice = self._twice or softmax_of_softmax(operations)
        if samples := focused_mean(operations, self._means):
            self._found.setdefault(FOCUS_OF_MEAN, float(samples))
        self.ratio = self.ratio or clamped_ratio(operations)
        if (floored := floored_share(operations)) is not None:
            self._found.setdefault(VARIANCE_FLOORED, floored)
        if (idle := idle_preference(operations)) is not None:
            self._found.setdefault(PREFERENCE_IDLE, float(idle))
        if sign := divergence_sign(ends):
            self._found.setdefault(DIVERGENCE_NEGATED, float(sign < 0))
        if sign := policy_sign(ends):
            self._found.setdefault(POLICY_NEGATED, float(sign > 0))
        self._excess.look(ends)
        if (apart := compared_in_margins(ends)) is not None:
            self._found.setdefault(COMPARED_IN_MARGINS, apart)
        weighing = list(islice(weights(operations), _KEPT))
        # Copies, since the critic's loss may come in a pass of its own.
        self._weights = [*self._weights, *(each.clone() for each in weighing)][:_KEPT]
        trained = islice(trained_advantages(operations), _KEPT)
        self._differences = [*self._differences, *trained][:_KEPT]
        if (shift := padding_centred(operations, weighing)) is not None:
            self._found.setdefault(PADDING_CENTRED, shift)

    def facts(self) -> Facts:
        """What they showed."""
        counted = {ALL_AGAINST_ALL: self._outer.samples, SOFTMAX_TWICE: self._twice}
        counted[WEIGHTS_OF_ONE] = self._ones
        counted[EXCESS_OF_BOUND] = self._excess.value
        found: Facts = {quantity: float(n) for quantity, n in counted.items() if n}
        return found | self._found | self._of_a_critic()

    def _of_a_critic(self) -> Facts:
        if moves_the_critic(self._differences, self._critics):
            return {CRITIC_MOVED: 1.0}
        apart = scales_apart(self._weights, self._critics)
        return {} if apart is None else {SCALES_APART: apart, CRITIC_MOVED: 0.0}
