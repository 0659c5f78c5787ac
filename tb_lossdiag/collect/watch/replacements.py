"""Optimizers that take the place of others: how often a model gets a new one, and whether it begins with nothing."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
from torch import nn

from tb_lossdiag.collect.guard import Guard
from tb_lossdiag.collect.state.models import inner
from tb_lossdiag.collect.state.tracing import Told, untraced_hook
from tb_lossdiag.process.warn import warn
from tb_lossdiag.quantities import REPLACED_OPTIMIZERS, STATE_TAKEN_UP, Quantity
from tb_lossdiag.records import Record

_TURNS = (
    "two optimizers of one model take turns, and only the newer one is watched as {name!r}; "
    "give each a name: writer.watch(model, optimizer, name=...)"
)


class Replacements:
    """Counts the optimizers that each watched model has had."""

    def __init__(self) -> None:
        """No model is watched yet."""
        self._counts: dict[str, tuple[weakref.ref[nn.Module], int]] = {}

    def another(self, name: str, model: nn.Module) -> int:
        """A model gets an optimizer: how many this very model had before under this name; another's have nothing to hand on."""
        known, count = self._counts.get(name, (None, 0))
        same = known is not None and known() is inner(model)
        count = count + 1 if same else 0
        self._counts[name] = weakref.ref(inner(model)), count
        return count


class Beginning:
    """Whether an optimizer that goes on where another one stopped began without its state.

    Args:
        name: of the watched model.
        optimizer: its newest optimizer.
        before: how many the model had before it in this process.
        resumed: whether it begins after the training's first step.
    """

    def __init__(self, name: str, optimizer: Any, before: int, *, resumed: bool = False) -> None:
        self._name, self._optimizer, self._before = name, optimizer, before
        self._resumed = resumed and not before
        self._empty = False

    def step_begins(self, taken: int) -> None:
        """A step comes after so many."""
        goes_on = self._before > 0 or self._resumed
        self._empty = goes_on and not taken and not self._optimizer.state

    def news(self) -> list[Record]:
        """After its first step: how many came before it, if it began with nothing and has state now; if it was resumed, whether it began with some."""
        resumed, self._resumed = self._resumed, False
        if not self._optimizer.state:
            return []
        if resumed:
            return [self._record(STATE_TAKEN_UP, not self._empty)]
        return [self._record(REPLACED_OPTIMIZERS, self._before)] if self._empty else []

    def _record(self, quantity: Quantity, value: float) -> Record:
        return Record(quantity, (self._name,), np.array([value], np.float32))


def warn_of_turns(
    optimizer: Any, name: str, guarded: Guard, say: Callable[[dict[str, str]], None]
) -> None:
    """Should an optimizer step once another one took its place, say so once: as a warning, and as a fact."""

    def stepped(*_: object) -> None:
        hook.remove()
        words = _TURNS.format(name=name)
        warn(f"Loss Doctor: {words}", 4)
        say({f"unwatched optimizer {name}".rstrip(): words})

    hook = optimizer.register_step_post_hook(
        untraced_hook(Told(guarded.hook("optimizer", stepped)))
    )
