"""The objects that exist, of a class."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import TypeVar

T = TypeVar("T")


def alive(kind: type[T] | tuple[type[T], ...]) -> Iterator[T]:
    """The objects of a class that exist, without asking what claims to be one."""
    for found in gc.get_objects():
        if issubclass(type(found), kind):
            yield found
