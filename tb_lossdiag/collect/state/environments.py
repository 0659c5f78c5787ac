"""Whether a training acts in an environment; one that is left over from another training of the same process is none of its own."""

from __future__ import annotations

import sys
import weakref
from typing import Any

import numpy as np

from tb_lossdiag.collect.state.alive import alive

_KINDS = {
    "gymnasium": "Env",
    "gymnasium.vector": "VectorEnv",
    "gym": "Env",
    "gym.vector": "VectorEnv",
}
"""Classes of which all environments are; modules that nobody has imported have none."""
_PLAIN = (bool, int, float, str, np.generic)
_LARGEST = 4096
"""Numbers of an array or a row that are compared."""

_met: dict[int, weakref.ref[Any]] = {}
"""Environments that a training of this process was seen to have, by id."""


class Environments:
    """Looks for what a training acts in, at its check-ups, until it is known.

    An environment that an earlier training of this process had counts once something of it has changed since this one's first check-up.
    """

    def __init__(self) -> None:
        """Nothing was looked at yet."""
        self._waiting: list[tuple[weakref.ref[Any], dict[str, Any]]] | None = None

    def acts_in(self) -> str:
        """Which library's environment, said once; else "". The first time costs tens of milliseconds where such a library is in use."""
        if self._waiting is None:
            return self._first()
        for known, before in self._waiting:
            if (one := known()) is not None and _state(one) != before:
                self._waiting = []
                return _library(one)
        return ""

    def _first(self) -> str:
        self._waiting = []
        kinds = tuple(_kinds())
        there = list(alive(kinds)) if kinds else []
        new = [one for one in there if not _is_met(one)]
        for one in new:
            _met[id(one)] = weakref.ref(one)
        if new:
            return _library(new[0])
        self._waiting = [(_met[id(one)], _state(one)) for one in there]
        return ""


def _is_met(one: object) -> bool:
    known = _met.get(id(one))
    return known is not None and known() is one


def _kinds() -> dict[type[Any], str]:
    named = ((name, getattr(sys.modules.get(name), kind, None)) for name, kind in _KINDS.items())
    return {kind: name.partition(".")[0] for name, kind in named if isinstance(kind, type)}


def _library(one: object) -> str:
    return next(name for kind, name in _kinds().items() if isinstance(one, kind))


def _state(one: object) -> dict[str, Any]:
    """What changes where it is stepped in: numbers, small arrays, what it draws from; its attributes alone, wrappers are looked at by themselves."""
    return {name: _comparable(value) for name, value in vars(one).items()}


def _comparable(value: object) -> object:
    if isinstance(value, np.random.Generator):
        return repr(value.bit_generator.state)
    if isinstance(value, np.ndarray):
        return value.shape, value.ravel()[:_LARGEST].tobytes()
    if isinstance(value, (list, tuple)):
        return len(value), [repr(v) for v in value[:_LARGEST] if isinstance(v, _PLAIN)]
    return repr(value) if isinstance(value, _PLAIN) else type(value)
