"""Gradients that a pass for another optimizer's step has left in these parameters."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from tb_lossdiag.collect.check_up.call_site import call_path
from tb_lossdiag.collect.check_up.norms import gradient_norms
from tb_lossdiag.collect.check_up.values import Facts, Value
from tb_lossdiag.quantities import LEFT_NORM

_Mark = tuple[int, int] | None


class Left:
    """Follows the passes of one step: the last before another optimizer's, and the first after it that reaches these parameters.

    Two passes of the same line are the same loss, whose gradients may add up over several steps of the other on purpose; unless the
    second does not reach what the other optimizer stepped with: a line that all players share. A pass that does not come here, for a
    third one's parameters, adds to nothing, and what was left may be reset after it. Whether a pass does is known on the device only, so
    all of it is carried as values of 0 and 1.
    """

    def __init__(self) -> None:
        self._line: int | None = None
        self._reached: Value = 0.0
        self._open: Value = 0.0
        self._left_by: Value = 0.0
        self._lines: set[int | None] = set()
        self._others: Sequence[Tensor] = ()
        self._marks: list[_Mark] | None = None
        self._perhaps: Value | None = None
        self._norm: Value | None = None

    def begins(self, held: Sequence[Tensor]) -> None:
        """A pass is about to run."""
        line = call_path()
        if self._lines:
            self._perhaps = gradient_norms(held).total * self._left_by
            self._marks = _marks(self._others) if line in self._lines else None
        self._line = line

    def ended(self, moved: Tensor | None) -> None:
        """It has run, and has changed some of the gradients; None where that is not known."""
        self._reached = 0.0 if moved is None else moved.any().float()
        if self._perhaps is None:
            return
        here = self._open * (1.0 if moved is None else self._reached)
        if self._marks is None or _marks(self._others) == self._marks:
            before = 0.0 if self._norm is None else self._norm
            self._norm = here * self._perhaps + (1 - here) * before
        self._open = self._open - here
        self._perhaps = self._marks = None

    def claimed(self, others: Sequence[Tensor]) -> None:
        """Another optimizer makes its step with these parameters: what passes there were may have been for that."""
        if self._line is None:
            return
        # What the one before left is still there where no pass has come here since.
        kept = self._open * self._left_by
        self._left_by = kept + (1 - kept) * self._reached
        self._lines.add(self._line)
        self._open, self._others = 1.0, others

    def facts(self) -> Facts:
        """What was left; nothing where nobody else made a step between passes."""
        return {} if self._norm is None else {LEFT_NORM: self._norm}


def _marks(parameters: Sequence[Tensor]) -> list[_Mark]:
    """Which tensor each gradient is, and how often it was changed: what a pass leaves as it is, it does not reach."""
    gradients = (p.grad for p in parameters)
    return [None if g is None else (id(g), g._version) for g in gradients]  # noqa: SLF001
