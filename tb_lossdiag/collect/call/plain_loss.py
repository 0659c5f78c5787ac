"""The call that most trainings make at every step: a loss, perhaps its terms, and nothing else."""

from __future__ import annotations

import math
import time
from typing import Any

from torch import Tensor

from tb_lossdiag.collect.call.call_steps import CallSteps
from tb_lossdiag.collect.call.manual import Manual
from tb_lossdiag.collect.unseen import looked_at
from tb_lossdiag.collect.watch.host import Host
from tb_lossdiag.collect.watch.watch import Watch
from tb_lossdiag.collect.watch.watches import Watches

_MOST = 2**63

Terms = dict[str, tuple[float, float, float]]
"""Value, weight and whether it is attached, by name; as `arguments.check_terms` gives them."""


class PlainLoss:
    """Takes such calls in as few operations as can be, where one model is watched; all others are left to the whole way.

    Args:
        host: what watches share.
        watches: those of the writer.
        steps: finds the step of a call.
        by_hand: what users do by hand.
    """

    def __init__(self, host: Host, watches: Watches, steps: CallSteps, by_hand: Manual) -> None:
        self._host, self._watches, self._steps = host, watches, steps
        self._by_hand = by_hand

    def take(self, loss: object, terms: object, step: object) -> bool:
        """Take a call of the training that gives nothing else; False if it is not that simple, and nothing is done."""
        start = time.perf_counter()
        watch, host = self._watches.only(), self._host
        if watch is None or not watch.plain or looked_at() or self._by_hand.waits:
            return False
        if host.guarded.troubled or not host.clips.empty or host.silent:
            return False
        number = _number(loss)
        given = None if terms is None else _terms(terms)
        if number is None or (terms is not None and given is None):
            return False
        if step is not None and not (type(step) is int and 0 <= step < _MOST):
            return False
        host.guarded.seen("loss", self._put, watch, number, given, step)
        watch.spent(start)
        return True

    def _put(self, watch: Watch, number: float, terms: Terms | None, step: int | None) -> None:
        outlet = self._host.outlet
        at = self._steps.of_training([watch], step)
        if self._steps.went_back(at):
            self._host.guarded.door("writing", outlet.flush)
        now = time.time()
        outlet.waiting.put_loss("train", at, now, number)
        if terms is not None:
            outlet.waiting.put_terms("train", at, now, terms)
        if watch.rows.full or outlet.waiting.urgent or outlet.late(time.perf_counter()):
            outlet.if_due(now=watch.rows.full)


def _number(value: object) -> float | None:
    """A number of the host, None for anything else."""
    if type(value) is float:
        return value
    if type(value) is not Tensor or not value.is_cpu:
        return None
    try:
        number = value.item()
    except (RuntimeError, ValueError):  # several elements, or none
        return None
    return number if type(number) is float else None


def _terms(given: object) -> Terms | None:
    """Loss terms, None if they are no plain numbers of the host."""
    if type(given) is not dict or not given:
        return None
    found: Terms = {}
    for name, value in given.items():
        term = _term(value)
        if type(name) is not str or term is None:
            return None
        found[name] = term
    return found


def _term(value: Any) -> tuple[float, float, float] | None:
    weight = 1.0
    if type(value) is tuple:
        if len(value) != 2 or type(value[1]) is not float:  # noqa: PLR2004
            return None
        value, weight = value
    number = _number(value)
    if number is None:
        return None
    return number, weight, float(value.requires_grad) if type(value) is Tensor else math.nan
