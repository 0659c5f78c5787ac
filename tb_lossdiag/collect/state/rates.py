"""Learning rate and kin of an optimizer's parameter groups, at a moment or step by step."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

from tb_lossdiag.quantities import BETA2, LEARNING_RATE, MOMENTUM, WEIGHT_DECAY, Quantity
from tb_lossdiag.records import Floats, Record

RATES: tuple[Quantity, ...] = (LEARNING_RATE, MOMENTUM, WEIGHT_DECAY, BETA2)

GroupRates = tuple[float, float, float, float]
"""`RATES` of a group; NaN for what it has not."""
_NAMES = ("lr", "momentum", "betas", "weight_decay")
"""Of what a group has of them."""
_FIXED = frozenset({float, int, type(None)})
"""Types of what stays what it is as long as it is the same object."""


def rates(optimizer: Any, name: str) -> dict[str, GroupRates]:
    """`RATES` of an optimizer's groups by column."""
    found = [_cooked(*_raw(group)) for group in optimizer.param_groups]
    return dict(zip(columns(name, len(found)), found, strict=True))


def columns(name: str, count: int) -> tuple[str, ...]:
    """Names of an optimizer's groups.

    >>> columns("", 2)
    ('group 0', 'group 1')
    """
    return tuple(f"{name} group {index}".strip() for index in range(count))


def rate_records(found: Mapping[str, GroupRates]) -> list[Record]:
    """Such rates as records."""
    values: Floats = np.array(list(found.values()), np.float32).reshape(-1, len(RATES))
    names = tuple(found)
    return [Record(quantity, names, values[:, i]) for i, quantity in enumerate(RATES)]


class StepRates:
    """`RATES` of one optimizer at each of its steps: what is the same object as before is not worked out again."""

    def __init__(self, optimizer: Any) -> None:
        self._optimizer = optimizer
        self._known: list[tuple[Any, Any, Any, tuple[float, float, float]]] = []
        self._raw: Sequence[Any] = ()
        self._last: list[GroupRates] = []
        self._get: Callable[[Mapping[str, Any]], tuple[Any, ...]] = _values

    def now(self) -> list[GroupRates]:
        """Of each group. The same list as before where all of it is what it was: it must not be changed."""
        groups = self._optimizer.param_groups
        raw: Sequence[Any]
        try:
            if len(groups) == 1:
                raw = self._get(groups[0])
            else:
                raw = list(chain.from_iterable(map(self._get, groups)))
        except KeyError:
            raw = ()
        if not raw or len(raw) != len(self._raw) or not all(map(operator.is_, raw, self._raw)):
            self._last = self._worked_out()
            self._get = _getter(groups)
            raw = list(chain.from_iterable(map(self._get, groups)))
            self._raw = raw if all(map(_stays, raw)) else ()
        return self._last

    def forget(self) -> None:
        """What they are is worked out again at the next step: groups may have got a rate that none had."""
        self._raw = ()

    def _worked_out(self) -> list[GroupRates]:
        groups, known = self._optimizer.param_groups, self._known
        if len(known) != len(groups):
            known = self._known = [(self, self, self, (0.0, 0.0, 0.0))] * len(groups)
        return [self._of(index, *_raw(group)) for index, group in enumerate(groups)]

    def _of(self, index: int, rate: Any, momentum: Any, betas: Any, decay: Any) -> GroupRates:
        known = self._known[index]
        if known[0] is momentum and known[1] is betas and known[2] is decay:
            return (rate if type(rate) is float else hyperparameter(rate), *known[3])
        first, *rest = _cooked(rate, momentum, betas, decay)
        each = (momentum, decay, *betas) if type(betas) is tuple else (momentum, decay, betas)
        if all(type(one) in _FIXED for one in each):
            self._known[index] = momentum, betas, decay, (rest[0], rest[1], rest[2])
        return first, rest[0], rest[1], rest[2]


def _values(group: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(map(group.get, _NAMES))


def _getter(groups: Sequence[Mapping[str, Any]]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    """What gives the values that groups have, in one call of C where all have the same."""
    names = [name for name in _NAMES if name in groups[0]] if groups else []
    alike = all((name in group) == (name in names) for group in groups for name in _NAMES)
    return operator.itemgetter(*names, *names[:1]) if names and alike else _values


def _stays(value: Any) -> bool:
    """Whether it is what it is as long as it is the same object."""
    kind = type(value)
    return kind in _FIXED or (kind is tuple and all(type(one) in _FIXED for one in value))


def _raw(group: dict[str, Any]) -> tuple[Any, Any, Any, Any]:
    get = group.get
    return get("lr"), get("momentum"), get("betas"), get("weight_decay")


def _cooked(rate: Any, momentum: Any, betas: Any, decay: Any) -> GroupRates:
    pair = betas or (None, None)
    first = momentum if pair[0] is None else pair[0]
    return tuple(map(hyperparameter, (rate, first, decay, pair[1])))  # type: ignore[return-value]


def hyperparameter(value: Any) -> float:
    """A hyper-parameter, which may be a tensor; NaN if it is none."""
    if type(value) is float:
        return value
    try:
        return math.nan if value is None else float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan
