"""A loss that was recognised in plain operations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor
from torch.nn import functional

from tb_lossdiag.collect.check_up.loss.counting import masking, whole_rows
from tb_lossdiag.collect.check_up.loss.loss_call import LossCall
from tb_lossdiag.collect.check_up.loss.pieces import Reduced
from tb_lossdiag.collect.check_up.loss.tape import Operand, Operation

BY_HAND = "by hand"
"""A weight that no argument of torch's function says."""
IGNORED = -100


@dataclass(frozen=True)
class Written:
    """What it was.

    Attributes:
        name: the function of `torch.nn.functional` that it equals, "dice_loss" for an overlap, which has none.
        predicted: its input.
        target: its target, if it has one.
        reduction: "mean", "sum" or "batchmean".
        options: that function's other arguments; "weight" says that rows count differently.
        function: what it does to each element, where torch's function does not take such targets.
    """

    name: str
    predicted: Operand
    target: Tensor | None
    reduction: str
    options: dict[str, Any] = field(default_factory=dict)
    function: Callable[..., Any] | None = None

    def counted(self, how: Reduced) -> Written:
        """The same of what counts: the rest is ignored where torch's function can ignore it, else left out."""
        mask = None if how.weight is None else masking(how.weight)
        if how.weight is None:
            return self
        if mask is None:
            return replace(self, options={"weight": BY_HAND, **self.options})
        if self.target is not None and not self.target.is_floating_point():
            target = self.target.masked_fill(~mask.reshape(self.target.shape), IGNORED)
            return replace(self, target=target, options={**self.options, "ignore_index": IGNORED})
        weight = {} if how.normalised else {"weight": BY_HAND}
        return replace(self._without(mask), options={**weight, **self.options})

    def _without(self, mask: Tensor) -> Written:
        """What a mask lets through: whole samples, or elements one by one."""
        predicted, target = self.predicted.tensor, self.target
        if predicted.dim() == mask.dim() + 1 and target is not None:
            predicted, target = predicted.movedim(1, -1), target.movedim(1, -1)
        elif predicted.shape == mask.shape:
            rows = whole_rows(mask)
            mask = mask if rows is None else rows
        else:
            return replace(self, options={"weight": BY_HAND, **self.options})
        kept = self.predicted.alike(predicted[mask])
        return replace(self, predicted=kept, target=None if target is None else target[mask])

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
