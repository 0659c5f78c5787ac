"""One tag as it stands in event files: steps and wall times in the order in which they were written."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Any


class Written:
    """What a tag said when; what it said is its kind's own.

    Attributes:
        steps: of its values.
        walltimes: of its values.
    """

    def __init__(self) -> None:
        self.steps = array("q")
        self.walltimes = array("d")

    def add(self, step: int, walltime: float, value: Any) -> bool:
        """Take a value of an event; False for one that is damaged, and left out."""
        raise NotImplementedError

    def undo(self, step: int) -> None:
        """Drop what was written at or after a step."""
        kept = [index for index, at in enumerate(self.steps) if at < step]
        self.steps = array("q", (self.steps[index] for index in kept))
        self.walltimes = array("d", (self.walltimes[index] for index in kept))
        self.keep(kept)

    def keep(self, places: Sequence[int]) -> None:
        """Keep the values of these places only."""
        raise NotImplementedError

    def data(self) -> list[Any]:
        """As a data provider gives them."""
        raise NotImplementedError

    def listed(self) -> Any:
        """As a data provider lists it."""
        raise NotImplementedError
