from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, first_evidence, the_finding
from made.changes import changed, each_step, head, without
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import AMP_SCALE, AMP_SKIPPED
from tb_lossdiag.rules.machine.amp_step_skips import AmpStepSkips
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = AmpStepSkips()
RUN = each_step(healthy_run(1))
ROWS = np.arange(200)


def skipping(every: int, first: int = 30) -> Run:
    """From step `first` on, one step in `every` is skipped; before, all are."""
    return changed(RUN, AMP_SKIPPED, np.where(first > ROWS, 1, (ROWS - first) % every == 0))


SICK = skipping(1)


def test_fires_and_gives_the_scale() -> None:
    finding = the_finding(RULE, skipping(4))
    assert "43 of 170" in finding.message.en
    assert "65536 now" in finding.message.en
    assert "now" not in the_finding(RULE, without(skipping(4), AMP_SCALE)).message.en


def test_clear_just_below_the_share_and_during_the_search() -> None:
    assert findings(RULE, skipping(19))
    assert not findings(RULE, skipping(22))
    assert not findings(RULE, skipping(1000))


def test_windows_count_all_their_skips() -> None:
    assert findings(RULE, changed(RUN, AMP_SKIPPED, np.where(ROWS % 50 == 49, 5, 0)))
    assert not findings(RULE, changed(RUN, AMP_SKIPPED, np.where(ROWS % 50 == 49, 2, 0)))


@pytest.mark.parametrize("seed", range(10))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings(RULE, healthy_run(seed))


def test_evidence_is_where_steps_were_skipped() -> None:
    evidence = first_evidence(RULE, skipping(4))
    assert (evidence.quantity, evidence.column) == (AMP_SKIPPED.name, "")
    assert (evidence.first_step, evidence.last_step) == (30, 198)


def test_not_evaluated_on_few_or_no_steps() -> None:
    assert outcome(RULE, head(RUN, 129)).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, head(RUN, 130)).verdict is Verdict.CLEAR
    assert outcome(RULE, without(RUN, AMP_SKIPPED)).missing == (AMP_SKIPPED.name,)


def test_a_run_without_a_single_step_is_an_error_after_forty() -> None:
    run = skipping(1)
    assert the_finding(RULE, run).severity is Severity.ERROR
    assert "nothing is trained" in the_finding(RULE, run).message.en
    assert findings(RULE, head(run, 40))
    assert outcome(RULE, head(run, 39)).verdict is Verdict.NOT_EVALUATED
    later = changed(RUN, AMP_SKIPPED, ROWS >= 30)
    assert the_finding(RULE, later).severity is Severity.WARNING
    assert "nothing is trained" not in the_finding(RULE, later).message.en
