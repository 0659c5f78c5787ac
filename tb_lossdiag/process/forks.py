"""Which side of a fork this is: a child has copies of everything that its parent had, but none of its threads."""

from __future__ import annotations

import os
from typing import ClassVar


class Origin:
    """Remembers in which process it was made."""

    _crossed: ClassVar[int] = 0

    def __init__(self) -> None:
        """Made here."""
        self._made = Origin._crossed

    def left(self) -> bool:
        """Whether this process was forked since: what was made before belongs to the parent."""
        return self._made != Origin._crossed

    @staticmethod
    def cross() -> None:
        """This is the child of a fork."""
        Origin._crossed += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=Origin.cross)
