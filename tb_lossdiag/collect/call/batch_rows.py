"""Which rows of the data the newest steps were taken with; said of those at which something broke."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from tb_lossdiag.quantities.batches import BROKEN_BATCHES, packed
from tb_lossdiag.run import LiveReport

_STEPS = 512
"""Steps whose rows are remembered; what broke is seen by then, since half as many wait for their record, at most."""
_SHOWN = 32
"""Rows of a step that are named."""
_WRITTEN = 64
"""Steps whose rows are written, at most."""
_LONGEST = 60
"""Letters of a name."""


@dataclass
class _Batch:
    """Rows of the steps after one, up to another; None: up to the one that goes on.

    Attributes:
        after: the newest step when they were given.
        given: each with the version that it had, if it has any.
        until: the newest step when the next ones were given.
    """

    after: int
    given: list[tuple[Any, int | None]]
    until: int | None = None

    def holds(self, step: int, newest: int) -> bool:
        """Whether they are of that step."""
        return self.after < step <= (newest if self.until is None else self.until)


class BatchRows:
    """Remembers them by reference, and looks at none until something breaks.

    Args:
        newest: the newest step that is known.
        say: takes facts in words.
    """

    def __init__(self, newest: Callable[[], int], say: Callable[[dict[str, str]], None]) -> None:
        self._newest, self._say = newest, say
        self._ring: deque[_Batch] = deque(maxlen=_STEPS)
        self._said: dict[int, str] = {}

    def take(self, ids: Any) -> None:
        """The step that is coming is taken with these rows, and with those that were given since the last one."""
        now = self._newest()
        given = _kept(ids)
        last = self._ring[-1] if self._ring else None
        if last is not None and now == last.after:
            last.given.append(given)
            return
        if last is not None and now < last.after:  # the training went back
            self._ring.clear()
        elif last is not None:
            last.until = now
        self._ring.append(_Batch(now, [given]))

    def reported(self, said: LiveReport) -> None:
        """Something was found while the training runs."""
        if not said.cleared and said.severity != "info":
            self.tell([said.step])

    def tell(self, steps: Iterable[int]) -> None:
        """Say the rows of these steps."""
        new = {
            step: rows for step in steps if step not in self._said and (rows := self._rows(step))
        }
        if new and len(self._said) < _WRITTEN:
            self._said |= new
            self._say({BROKEN_BATCHES: packed(self._said)})

    def _rows(self, step: int) -> str:
        now = self._newest()
        found = next((batch for batch in reversed(self._ring) if batch.holds(step, now)), None)
        if found is None:
            return ""
        names = [name for given, version in found.given for name in _names(given, version)]
        more = len(names) - _SHOWN
        return ", ".join(names[:_SHOWN]) + (f" … (+{more})" if more > 0 else "")


def _kept(ids: Any) -> tuple[Any, int | None]:
    """A reference, with what tells whether a tensor is changed later; a copy of what tells nothing."""
    if isinstance(ids, Tensor):
        return ids, None if ids.is_inference() else ids._version  # noqa: SLF001
    if isinstance(ids, np.ndarray):
        return ids.copy(), None
    alone = isinstance(ids, str) or not isinstance(ids, Iterable)
    return (ids if alone else tuple(ids)), None


def _names(given: Any, version: int | None) -> Sequence[str]:
    """What rows are called; none of a tensor that has been changed since."""
    if isinstance(given, Tensor):
        if version is not None and given._version != version:  # noqa: SLF001
            return []
        given = given.detach().cpu().numpy()
    if isinstance(given, np.ndarray):
        given = given.ravel().tolist()
    several = given if isinstance(given, tuple | list) else (given,)
    return [str(getattr(one, "item", lambda one=one: one)())[:_LONGEST] for one in several]
