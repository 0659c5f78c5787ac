"""What a step's losses were made of that no loss function shows."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from tb_lossdiag.collect.check_up.loss.focal_mean import focused_mean, samples_in_mean
from tb_lossdiag.collect.check_up.loss.loss_call import LossCall
from tb_lossdiag.collect.check_up.loss.tape import Tape
from tb_lossdiag.collect.check_up.values import Facts
from tb_lossdiag.quantities import FOCUS_OF_MEAN

_MOST = 256
"""Operations of a loss that are looked through."""


class Composed:
    """Looks through the operations of each backward pass of a step."""

    def __init__(self) -> None:
        self._means: dict[int, int] = {}
        self._found: Facts = {}

    def called(self, call: LossCall) -> None:
        """A loss function was called, or one was recognised in plain operations."""
        samples = samples_in_mean(call)
        if samples and call.node is not None:
            self._means[call.node] = samples

    def look(self, roots: Sequence[Tensor], tape: Tape) -> None:
        """A backward pass begins.

        Args:
            roots: what it begins from.
            tape: what that was computed with.
        """
        operations = list(tape.leading_to(roots, _MOST))
        if samples := focused_mean(operations, self._means):
            self._found.setdefault(FOCUS_OF_MEAN, float(samples))

    def facts(self) -> Facts:
        """What they showed."""
        return self._found
