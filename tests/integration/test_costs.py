"""Recording makes no more calls than it did: `tests/benchmark/calls.py` says how they are counted, and stores what they were."""

from __future__ import annotations

import json

import pytest
from benchmark import calls

STORED = json.loads(calls.PLACE.read_text("utf-8"))


@pytest.mark.parametrize(
    ("letter", "way"), [(letter, way) for letter, ways in STORED.items() for way in ways]
)
def test_a_step_makes_no_more_calls_than_it_did(letter: str, way: str) -> None:
    found, stored = calls.ratios(letter, way), STORED[letter][way]
    for kind, tolerance in calls.TOLERANCE.items():
        most = stored[kind] + abs(stored[kind] - 1) * tolerance + 0.1
        assert found[kind] <= most, f"{kind} of {found}: python tests/benchmark/calls.py"
