from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from helpers.rule_asserts import findings, findings_if_any, first_evidence, the_finding
from made.changes import changed, head, without
from made.check_ups import with_check_up
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import (
    BACKWARD_NORM,
    CLIP_GLOBAL_NORM,
    CLIP_MAX_NORM,
    CLIPS_SEEN,
    EMPTY_CLIPS,
    GRADIENT_NORM,
)
from tb_lossdiag.rules.clipping.empty_clip import EmptyClip
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = EmptyClip()
RUN = healthy_run(1, layers=2)
ROWS = np.arange(200)


def empty(clip: npt.ArrayLike = 0.0, gradient: npt.ArrayLike = 1.0, bound: float = 1.0) -> Run:
    """Each of four parameters has this gradient norm; the clip finds this norm."""
    every = np.broadcast_to(np.asarray(gradient, float), 200)[:, None]
    run = changed(RUN, GRADIENT_NORM, np.repeat(every, 4, axis=1))
    run = changed(run, CLIP_MAX_NORM, bound)
    return changed(run, CLIP_GLOBAL_NORM, np.broadcast_to(np.asarray(clip, float), 200))


SICK = empty()


def test_says_what_the_norm_is_and_that_nothing_bounds_it() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.severity is Severity.WARNING
    assert "All 200 clips" in finding.message.en
    assert "own norm was 2 " in finding.message.en
    assert first_evidence(RULE, SICK).quantity == CLIP_GLOBAL_NORM.name


def test_below_the_bound_it_is_worth_knowing() -> None:
    often, seldom = (np.where(ROWS % every == 0, 1.0, 0.1) for every in (15, 25))
    assert the_finding(RULE, empty(gradient=often)).severity is Severity.WARNING
    assert the_finding(RULE, empty(gradient=seldom)).severity is Severity.INFO


def test_clear_where_one_clip_holds_a_gradient() -> None:
    assert not findings(RULE, empty(np.where(ROWS == 150, 1e-8, 0.0)))


def test_the_first_clip_may_have_used_up_what_the_others_are_given() -> None:
    """`filter(…)`, kept in a variable and handed to each clip."""
    finding = the_finding(RULE, empty(np.where(ROWS == 0, 1.0, 0.0)))
    assert "The first clip had gradients; all 199 after it found" in finding.message.en
    assert finding.evidence[0].first_step == RUN[CLIP_GLOBAL_NORM].steps[1]
    assert not findings(RULE, empty(np.where(ROWS == 1, 1.0, 0.0)))


def test_clear_where_there_is_no_gradient_to_clip() -> None:
    assert not findings(RULE, empty(gradient=0.0))
    assert not findings(RULE, empty(gradient=np.where(ROWS % 5 == 0, 0.0, 1.0)))
    assert findings(RULE, empty(gradient=np.where(ROWS % 20 == 0, 0.0, 1.0)))


@pytest.mark.parametrize("seed", range(6))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings_if_any(RULE, healthy_run(seed))


def test_not_evaluated_on_few_or_no_clips() -> None:
    assert outcome(RULE, head(SICK, 9)).verdict is Verdict.NOT_EVALUATED
    assert findings(RULE, head(SICK, 10))
    used_up = empty(np.where(ROWS == 0, 1.0, 0.0))
    assert not findings(RULE, head(used_up, 10))
    assert findings(RULE, head(used_up, 11))
    unknown = outcome(RULE, without(SICK, CLIP_GLOBAL_NORM))
    assert unknown.verdict is Verdict.NOT_EVALUATED
    assert unknown.reason is not None
    assert "norm before clipping" in unknown.reason.en


def seen(empty: npt.ArrayLike, clips: npt.ArrayLike = 0.0, norms: npt.ArrayLike = 2.0) -> Run:
    """Nobody recorded a clip; check-ups saw so many empty ones, and so many of these gradients."""
    run = without(RUN, CLIP_GLOBAL_NORM, CLIP_MAX_NORM)
    for quantity, values in ((EMPTY_CLIPS, empty), (CLIPS_SEEN, clips), (BACKWARD_NORM, norms)):
        run = with_check_up(run, quantity, values)
    return run


CHECKS = np.arange(len(RUN[BACKWARD_NORM]))


def test_an_unrecorded_clip_that_gets_nothing_in_any_check_up() -> None:
    finding = the_finding(RULE, seen(1.0))
    assert finding.severity is Severity.WARNING
    assert f"In {len(CHECKS) - 1} check-ups" in finding.message.en
    assert "own norm was 2 " in finding.message.en
    assert findings(RULE, seen(np.where(CHECKS, 1.0, np.nan), clips=np.where(CHECKS, 0.0, 1.0)))


@pytest.mark.parametrize(
    "run",
    [
        seen(np.where(CHECKS == 3, np.nan, 1.0)),  # now and then nothing is to be clipped
        seen(1.0, clips=np.where(CHECKS == 3, 1.0, 0.0)),  # another clip holds the gradients
        seen(1.0, norms=np.where(CHECKS == 3, 0.0, 2.0)),
        with_check_up(RUN, EMPTY_CLIPS, 1.0),  # a recorded one is judged by its records
    ],
)
def test_clear_where_another_clip_acts_or_some_are_not_empty(run: Run) -> None:
    assert not findings(RULE, run)


def test_of_few_check_ups_nothing_is_said() -> None:
    cut = [head(seen(1.0), records) for records in range(1, 200)]
    counts = {len(run[BACKWARD_NORM]): bool(findings(RULE, run)) for run in cut}
    assert counts[4]
    assert not counts[3]
