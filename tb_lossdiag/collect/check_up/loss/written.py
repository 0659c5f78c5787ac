"""A loss that was recognised in plain operations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor
from torch.nn import functional

from tb_lossdiag.collect.check_up.loss.loss_call import LossCall
from tb_lossdiag.collect.check_up.loss.tape import Operand, Operation


@dataclass(frozen=True)
class Written:
    """What it was.

    Attributes:
        name: the function of `torch.nn.functional` that it equals, "dice_loss" for an overlap, which has none.
        predicted: its input.
        target: its target.
        reduction: "mean", "sum" or "batchmean".
        options: that function's other arguments; "weight" says that rows count differently.
        function: what it does to each element, where torch's function does not take such targets.
    """

    name: str
    predicted: Operand
    target: Tensor
    reduction: str
    options: dict[str, Any] = field(default_factory=dict)
    function: Callable[..., Any] | None = None

    def call(self, end: Operation, made: Any) -> LossCall:
        """The same as a call.

        Args:
            end: the operation that made its value.
            made: graph node of its input.
        """
        function = self.function or getattr(functional, self.name, None)
        if "weight" in self.options:
            function = None
        return LossCall(
            self.name,
            self.predicted.tensor,
            self.target,
            end.result.tensor,
            {**self.options, "reduction": self.reduction},
            function,
            made,
            end.result.node,
        )
