"""Gradients that a pass for another optimizer's step has left in these parameters."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from tb_lossdiag.collect.check_up.mode import call_path
from tb_lossdiag.collect.check_up.norms import gradient_norms
from tb_lossdiag.collect.check_up.values import Facts, Value
from tb_lossdiag.quantities import LEFT_NORM

_Mark = tuple[int, int] | None


class Left:
    """Follows the passes of one step: the last before another optimizer's, and the first after it.

    Two passes of the same line are the same loss, whose gradients may add up over several steps of the other on purpose; unless the
    second does not reach what the other optimizer stepped with: a line that all players share.
    """

    def __init__(self) -> None:
        self._line: int | None = None
        self._reached: Value = 0.0
        self._claimed = False
        self._others: Sequence[Tensor] = ()
        self._marks: list[_Mark] = []
        self._perhaps: Value | None = None
        self._norm: Value | None = None

    def begins(self, held: Sequence[Tensor]) -> None:
        """A pass is about to run."""
        line = call_path()
        if self._claimed:
            left = gradient_norms(held).total * self._reached
            if line != self._line:
                self._norm = left
            else:
                self._perhaps, self._marks = left, _marks(self._others)
        self._line, self._claimed = line, False

    def ended(self, moved: Tensor | None) -> None:
        """It has run, and has changed some of the gradients; None where that is not known."""
        self._reached = 0.0 if moved is None else moved.any().float()
        if self._perhaps is not None and _marks(self._others) == self._marks:
            self._norm = self._perhaps
        self._perhaps = None

    def claimed(self, others: Sequence[Tensor]) -> None:
        """Another optimizer makes its step with these parameters: what passes there were may have been for that."""
        self._claimed, self._others = self._line is not None, others

    def facts(self) -> Facts:
        """What was left; nothing where nobody else made a step between passes."""
        return {} if self._norm is None else {LEFT_NORM: self._norm}


def _marks(parameters: Sequence[Tensor]) -> list[_Mark]:
    """Which tensor each gradient is, and how often it was changed: what a pass leaves as it is, it does not reach."""
    gradients = (p.grad for p in parameters)
    return [None if g is None else (id(g), g._version) for g in gradients]  # noqa: SLF001
