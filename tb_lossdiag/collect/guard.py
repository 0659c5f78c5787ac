"""Keeps a failure of ours out of the user's training."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from tb_lossdiag.collect.unrest import Unrest
from tb_lossdiag.collect.unseen import looked_at, unseen
from tb_lossdiag.process.warn import warn

T = TypeVar("T")

_GROWTH = 8
"""A collector rests for 1 step after its first failure, 8 after the second, 64, 512 …"""
_LONGEST = 6
"""Failures after which the rest grows no more: by then it is a quarter of a million steps."""
_FOR_GOOD = frozenset({"ranks"})
"""Collectors that never come back: a rank that has missed its turn would make the others wait."""


@dataclass
class _Trouble:
    """A collector that has failed.

    Attributes:
        failures: how often, since it was last well.
        until: the step before which it rests.
        well: the step from which on it counts as well again.
        tried: whether it has worked since.
    """

    failures: int = 0
    until: float = 0.0
    well: float = 0.0
    tried: bool = True


class Guard:
    """Runs collectors, unseen by the user's modes; one that fails rests for a while, each time longer, with one warning that names it.

    What has worked for as long as it rested is well again: its next failure is a first one, but for the warning.

    Args:
        say: takes failures as facts, {"failed <collector>": message, "resumed <collector>": when}.

    Attributes:
        unrest: failures are some, and whatever else of the writer's parts is.
        steps: so many were taken.
    """

    def __init__(self, say: Callable[[dict[str, str]], None]) -> None:
        self._say = say
        self._troubled: dict[str, _Trouble] = {}
        self._warned: set[str] = set()
        self.steps = 0
        self.unrest = Unrest()

    def __call__(self, collector: str, work: Callable[[], T]) -> T | None:
        """The result of a collector's work; None if it fails or rests."""
        with np.errstate(all="ignore"):  # infinity is data here
            return self.quick(collector, work)

    def quick(self, collector: str, work: Callable[..., T], *given: Any) -> T | None:
        """The same for work of every step, which does no sums of its own."""
        return self._unless_resting(collector, _hidden, work, *given)

    def openly(self, collector: str, work: Callable[[], T]) -> T | None:
        """The same for work that calls the user's own functions, which their modes may see."""
        with np.errstate(all="ignore"):
            return self._unless_resting(collector, work)

    def door(self, collector: str, work: Callable[..., T], *given: Any) -> T | None:
        """The result of what the training calls us for; None if it fails. It never rests: steps must be counted."""
        return self.seen(collector, _hidden, work, *given)

    def seen(self, collector: str, work: Callable[..., T], *given: Any) -> T | None:
        """The same for work that calls the user's own functions, which their modes may see."""
        try:
            return work(*given)
        except Exception as error:  # noqa: BLE001  (training must go on)
            self.caught(collector, error)
            return None

    def went(self, collector: str, work: Callable[..., object], *given: Any) -> bool:
        """Do such work; whether it went well."""
        try:
            _hidden(work, *given)
        except Exception as error:  # noqa: BLE001  (training must go on)
            self.caught(collector, error)
            return False
        return True

    def hook(
        self, collector: str, work: Callable[..., BaseException | None]
    ) -> Callable[..., None]:
        """A hook that does such work; what it returns is to be raised in the training."""

        def run(*given: Any) -> None:
            if (stop := self.seen(collector, work, *given)) is not None:
                raise stop

        return run

    @property
    def troubled(self) -> bool:
        """Whether a collector has failed and is not well yet."""
        return bool(self._troubled)

    @property
    def failures(self) -> int:
        """How many collectors have failed so far."""
        return len(self._warned)

    def step(self) -> None:
        """A step has been taken: who rests does so for one step less."""
        self.steps += 1

    def rest(self, collector: str) -> float:
        """Steps that a collector still rests, 0 for one that works."""
        trouble = self._troubled.get(collector)
        return 0.0 if trouble is None else max(trouble.until - self.steps, 0.0)

    def failed(self, collector: str, error: Exception) -> None:
        """Let a collector rest."""
        self.unrest.stir()
        trouble = self._troubled.setdefault(collector, _Trouble())
        if self.steps < trouble.until:  # a door, which does not rest: all is said
            return
        rest = float(_GROWTH ** min(trouble.failures, _LONGEST))
        trouble.failures += 1
        trouble.until = float("inf") if collector in _FOR_GOOD else self.steps + rest
        trouble.well, trouble.tried = trouble.until + rest, False
        message = _words(error)
        if collector not in self._warned:
            self._warned.add(collector)
            warn(
                f"Loss Doctor: the {collector} collector failed and is off for a while: {message}",
                3,
            )
        self._say({f"failed {collector}": message})

    def _unless_resting(self, collector: str, work: Callable[..., T], *given: Any) -> T | None:
        try:
            if self._troubled and self._rests(collector):
                return None
            return work(*given)
        except Exception as error:  # noqa: BLE001  (training must go on)
            self.caught(collector, error)
            return None

    def caught(self, collector: str, error: Exception) -> None:
        """Take an error of a collector that had no guard around it."""
        with contextlib.suppress(Exception):  # there is nothing left to tell it to
            self.failed(collector, error)

    def _rests(self, collector: str) -> bool:
        trouble = self._troubled.get(collector)
        if trouble is None:
            return False
        if self.steps < trouble.until:
            return True
        if self.steps >= trouble.well:
            del self._troubled[collector]
        if not trouble.tried:
            trouble.tried = True
            self._say({f"resumed {collector}": f"after {trouble.failures} failures"})
        return False


def _hidden(work: Callable[..., T], *given: Any) -> T:
    if not looked_at():
        return work(*given)
    with unseen():
        return work(*given)


def _words(error: Exception) -> str:
    with contextlib.suppress(Exception):  # its own words may fail
        return f"{type(error).__name__}: {error}"[:500]
    return type(error).__name__
