"""What torture tests share: a place for the figures that they measure."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Protocol

import pytest


class Measured(Protocol):
    """Notes a row of the report."""

    def __call__(self, attack: str, *, tried: int, held: int, figure: str = "") -> None:
        """Note what was attacked.

        Args:
            attack: what was done to it and what has to hold, in a few words; one row each.
            tried: how often.
            held: how often it held.
            figure: the number that counts, with its unit and what it is of, like "at most 0.4 s lost".
        """


@pytest.fixture
def measured(record_property: Callable[[str, object], None]) -> Measured:
    """Note a row of the report; call it before what may fail is asserted."""

    def note(attack: str, *, tried: int, held: int, figure: str = "") -> None:
        record_property("measured", json.dumps([attack, tried, held, figure]))

    return note
