"""A short look at some steps on every rank: when the model is called, what with, how many targets count. No tensor of the step is kept."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from tb_lossdiag.collect.check_up.functions import Kind
from tb_lossdiag.collect.check_up.mode import FunctionCall, switchboard
from tb_lossdiag.collect.check_up.model.hooks import HOOKS, ModuleCall
from tb_lossdiag.collect.check_up.model.inputs import tensors_in
from tb_lossdiag.collect.check_up.model.repeats import fingerprints
from tb_lossdiag.collect.state.device_clock import Mark, between
from tb_lossdiag.collect.state.models import inner

_IGNORED, _PLACE = -100, 4
"""What class losses ignore unless they are told otherwise, and which argument tells them."""


class Glance:
    """Sees the first training pass of a step, by the process's hooks: nothing is stored on the user's model.

    Args:
        model: as the loop calls it.
        mark: notes moments of the device that it computes on.
        failed: told of a failure; no more is seen.
    """

    def __init__(self, model: nn.Module, mark: Mark, failed: Callable[[Exception], None]) -> None:
        self._outer, self._inner, self._failed = model, inner(model), failed
        self._mark = mark
        self._ended: Any = None
        self._entered: Any = None
        self._whole = self._over = False
        self._pairs: list[tuple[Any, Any, Any]] = []
        self._batch: Tensor | None = None
        self._before = math.nan
        self._scored: Tensor | None = None

    def begin(self, *, whole: bool) -> None:
        """A step comes; `whole`: it is the one after which the ranks are compared, of which more is to be known."""
        self.end()
        self._whole, self._over = whole, False
        HOOKS.add(self)
        if whole:
            switchboard().add(self)
        self._ended, self._entered = self._mark(), None

    def end(self) -> None:
        """See no more."""
        HOOKS.remove(self)
        switchboard().remove(self)

    def seconds(self) -> tuple[float, float]:
        """Up to the forward pass, and of it: medians of the steps seen, once. The device has computed them all."""
        pairs, self._pairs = self._pairs, []
        if not pairs:
            return math.nan, math.nan
        waits = [between(ended, entered) for ended, entered, _ in pairs]
        passes = [between(entered, left) for _, entered, left in pairs]
        return statistics.median(waits), statistics.median(passes)

    def batch(self) -> tuple[float, float, float]:
        """Of the newest step that was seen whole, once: its batch's number, whether that is another than before, its scored targets."""
        batch, scored = (math.nan if t is None else float(t) for t in (self._batch, self._scored))
        self._batch = self._scored = None
        before, self._before = self._before, batch
        fresh = math.nan if math.isnan(batch + before) else float(abs(batch - before) > 0)
        return batch, fresh, scored

    # --- what is heard -----------------------------------------------------------------------------------------------

    def entered(self, call: ModuleCall) -> None:
        """A module is called while gradients are recorded."""
        if self._entered is None and not self._over and call.module in (self._outer, self._inner):
            self._entered = self._mark()

    def left(self, call: ModuleCall) -> None:
        """It has returned."""
        if self._over or self._entered is None or call.module is not self._inner:
            return
        self._over = True
        self._pairs.append((self._ended, self._entered, self._mark()))
        if self._whole:
            samples = fingerprints(tensors_in((call.args, call.kwargs)))
            self._batch = None if samples is None else samples.sum()
        else:
            self.end()

    def aside(self, call: ModuleCall) -> None:
        """A module is called without gradients."""

    def answered(self, call: ModuleCall) -> None:
        """It has returned."""

    def exported(self) -> None:
        """A model is being exported, which no hook may see."""
        self.end()

    def before(self, call: FunctionCall) -> None:
        """A torch function is about to run."""

    def after(self, call: FunctionCall) -> None:
        """It has returned; the first loss function with targets tells how many count."""
        if call.kind is not Kind.LOSS or self._scored is not None:
            return
        target = call.kwargs.get("target", call.args[1] if len(call.args) > 1 else None)
        if isinstance(target, Tensor) and target.dim() and not _spread(target):
            self._scored = _counted(call, target)

    def failed(self, error: Exception) -> None:
        """Something here went wrong."""
        self.end()
        self._failed(error)


def _spread(target: Tensor) -> bool:
    return hasattr(target, "to_local")


def _counted(call: FunctionCall, target: Tensor) -> Tensor:
    if target.is_floating_point() or target.is_complex():
        return torch.tensor(float(target.shape[0]))
    given = call.args[_PLACE] if len(call.args) > _PLACE else _IGNORED
    counts: Tensor = target != call.kwargs.get("ignore_index", given)
    return counts.sum()
