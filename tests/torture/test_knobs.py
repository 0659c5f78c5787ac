"""The grosser the fault the louder: knobs of faults turned tenfold and a hundredfold, and the clinic's cases told otherwise."""

from __future__ import annotations

import pytest
from clinic.cases import CASES
from clinic.knobs import KNOBS
from clinic.turned import otherwise, quieter
from torture.conftest import Measured

QUICK = ("a-few-targets-are-wild", "last-layer-too-large", "rate-falls-with-each-batch", "rate-too-low")  # fmt: skip
"""Turned with every change; the others by `python3 tasks.py torture`."""


@pytest.mark.parametrize("name", QUICK)
def test_a_grosser_fault_is_no_quieter(name: str) -> None:
    assert quieter(name) == []


@pytest.mark.torture
def test_no_fault_is_quieter_for_being_grosser(measured: Measured) -> None:
    found = [line for name in KNOBS for line in quieter(name)]
    tried = 3 * len(KNOBS)
    measured("the grosser the fault the louder", tried=tried, held=tried - len(found))
    assert found == []


TOLD_OTHERWISE = 0.05
"""Share of the clinic's cases that larger batches or more steps may truly change: a fault that time or averaging heals, or brings."""


@pytest.mark.torture
def test_larger_batches_and_more_steps_change_no_verdict(measured: Measured) -> None:
    cases = [case for case in CASES.values() if not case.hard]
    found = [line for case in cases for line in otherwise(case)]
    tried = 2 * len(cases)
    measured(
        "four times the batch, twice the steps",
        tried=tried,
        held=tried - len(found),
        figure="\n".join(found),
    )
    assert len(found) <= TOLD_OTHERWISE * tried, found
