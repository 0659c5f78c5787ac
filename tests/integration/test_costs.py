"""Recording makes no more calls than it did: `tests/benchmark/calls.py` says how they are counted, and stores what they were."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from benchmark import calls

Ratios = dict[str, dict[str, dict[str, float]]]
STORED: Ratios = json.loads(calls.PLACE.read_text("utf-8"))


@pytest.fixture(scope="module")
def counted() -> Ratios:
    """All of them, from a process that has done nothing else."""
    command = [sys.executable, calls.__file__, "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=600)
    found: Ratios = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    ("letter", "way"), [(letter, way) for letter, ways in STORED.items() for way in ways]
)
def test_a_step_makes_no_more_calls_than_it_did(letter: str, way: str, counted: Ratios) -> None:
    found, stored = counted[letter][way], STORED[letter][way]
    for kind, before in stored.items():
        most = before + abs(before - 1) * calls.TOLERANCE[kind] + 0.1
        assert found[kind] <= most, f"{kind} of {found}: python tests/benchmark/calls.py"
