from __future__ import annotations

import pytest

from helpers.rule_asserts import findings, the_finding
from made.probes import probed
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import PROBE_DOCUMENT_CHANGE, PROBE_DOCUMENT_MOVED
from tb_lossdiag.rules.model.document_leak import DocumentLeak
from tb_lossdiag.run import Run

RULE = DocumentLeak()


def seeing(change: float, moved: float = 1.0) -> Run:
    return probed({PROBE_DOCUMENT_CHANGE: change, PROBE_DOCUMENT_MOVED: moved})


SICK = seeing(0.4)


def test_it_is_a_warning() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.severity is Severity.WARNING
    assert "by 0.4 of their spread" in finding.message.en


@pytest.mark.parametrize(
    ("change", "moved", "fires"),
    [(0.0, 1.0, False), (0.0099, 1.0, False), (0.011, 1.0, True), (0.5, 0.0199, False)],
)
def test_the_bounds(change: float, moved: float, fires: bool) -> None:
    assert bool(findings(RULE, seeing(change, moved))) is fires
