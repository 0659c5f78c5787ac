"""When weights of a model were pruned during its training: with `torch.nn.utils.prune`, or as somebody else tells."""

from __future__ import annotations

import sys
import weakref
from typing import Any

from tb_lossdiag.quantities import PRUNED

_MOST = 100
"""Stretches that are told; whoever prunes at ever more looks prunes always."""


class Cuts:
    """Looks now and then whether a mask was made since the look before.

    Args:
        model: the watched model; what was pruned before is no news.
    """

    def __init__(self, model: Any) -> None:
        self._model = weakref.ref(model) if hasattr(model, "modules") else None
        self._newest, self._looked = self._newest_mask(), -1
        self._stretches: list[tuple[int, int]] = []

    def words(self, step: int) -> dict[str, str]:
        """The stretches of steps in which masks were made, if there is a new one."""
        before, self._looked = self._looked, step
        newest = self._newest_mask()
        if newest <= self._newest:
            return {}
        self._newest = newest
        return self.between(before, step)

    def between(self, before: int, step: int) -> dict[str, str]:
        """The same once it is known that weights were cut away after one step and by another."""
        if len(self._stretches) >= _MOST:
            return {}
        if self._stretches and self._stretches[-1][1] == before:
            before = self._stretches.pop()[0]
        self._stretches.append((before, step))
        return {PRUNED: " ".join(f"{first} {last}" for first, last in self._stretches)}

    def _newest_mask(self) -> int:
        """The number of the newest hook that applies a mask: each mask brings one, and numbers only grow."""
        prune = sys.modules.get("torch.nn.utils.prune")
        model = None if self._model is None else self._model()
        if prune is None or model is None:
            return -1
        return max(
            (
                number
                for module in model.modules()
                for number, hook in module._forward_pre_hooks.items()  # noqa: SLF001
                if isinstance(hook, prune.BasePruningMethod)
            ),
            default=-1,
        )
