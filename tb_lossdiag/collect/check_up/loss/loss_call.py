"""One call of a loss function."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from torch import Tensor

from tb_lossdiag.collect.check_up.source import node_id
from tb_lossdiag.quantities import LOSS_FUNCTIONS, Form, made_for

CLASS_LOSSES = frozenset(name for name, loss in LOSS_FUNCTIONS.items() if loss.classes)
"""Loss functions of one row of class scores against one class."""
_INPUTS = ("input", "input1", "anchor", "log_probs")
_TARGETS = ("target", "targets")
_REDUCING = ("reduction", "size_average", "reduce")


@dataclass(frozen=True)
class LossCall:
    """What a loss function was given and what it returned.

    Attributes:
        name: as in `torch.nn.functional`, or "custom".
        input: what was predicted; still with its autograd graph.
        target: what it was compared with, if there was such a tensor.
        value: what the function returned, if known.
        options: its other arguments by name, defaults included.
        function: the function itself, if it is one of torch's.
        made: the graph node that made the input; None for a leaf.
        node: sequence number of the graph node of its value, if it has one.
    """

    name: str
    input: Tensor
    target: Tensor | None
    value: Tensor | None = None
    options: dict[str, Any] = field(default_factory=dict)
    function: Callable[..., Any] | None = None
    made: Any = None
    node: int | None = None

    @property
    def summed(self) -> bool:
        """Whether it adds up over the batch."""
        legacy = (
            self.options.get("size_average") is False and self.options.get("reduce") is not False
        )
        return self.options.get("reduction") == "sum" or legacy

    @property
    def unreduced(self) -> bool:
        """Whether it says what each of many targets costs, and what counts of it is decided later."""
        many = self.value is not None and self.value.numel() > 1
        return many and self.options.get("reduction") == "none"

    @property
    def indexed(self) -> bool:
        """Whether the target holds class indices."""
        whole = self.target is not None and not self.target.is_floating_point()
        return self.name in CLASS_LOSSES and whole

    @property
    def by_element(self) -> bool:
        """Whether each element of the input has its own target; a custom loss of whole numbers may take them for indices."""
        if self.target is None or self.indexed:
            return False
        if self.name in CLASS_LOSSES:
            return True
        return made_for(self.name).by_element and (
            self.name != "custom" or self.target.is_floating_point()
        )

    @property
    def form(self) -> Form:
        """What numbers it takes as its input, called with these options."""
        if self.name == "poisson_nll_loss" and not self.options.get("log_input", True):
            return Form.RATES
        return made_for(self.name).form

    @property
    def weighted(self) -> bool:
        """Whether classes or elements were given weights."""
        if self.name == "linear_cross_entropy":
            # Its `weight` is the output layer's.
            return False
        return any(self.options.get(name) is not None for name in ("weight", "pos_weight"))

    @property
    def class_weights(self) -> Tensor | None:
        """float64[C] on the host: what each class counts; None without weights."""
        weight = self.options.get("weight")
        if self.name not in CLASS_LOSSES or not isinstance(weight, Tensor) or weight.dim() != 1:
            return None
        return weight.detach().double().cpu()

    @property
    def answered(self) -> LossCall:
        """The same, with targets ignored that no class has a number for.

        Who masks scores and divides by their sum has NaN there, and leaves these losses out afterwards.
        """
        target = self.target
        if target is None or not self.indexed or self.options.get("reduction") != "none":
            return self
        if self.input.dim() != target.dim() + 1:
            return self
        blank = self.input.detach().isnan().all(1)
        if blank.all() or not blank.any():
            return self
        ignored = self.options.get("ignore_index", -100)
        return replace(self, target=target.long().masked_fill(blank, ignored))

    def each(self, predicted: Tensor, target: Tensor) -> Tensor | None:
        """The same function without reduction, of other tensors; None where it has no such form."""
        if self.function is None or "reduction" not in self.options:
            return None
        options = {name: value for name, value in self.options.items() if name not in _REDUCING}
        result: Tensor = self.function(predicted, target, reduction="none", **options)
        return result


def loss_call(
    name: str, function: Callable[..., Any], args: Any, kwargs: Any, value: Any
) -> LossCall | None:
    """A call of a function of `torch.nn.functional`; None where it has no dense input."""
    bound = _signature(function).bind(*args, **kwargs)
    bound.apply_defaults()
    given = dict(bound.arguments)
    predicted = next((given.pop(n) for n in _INPUTS if isinstance(given.get(n), Tensor)), None)
    target = next((given.pop(n) for n in _TARGETS if isinstance(given.get(n), Tensor)), None)
    if predicted is None or predicted.is_sparse or not predicted.numel():
        return None
    if target is not None and (target.is_sparse or not target.numel()):
        target = None
    if target is not None and made_for(name).symmetric:
        predicted, target = prediction_first(predicted, target)
    result = value if isinstance(value, Tensor) else None
    node = None if result is None else node_id(result)
    return LossCall(name, predicted, target, result, given, function, predicted.grad_fn, node)


def prediction_first(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """What requires a gradient is the prediction, wherever it stands in a distance; of two, the first."""
    return (other, one) if other.requires_grad and not one.requires_grad else (one, other)


@lru_cache(maxsize=64)
def _signature(function: Callable[..., Any]) -> inspect.Signature:
    return inspect.signature(function)
