from __future__ import annotations

import pytest

from helpers.rule_asserts import findings, the_finding
from made.probes import probed
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import PROBE_FUTURE_CHANGE, PROBE_FUTURE_MOVED
from tb_lossdiag.rules.model.future_leak import FutureLeak
from tb_lossdiag.run import Run

RULE = FutureLeak()


def seeing(change: float, moved: float = 1.0) -> Run:
    return probed({PROBE_FUTURE_CHANGE: change, PROBE_FUTURE_MOVED: moved})


SICK = seeing(0.4)


def test_it_is_an_error() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.severity is Severity.ERROR
    assert "by 0.4 of their spread" in finding.message.en


@pytest.mark.parametrize(
    ("change", "moved", "fires"),
    [(0.0, 1.0, False), (0.0199, 1.0, False), (0.021, 1.0, True), (0.5, 0.0199, False)],
)
def test_the_bounds(change: float, moved: float, fires: bool) -> None:
    assert bool(findings(RULE, seeing(change, moved))) is fires
