"""Whether a checkpoint was loaded between two steps, as far as optimizer and weights show it."""

from __future__ import annotations

import weakref
from typing import Any

from torch import Tensor


class Reloads:
    """Looks at an optimizer's loads, by its public hook, and at one weight's count of changes.

    Args:
        optimizer: a `torch.optim.Optimizer`.

    Attributes:
        weight: the one that is looked at, None without parameters.
        version: its count of changes after the newest step.
        touched: whether it was found changed by something else since that was last asked.
        touches: how often it was.
    """

    def __init__(self, optimizer: Any) -> None:
        self._loaded = self.touched = False
        self.touches = 0
        self.weight: Tensor | None = next(
            (weight for group in optimizer.param_groups for weight in group["params"]), None
        )
        self.version = -1 if self.weight is None else self.weight._version  # noqa: SLF001
        me = weakref.ref(self)

        def loaded(_: Any) -> None:
            if (reloads := me()) is not None:
                reloads._loaded = True  # noqa: SLF001

        if (register := getattr(optimizer, "register_load_state_dict_post_hook", None)) is not None:
            register(loaded)

    def before_step(self) -> None:
        """A step begins."""
        if self.weight is not None and self.weight._version != self.version:  # noqa: SLF001
            self.touched = True

    def after_step(self) -> None:
        """It has ended."""
        if self.weight is not None:
            self.version = self.weight._version  # noqa: SLF001

    def take(self) -> bool | None:
        """Whether the optimizer was loaded since this was last asked; None if something else has changed the weights."""
        self.before_step()
        loaded, touched = self._loaded, self.touched
        self._loaded = self.touched = False
        if touched:
            self.touches += 1
            self.after_step()
        return True if loaded else None if touched else False
