"""The learning rate scheduler that moves an optimizer's rate, found where nobody named it."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from tb_lossdiag.collect.state.rates import hyperparameter
from tb_lossdiag.collect.state.two_schedules import TwoSchedules
from tb_lossdiag.quantities import MOVES


class SchedulerSearch:
    """Looks for an optimizer's scheduler once its rate shows that there is one.

    A scheduler refers to its optimizer and not the other way, so that it takes a look at all objects (some 20 ms per 100,000): at most
    twice a run, once when the optimizer's groups bear a scheduler's mark and once when a rate has changed.

    Args:
        known: the scheduler that the user named, if any.
    """

    def __init__(self, optimizer: Any, known: Any = None) -> None:
        """Nothing looked for yet."""
        self._over = known is not None
        self._one = _reference(known)
        self._said = ""
        self._marked = False
        self._first = _rates(optimizer)
        self.two = TwoSchedules(optimizer)

    def found(self, optimizer: Any) -> str:
        """The scheduler's class, once: "" before, after, and where there is none."""
        if self._over:
            return ""
        moved = _rates(optimizer) != self._first
        marked = not self._marked and any("initial_lr" in g for g in optimizer.param_groups)
        if not (moved or marked):
            return ""
        self._marked, self._over = True, moved
        every = schedulers_of(optimizer)
        self.two.know(every)
        if not every:
            return ""
        one = every[0]
        self._over, self._one = True, _reference(one)
        return type(one).__name__

    def one(self) -> Any:
        """The scheduler, as far as it is known and lives."""
        return self._one()

    def moves(self) -> dict[str, str]:
        """Whether its `step()` has ever been called, in words, where that is known and not said yet."""
        one = self._one()
        epoch = getattr(getattr(one, "scheduler", one), "last_epoch", None)
        said = "" if not isinstance(epoch, int) else "yes" if epoch > 0 else "never"
        if said in ("", self._said):
            return {}
        self._said = said
        return {MOVES: said}


def scheduler_of(optimizer: Any) -> Any:
    """A scheduler that holds this optimizer, None without.

    >>> import torch
    >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    >>> scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 10)
    >>> scheduler_of(optimizer) is scheduler
    True
    """
    return next(iter(schedulers_of(optimizer)), None)


def schedulers_of(optimizer: Any) -> list[Any]:
    """All that hold this optimizer."""
    kinds = _with_subclasses(LRScheduler) | _with_subclasses(ReduceLROnPlateau)
    # By the type itself: `isinstance` would ask a proxy for its class, and so load what is behind it.
    schedulers = [one for one in gc.get_objects() if type(one) in kinds]
    return [one for one in schedulers if getattr(one, "optimizer", None) is optimizer]


def _reference(scheduler: Any) -> Callable[[], Any]:
    """What gives the scheduler as long as it lives; it is not kept alive."""
    try:
        return weakref.ref(scheduler)
    except TypeError:  # None, and what allows no reference
        return lambda: None


def full_rate(optimizer: Any) -> dict[str, str]:
    """The largest rate that a scheduler's factors are of, in words; nothing without a scheduler's mark.

    >>> import torch
    >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.5)
    >>> full_rate(optimizer)
    {}
    >>> scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: step / 10)
    >>> full_rate(optimizer)
    {'full rate': '0.5'}
    >>> scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=2.0, total_steps=10)
    >>> full_rate(optimizer)
    {'full rate': '2'}
    """
    groups = [group for group in optimizer.param_groups if "initial_lr" in group]
    # A cycle begins at a part of its peak, and writes that into the group.
    marks = [hyperparameter(group.get("max_lr", group["initial_lr"])) for group in groups]
    return {"full rate": f"{max(marks):g}"} if marks else {}


def _with_subclasses(kind: type) -> set[type]:
    return {kind}.union(*map(_with_subclasses, kind.__subclasses__()))


def _rates(optimizer: Any) -> list[float]:
    return [hyperparameter(group.get("lr")) for group in optimizer.param_groups]
