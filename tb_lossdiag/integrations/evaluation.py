"""One evaluation: the loss of a model in `eval()`, as whoever wrote the loop computes it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tb_lossdiag.collect.check_up.functions import Kind
from tb_lossdiag.collect.check_up.loss.loss_call import CLASS_LOSSES, LossCall, loss_call
from tb_lossdiag.collect.check_up.loss.trained import Kin, manner
from tb_lossdiag.collect.check_up.mode import FunctionCall, switchboard
from tb_lossdiag.collect.check_up.model.hooks import HOOKS, ModuleCall
from tb_lossdiag.collect.check_up.model.inputs import single_numbers, tensors_in
from tb_lossdiag.collect.check_up.values import wide
from tb_lossdiag.records import Doubles

_FEWEST = 8
"""Batches whose halves can be compared."""
_APART = 6.0
"""Standard errors between the halves of an evaluation that is of two sets of data."""
_FAR = 0.1
"""The least that they then differ, relative."""


class Evaluation:
    """Listens from `eval()` to `train()`.

    A loss counts if it is the very one that is trained: the same function, called in the same manner right after the model, or the same
    number that the model returns.

    Args:
        root: the model itself.
        kin: what its loss is.
    """

    def __init__(self, root: nn.Module, kin: Kin) -> None:
        self._root, self._kin = root, kin
        self._rows = 0
        self._sums: list[Tensor] = []
        self._counts: list[Tensor | float] = []
        self.clear = True
        """Whether all that was seen is that loss."""

    def begin(self) -> None:
        """Listen."""
        if not switchboard().add(self):
            self.clear = False
            return
        HOOKS.add(self)

    def end(self) -> None:
        """Listen no more."""
        HOOKS.remove(self)
        switchboard().remove(self)

    def batches(self) -> tuple[Doubles, Doubles]:
        """(float64[B], float64[B]): sum of the loss over the samples of each batch, and how many they are."""
        if not self._sums:
            return np.zeros(0), np.zeros(0)
        sums = torch.stack([s.double().reshape(()) for s in self._sums]).cpu().numpy()
        return sums, np.array([float(count) for count in self._counts])

    # --- modules -----------------------------------------------------------------------------------------------------

    def entered(self, call: ModuleCall) -> None:
        """A module is called."""
        if call.module is self._root:
            self._rows = _rows(call.args)

    def left(self, call: ModuleCall) -> None:
        """It has returned."""
        if call.module is not self._root:
            return
        self._rows = self._rows or _rows(call.kwargs) or 1
        if not self._kin.name:
            numbers = single_numbers(call.output)
            if self._kin.place < len(numbers):
                self._take(wide(numbers[self._kin.place].detach()) * self._rows, float(self._rows))

    aside, answered = entered, left

    # --- functions ---------------------------------------------------------------------------------------------------

    def before(self, call: FunctionCall) -> None:
        """A function is called."""

    def after(self, call: FunctionCall) -> None:
        """It has returned."""
        if call.kind is not Kind.LOSS or call.name != self._kin.name:
            return
        seen = loss_call(call.name, call.function, call.args, call.kwargs, call.result)
        rows, self._rows = self._rows, 0
        # A second one of the same pass is not the loss either.
        if not rows or seen is None or seen.value is None or manner(seen) != self._kin.manner:
            self.clear = False
            return
        self._reduced(seen, seen.value.detach())

    def _reduced(self, call: LossCall, value: Tensor) -> None:
        count = _count(call)
        averaged = value.numel() == 1 and not call.summed
        if not averaged and not _divisible(call):
            self.clear = False
            return
        self._take(wide(value) * count if averaged else wide(value).sum(), count)

    def _take(self, total: Tensor, count: Tensor | float) -> None:
        self._sums.append(total.clone())
        self._counts.append(count)

    def exported(self) -> None:
        """Nothing may listen."""
        self.failed(RuntimeError())

    def failed(self, error: Exception) -> None:
        """It cannot be known."""
        self.clear = False
        self.end()


def _rows(given: Any) -> int:
    """Samples that a model is given."""
    first = next((t for t in tensors_in(given) if t.dim()), None)
    return 0 if first is None else len(first)


def _count(call: LossCall) -> Tensor | float:
    """What a mean of the call divides by."""
    if call.options.get("reduction") == "batchmean":
        return float(len(call.input))
    if call.indexed and call.target is not None:
        ignored = call.options.get("ignore_index")
        return call.target.numel() if ignored is None else (call.target != ignored).sum()
    classes = call.input.shape[1] if call.name in CLASS_LOSSES and call.input.dim() > 1 else 1
    return call.input.numel() / classes


def _divisible(call: LossCall) -> bool:
    """Whether a sum over the batch, divided by `_count`, is the mean; with weights it is something else."""
    weighted = any(isinstance(value, Tensor) for value in call.options.values())
    return not weighted and (call.indexed or call.by_element)


def two_levels(sums: Doubles, counts: Doubles) -> bool:
    """Whether the first and the second half of an evaluation cannot be of one set of data."""
    values = sums / counts
    half = len(values) // 2
    if len(values) < _FEWEST or not np.all(np.isfinite(values)):
        return False
    one, other = values[:half], values[half:]
    error = math.sqrt(one.var(ddof=1) / len(one) + other.var(ddof=1) / len(other))
    apart = abs(float(one.mean() - other.mean()))
    return apart > _APART * error and apart > _FAR * abs(float(values.mean()))
