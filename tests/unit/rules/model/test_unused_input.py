from __future__ import annotations

import pytest

from helpers.rule_asserts import findings, the_finding
from made.healthy import healthy_run
from made.probes import probed
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import PROBE_INPUTS_UNUSED
from tb_lossdiag.rules.model.unused_input import UnusedInput
from tb_lossdiag.testing import outcome

RULE = UnusedInput()
SICK = probed({PROBE_INPUTS_UNUSED: 2.0}, words={"unused inputs": "t, labels"})


def test_names_each() -> None:
    both = findings(RULE, SICK)
    assert [finding.subject for finding in both] == ["t", "labels"]
    assert {finding.severity for finding in both} == {Severity.WARNING}
    assert "is given `t`, which" in both[0].message.en
    assert both[0].message.en.endswith("in training mode at step 128.")


def test_of_a_named_model() -> None:
    run = probed({PROBE_INPUTS_UNUSED: 1.0}, "maker", {"unused inputs maker": "label"})
    finding = the_finding(RULE, run)
    assert (finding.subject, "`label`" in finding.message.en) == ("maker/label", True)


def test_silent_where_all_matter() -> None:
    assert not findings(RULE, probed({PROBE_INPUTS_UNUSED: 0.0}))


@pytest.mark.parametrize("seed", range(2))
def test_not_evaluated_without_a_probe(seed: int) -> None:
    assert outcome(RULE, healthy_run(seed)).verdict is Verdict.NOT_EVALUATED
