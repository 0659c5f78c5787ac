from __future__ import annotations

import pytest

from helpers.rule_asserts import findings, the_finding
from made.probes import probed
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import PROBE_REACH
from tb_lossdiag.rules.model.short_reach import ShortReach

RULE = ShortReach()
SICK = probed({PROBE_REACH: 0.0})


def test_it_is_an_information() -> None:
    assert the_finding(RULE, SICK).severity is Severity.INFO


@pytest.mark.parametrize(("reach", "fires"), [(0.0, True), (1e-9, False), (0.3, False)])
def test_the_bound(reach: float, fires: bool) -> None:
    assert bool(findings(RULE, probed({PROBE_REACH: reach}))) is fires
