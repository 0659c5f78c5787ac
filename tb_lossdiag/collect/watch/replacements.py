"""Optimizers that take the place of others: how often a model gets a new one, and whether it begins with nothing."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
from torch import nn

from tb_lossdiag.collect.guard import Guard
from tb_lossdiag.collect.state.models import inner
from tb_lossdiag.collect.state.tracing import untraced_hook
from tb_lossdiag.process.warn import warn
from tb_lossdiag.quantities import REPLACED_OPTIMIZERS
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
    """Whether an optimizer that took another's place began without its state.

    Args:
        name: of the watched model.
        optimizer: its newest optimizer.
        before: how many the model had before it.
    """

    def __init__(self, name: str, optimizer: Any, before: int) -> None:
        self._name, self._optimizer, self._before = name, optimizer, before
        self._empty = False

    def step_begins(self, taken: int) -> None:
        """A step comes after so many."""
        self._empty = self._before > 0 and not taken and not self._optimizer.state

    def news(self) -> list[Record]:
        """After its first step: how many came before it, if it began with nothing and has state now."""
        if not (self._empty and self._optimizer.state):
            return []
        count = np.array([self._before], np.float32)
        return [Record(REPLACED_OPTIMIZERS, (self._name,), count)]


def warn_of_turns(
    optimizer: Any, name: str, guarded: Guard, say: Callable[[dict[str, str]], None]
) -> None:
    """Should an optimizer step once another one took its place, say so once: as a warning, and as a fact."""

    def stepped(*_: object) -> None:
        hook.remove()
        words = _TURNS.format(name=name)
        warn(f"Loss Doctor: {words}", 4)
        say({f"unwatched optimizer {name}".rstrip(): words})

    hook = optimizer.register_step_post_hook(untraced_hook(guarded.hook("optimizer", stepped)))
