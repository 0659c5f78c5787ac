"""The objects that exist: of a class, and whether the training acts in an environment."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from typing import Any, TypeVar

T = TypeVar("T")

_ENVIRONMENTS = {
    "gymnasium": "Env",
    "gymnasium.vector": "VectorEnv",
    "gym": "Env",
    "gym.vector": "VectorEnv",
}
"""Classes of which all environments are; modules that nobody has imported have none."""


def alive(kind: type[T] | tuple[type[T], ...]) -> Iterator[T]:
    """The objects of a class that exist, without asking what claims to be one."""
    for found in gc.get_objects():
        if issubclass(type(found), kind):
            yield found


def environment() -> str:
    """Which library's environment there is to act in; "" without one. Costs tens of milliseconds where such a library is in use."""
    named = (
        (name, getattr(sys.modules.get(name), kind, None)) for name, kind in _ENVIRONMENTS.items()
    )
    kinds: dict[type[Any], str] = {kind: name for name, kind in named if isinstance(kind, type)}
    found = next(alive(tuple(kinds)), None) if kinds else None
    return (
        ""
        if found is None
        else next(n for kind, n in kinds.items() if isinstance(found, kind)).partition(".")[0]
    )
