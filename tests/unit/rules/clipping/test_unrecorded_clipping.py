from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, first_evidence, the_finding
from made.changes import changed, head, without
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import (
    BACKWARD_NORM,
    CLIP_GLOBAL_NORM,
    CLIPS_SEEN,
    STEP_NORM,
    STEP_RATIO_SPREAD,
    UNSCALE_FACTOR,
)
from tb_lossdiag.rules.clipping.unrecorded_clipping import UnrecordedClipping
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = UnrecordedClipping()


def clipped(bound: float = 0.5) -> Run:
    run = changed(without(healthy_run(0), CLIP_GLOBAL_NORM), UNSCALE_FACTOR, 1 / 128)
    norms = np.random.default_rng(0).lognormal(0, 0.5, len(run[BACKWARD_NORM]))
    return changed(changed(run, BACKWARD_NORM, 128 * norms), STEP_NORM, np.minimum(norms, bound))


SICK = clipped()


def test_fires_and_names_the_bound() -> None:
    finding = the_finding(RULE, clipped())
    assert finding.severity is Severity.INFO
    assert "max_norm=0.5)" in finding.advice.en


def test_clear_on_what_is_no_clip() -> None:
    run = clipped()
    assert not findings(RULE, changed(run, STEP_NORM, run[BACKWARD_NORM].values / 256))
    assert not findings(RULE, changed(run, STEP_NORM, run[BACKWARD_NORM].values / 128))
    assert not findings(RULE, changed(run, STEP_RATIO_SPREAD, 0.1))
    assert not findings(RULE, changed(run, CLIPS_SEEN, 0.0))


def test_clear_when_it_acted_only_twice() -> None:
    run = clipped()
    norms = run[BACKWARD_NORM].values[:, 0].astype(float) / 128
    third = np.sort(norms)[-3]
    assert not findings(RULE, changed(run, STEP_NORM, np.minimum(norms, 1.001 * third)))
    assert findings(RULE, changed(run, STEP_NORM, np.minimum(norms, 0.99 * third)))


@pytest.mark.parametrize("seed", range(5))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings(RULE, healthy_run(seed))


def test_evidence_is_the_norm_at_the_step() -> None:
    run = clipped()
    evidence, acted = first_evidence(RULE, run), run[STEP_NORM].values[:, 0] >= 0.499
    assert (evidence.quantity, evidence.column) == (STEP_NORM.name, "")
    steps = run[STEP_NORM].steps[acted]
    assert (evidence.first_step, evidence.last_step) == (steps[0], steps[-1])


def test_not_evaluated_on_few_or_no_check_ups() -> None:
    assert outcome(RULE, head(clipped(), 2)).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, without(clipped(), STEP_NORM)).missing == (STEP_NORM.name,)
