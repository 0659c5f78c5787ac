from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from helpers.rule_asserts import findings, findings_if_any, first_evidence, the_finding
from made.changes import falling, head, with_loss
from made.check_ups import with_tables
from made.healthy import healthy_run
from made.logs import log, noisy
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import EXTRA, GLOBAL_NORM, INPUT_STD, LOSS
from tb_lossdiag.records import table
from tb_lossdiag.rules.loss_curve.loss_divergence import LossDivergence
from tb_lossdiag.rules.loss_curve.settled_above_start import SettledAboveStart
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = SettledAboveStart()


def broken(
    end: float = 7.5, peak: float = 30.0, *, sudden: bool = True, records: int = 60
) -> npt.NDArray[np.float64]:
    """As a fine-tuning with a rate a hundred times too high: 1.4, a leap, and a slow fall from there."""
    rise = [1.4, 1.3, peak] if sudden else list(np.geomspace(1.4, peak, 12))
    rest = end + (peak - end) * np.exp(-np.arange(records - len(rise)) / 3)
    return noisy([*rise, *rest], 0.02)


SICK = log(broken(), every=5, rate=np.full(60, 0.014))


def test_names_the_break_and_the_rate() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.severity is Severity.ERROR
    assert "began at 1.4" in finding.message.en
    assert "was 0.014 at step 10" in finding.advice.en
    evidence = first_evidence(RULE, SICK)
    assert (evidence.quantity, evidence.first_step) == (LOSS.name, 10)
    assert not findings_if_any(LossDivergence(), SICK)


@pytest.mark.parametrize(("end", "expected"), [(2.2, 1), (1.9, 0)])
def test_both_sides_of_the_ratio(end: float, expected: int) -> None:
    assert len(findings(RULE, log(broken(end), every=10))) == expected


@pytest.mark.parametrize(("peak", "expected"), [(4.6, 1), (3.7, 0)])
def test_both_sides_of_the_peak(peak: float, expected: int) -> None:
    assert len(findings(RULE, log(broken(2.5, peak), every=10))) == expected


def test_a_loss_that_rises_step_by_step_needs_gradients_that_broke() -> None:
    """A queue that fills makes the task harder with each batch."""
    slow = log(broken(6.0, 9.0, sudden=False), every=10)
    assert not findings(RULE, slow)
    for spike, expected in ((11.0, 1), (8.0, 0)):
        norms = np.where(np.arange(60) == 8, spike, 1.0)
        run = with_tables(slow, [table(GLOBAL_NORM, slow[LOSS].steps, norms)])
        assert len(findings(RULE, run)) == expected


def test_ripples_that_come_back_are_none() -> None:
    assert not findings(RULE, log(broken(1.2), every=10))


def test_a_first_record_alone_is_no_level() -> None:
    """Measured: the first batch against an empty queue costs 1.32, the next 4.14, all others 5 to 6."""
    assert not findings(RULE, log(noisy([1.32, 4.14, *np.linspace(5, 6, 58)], 0.02), every=10))


def test_other_data_excuse_it() -> None:
    run = with_tables(SICK, [table(INPUT_STD, [0, 100, 200], [1.0, 1.0, 2.0])])
    assert not findings(RULE, run)
    assert findings(RULE, with_tables(SICK, [table(INPUT_STD, [0, 100, 200], [1.0, 1.1, 1.1])]))


def test_what_still_diverges_is_another_rules_matter() -> None:
    values = noisy([*falling(30), *np.geomspace(0.5, 20, 30)], 0.02)
    assert findings(LossDivergence(), log(values, every=10))
    assert not findings(RULE, log(values, every=10))


def test_agents_and_negative_losses_are_not_evaluated() -> None:
    agent = with_tables(SICK, [table(EXTRA, [0], [[1.0]], ("episode reward",))])
    assert outcome(RULE, agent).verdict is Verdict.NOT_EVALUATED
    below = log(broken() - 3, every=5)
    assert outcome(RULE, below).verdict is Verdict.NOT_EVALUATED


def test_not_evaluated_on_few_records() -> None:
    assert outcome(RULE, head(SICK, 29)).verdict is Verdict.NOT_EVALUATED
    sparse = replace(log(broken(records=12), every=100))
    assert findings(RULE, sparse)
    assert outcome(RULE, head(sparse, 11)).verdict is Verdict.NOT_EVALUATED


@pytest.mark.parametrize("seed", range(10))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings_if_any(RULE, healthy_run(seed))
    assert not findings_if_any(RULE, with_loss(healthy_run(seed), falling(200, noise=0.3)))


def test_a_run_of_one_level_is_clear() -> None:
    assert not findings(RULE, _flat())


def _flat() -> Run:
    return log(noisy(np.full(60, 2.0), 0.2), every=10)
