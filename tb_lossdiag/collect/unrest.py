"""What disturbs the calm of a training: who relies on nothing having happened looks at one number."""

from __future__ import annotations

import os
import weakref


class Unrest:
    """Counts whatever happens that the short ways of steps and losses do not expect.

    Whoever has found everything as those ways need it notes the count; as long as that is the same, nothing has to be asked again.

    Attributes:
        count: so often something has happened.
    """

    def __init__(self) -> None:
        """All is calm."""
        self.count = 0
        _everywhere.add(self)

    def stir(self) -> None:
        """Something has happened."""
        self.count += 1


def _forked() -> None:
    """In a child nothing is as it was."""
    for unrest in list(_everywhere):
        unrest.stir()


_everywhere: weakref.WeakSet[Unrest] = weakref.WeakSet()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
