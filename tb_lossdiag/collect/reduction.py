"""Adds numbers up over ranks behind the training's back: no rank ever waits for another."""

from __future__ import annotations

import contextlib
from datetime import timedelta
from typing import Any

from torch import Tensor, distributed

from tb_lossdiag.collect.ranks import waited

_LONGEST = timedelta(seconds=20)
"""After so long a sum that a rank does not join fails, in the background; a process that exits waits for that."""
_abandoned: list[Any] = []


class Reduction:
    """One sum at a time over the ranks of a process group of its own, on the host."""

    def __init__(self) -> None:
        """Make the group; every rank must, at the same time."""
        self._group: Any = distributed.new_group(backend="gloo", timeout=_LONGEST)
        self._values: Tensor | None = None
        self._work: Any = None

    @property
    def busy(self) -> bool:
        """Whether a sum is on its way."""
        return self._work is not None

    def start(self, values: Tensor) -> None:
        """Begin to add up; every rank must give as many numbers, in the same order of calls."""
        self._values = values
        self._work = distributed.all_reduce(values, group=self._group, async_op=True)

    def result(self, patience: float = 0.0) -> Tensor | None:
        """The sum once, when it is there; None if it does not come within so many seconds.

        Raises:
            RuntimeError: a rank is gone.
        """
        if self._work is None or not waited(self._work.is_completed, patience):
            return None
        work, self._work = self._work, None
        work.wait()
        return self._values

    def close(self) -> None:
        """Give the group back; a sum on its way is lost."""
        if self._group is None:  # to torch, None is the default group
            return
        if self.busy:  # the end of either would wait for it
            _abandoned.append((self._group, self._work))
        with contextlib.suppress(RuntimeError, ValueError, AssertionError):
            distributed.destroy_process_group(self._group)
        self._group = self._work = None
