"""The numbers of steps that were buffered before their own were known."""

from __future__ import annotations

from typing import NamedTuple


class Rename(NamedTuple):
    """The newest `steps` steps belong to `step` instead of the numbers they were given; `apart`: they count up to it."""

    steps: int
    step: int
    apart: bool = False

    def numbers(self) -> list[int]:
        """Those of the steps, in their order."""
        return [self.step - self.apart * back for back in reversed(range(self.steps))]
