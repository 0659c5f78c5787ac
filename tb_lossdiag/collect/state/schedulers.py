"""The learning rate scheduler that moves an optimizer's rate, found where nobody named it."""

from __future__ import annotations

import gc
from typing import Any

from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from tb_lossdiag.collect.state.rates import hyperparameter


class SchedulerSearch:
    """Looks for an optimizer's scheduler once its rate shows that there is one.

    A scheduler refers to its optimizer and not the other way, so that it takes a look at all objects (some 20 ms per 100,000): at most
    twice a run, once when the optimizer's groups bear a scheduler's mark and once when a rate has changed.

    Args:
        known: whether the user named the scheduler.
    """

    def __init__(self, optimizer: Any, *, known: bool) -> None:
        """Nothing looked for yet."""
        self._over = known
        self._marked = False
        self._first = _rates(optimizer)

    def found(self, optimizer: Any) -> str:
        """The scheduler's class, once: "" before, after, and where there is none."""
        if self._over:
            return ""
        moved = _rates(optimizer) != self._first
        marked = not self._marked and any("initial_lr" in g for g in optimizer.param_groups)
        if not (moved or marked):
            return ""
        self._marked, self._over = True, moved
        name = scheduler_of(optimizer)
        self._over = self._over or bool(name)
        return name


def scheduler_of(optimizer: Any) -> str:
    """The class of a scheduler that holds this optimizer, "" without.

    >>> import torch
    >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    >>> scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 10)
    >>> scheduler_of(optimizer)
    'StepLR'
    """
    kinds = _with_subclasses(LRScheduler) | _with_subclasses(ReduceLROnPlateau)
    # By the type itself: `isinstance` would ask a proxy for its class, and so load what is behind it.
    schedulers = [one for one in gc.get_objects() if type(one) in kinds]
    own = (one for one in schedulers if getattr(one, "optimizer", None) is optimizer)
    return next((type(one).__name__ for one in own), "")


def full_rate(optimizer: Any) -> dict[str, str]:
    """The largest rate that a scheduler's factors are of, in words; nothing without a scheduler's mark.

    >>> import torch
    >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.5)
    >>> full_rate(optimizer)
    {}
    >>> scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: step / 10)
    >>> full_rate(optimizer)
    {'full rate': '0.5'}
    """
    marks = [hyperparameter(g["initial_lr"]) for g in optimizer.param_groups if "initial_lr" in g]
    return {"full rate": f"{max(marks):g}"} if marks else {}


def _with_subclasses(kind: type) -> set[type]:
    return {kind}.union(*map(_with_subclasses, kind.__subclasses__()))


def _rates(optimizer: Any) -> list[float]:
    return [hyperparameter(group.get("lr")) for group in optimizer.param_groups]
