"""Each defect of `closed.toml` is closed by tests that would fail if it came back, or left for a reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.closed import entries, not_there

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "frontend" / "tests"
CLOSED = entries(Path(__file__).parent / "closed.toml")
NUMBERS = [*(f"U{number}" for number in range(1, 53)), *(f"R{number}" for number in range(1, 7))]


def test_every_number_is_closed() -> None:
    assert list(CLOSED) == NUMBERS


@pytest.mark.parametrize("number", NUMBERS)
def test_what_closes_it_is_there(number: str) -> None:
    closed = CLOSED[number]
    assert closed["was"]
    assert closed["tests"] or closed["reason"]
    assert not not_there(closed, TESTS, PAGE)
