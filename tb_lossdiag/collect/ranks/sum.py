"""Adds numbers up over ranks behind the training's back: no rank ever waits for another."""

from __future__ import annotations

import contextlib
from collections import deque
from datetime import timedelta
from typing import Any

from torch import Tensor, distributed

from tb_lossdiag.collect.ranks.store import waited

_LONGEST = timedelta(seconds=20)
"""After so long a sum that a rank does not join fails, in the background; a process that exits waits for that."""
_abandoned: list[Any] = []


class BackgroundSum:
    """Sums over the ranks of a process group of its own, on the host, in the order they were begun."""

    def __init__(self) -> None:
        """Make the group; every rank must, at the same time."""
        self._group: Any = distributed.new_group(backend="gloo", timeout=_LONGEST)
        self._works: deque[tuple[Any, Tensor]] = deque()

    def start(self, values: Tensor) -> None:
        """Begin to add up; every rank must give as many numbers, in the same order of calls."""
        work = distributed.all_reduce(values, group=self._group, async_op=True)
        self._works.append((work, values))

    def result(self, patience: float = 0.0) -> Tensor | None:
        """The oldest sum once, when it is there; None if it does not come within so many seconds.

        Raises:
            RuntimeError: a rank is gone.
        """
        if not self._works or not waited(self._works[0][0].is_completed, patience):
            return None
        work, values = self._works.popleft()
        work.wait()
        return values

    def close(self) -> None:
        """Give the group back; sums on their way are lost."""
        if self._group is None:  # to torch, None is the default group
            return
        if self._works:  # the end of either would wait for them
            _abandoned.append((self._group, self._works))
        with contextlib.suppress(RuntimeError, ValueError, AssertionError):
            distributed.destroy_process_group(self._group)
        self._group, self._works = None, deque()
