"""Keeps a failure of ours out of the user's training."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TypeVar

import numpy as np

T = TypeVar("T")


class Guard:
    """Runs collectors; one that fails is switched off with one warning that names it.

    Args:
        say: takes the failure as a fact, {"failed <collector>": message}.
    """

    def __init__(self, say: Callable[[dict[str, str]], None]) -> None:
        self._say = say
        self._failed: set[str] = set()

    def __call__(self, collector: str, work: Callable[[], T]) -> T | None:
        """The result of a collector's work; None once it has failed."""
        with np.errstate(all="ignore"):  # infinity is data here
            return self.quick(collector, work)

    def quick(self, collector: str, work: Callable[[], T]) -> T | None:
        """The same for work of every step, which does no sums of its own."""
        if collector in self._failed:
            return None
        try:
            return work()
        except Exception as error:  # noqa: BLE001  (training must go on)
            self.failed(collector, error)
            return None

    def is_off(self, collector: str) -> bool:
        """Whether a collector has failed."""
        return collector in self._failed

    def failed(self, collector: str, error: Exception) -> None:
        """Switch a collector off."""
        self._failed.add(collector)
        message = f"{type(error).__name__}: {error}"
        self._say({f"failed {collector}": message[:500]})
        warnings.warn(
            f"Loss Doctor: the {collector} collector failed and is off for the rest of this run: {message}",
            RuntimeWarning,
            stacklevel=3,
        )
