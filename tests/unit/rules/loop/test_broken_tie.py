from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from helpers.rule_asserts import findings, findings_if_any, the_finding
from made.check_ups import with_tables
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import TIE_COSINE
from tb_lossdiag.records import table
from tb_lossdiag.rules.loop.broken_tie import BrokenTie
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = BrokenTie()
AT = np.array([0, 1, 2, 4, 8, 16, 32, 64, 128])


def tied(
    cosine: npt.ArrayLike, checks: int = len(AT), said: str = "wte.weight and head.weight"
) -> Run:
    run = healthy_run(1)
    values = np.broadcast_to(np.asarray(cosine, float), len(AT))[:checks]
    run = with_tables(run, [table(TIE_COSINE, AT[:checks], values, ("wte.weight",))])
    return replace(run, facts={**run.facts, "tie": said})


SICK = tied(0.02)


def test_names_both_and_what_the_config_says() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.severity is Severity.WARNING
    assert "config ties `wte.weight` and `head.weight`" in finding.message.en
    assert "tie_weights" in finding.advice.en


def test_what_parted_later_is_told_with_its_step() -> None:
    finding = the_finding(RULE, tied([1, 1, 1, 1, 1, 0.9, 0.8, 0.7, 0.6]))
    assert finding.severity is Severity.INFO
    assert "since step 16" in finding.message.en
    assert "model.head.weight = " in finding.advice.en


@pytest.mark.parametrize(("cosine", "expected"), [(1.0, 0), (0.9991, 0), (0.998, 1)])
def test_where_the_bound_is(cosine: float, expected: int) -> None:
    assert len(findings_if_any(RULE, tied(cosine))) == expected


def test_two_check_ups_must_agree() -> None:
    assert not findings(RULE, tied([1, 1, 1, 1, 1, 1, 1, 1, 0.5]))
    assert outcome(RULE, tied(0.5, checks=1)).verdict is Verdict.NOT_EVALUATED


def test_without_the_fact_the_column_is_named() -> None:
    assert "`wte.weight` and another matrix" in the_finding(RULE, tied(0.1, said="")).message.en
