"""Loss calls of a hand-written training loop, without an optimizer."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

import torch

from tb_lossdiag.collect.check_up.functions import PLAIN, Kind
from tb_lossdiag.collect.check_up.loss.calls import Calls
from tb_lossdiag.collect.check_up.loss.measured_call import MeasuredCall
from tb_lossdiag.collect.check_up.mode import FunctionCall, switchboard
from tb_lossdiag.collect.check_up.source import reached
from tb_lossdiag.collect.state.measurement import Measurement

if TYPE_CHECKING:
    from typing_extensions import Self


class LossCalls:
    """Observes the loss calls within a `with` block around forward and backward.

    Where the block holds no backward pass, calls whose value has a gradient count.

    Attributes:
        failure: the exception that ended the observation from inside, if any; training goes on.
        limits: what could not be looked at, in words; "" if all was seen.
    """

    def __init__(self) -> None:
        """Observe nothing yet."""
        self._calls = Calls()
        self._board = switchboard()
        self.failure: Exception | None = None
        self.limits = ""

    def __enter__(self) -> Self:
        """Start observing."""
        self._calls = Calls()
        seen = self._board.add(self)
        self.limits = (
            "" if seen else "a torch function mode is active: loss calls were not observed"
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop observing; the user's exceptions pass."""
        self._board.remove(self)
        self._calls.settle()

    def add(self, call: MeasuredCall) -> None:
        """A custom loss's call."""
        self._calls.add(call)

    def samples(self) -> list[Measurement]:
        """What was seen; nothing after a failure."""
        return [] if self.failure else self._calls.samples()

    def facts(self) -> dict[str, str]:
        """What was seen, in words."""
        return {**self._calls.facts(), **({"check_up": self.limits} if self.limits else {})}

    def before(self, call: FunctionCall) -> None:
        """A torch function is about to run."""
        if call.kind is Kind.BACKWARD:
            roots = [tensor for tensor in call.tensors() if isinstance(tensor, torch.Tensor)]
            self._calls.backward(roots)
            self._calls.confirm(reached(roots, self._calls.wanted()))

    def after(self, call: FunctionCall) -> None:
        """It has returned."""
        if call.kind is Kind.LOSS:
            self._calls.after(call)
        elif call.kind is Kind.BACKWARD:
            self._calls.passed()
        elif call.name in PLAIN:
            self._calls.plain(call)

    def failed(self, error: Exception) -> None:
        """Something here went wrong: the observation ends, training goes on."""
        self.failure = error.with_traceback(None)
        self._board.remove(self)
