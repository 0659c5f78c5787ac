from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from claims.check import untrue
from helpers.rule_asserts import findings, findings_if_any, first_evidence, the_finding
from made.changes import changed, head, with_first_call, without
from made.check_ups import check_up_records, with_tables
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict, diagnose
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import (
    CALL_INVALID,
    CALL_VALUE,
    DIVERGENCE_NEGATED,
    LOSS,
    LOSS_TERM,
    STEPS,
)
from tb_lossdiag.records import table
from tb_lossdiag.rules.loss_curve.unbounded_loss import UnboundedLoss
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = UnboundedLoss()
RUN = healthy_run(1)
SICK = with_first_call(RUN, 0.5, -3.0)


def as_call(run: Run, name: str) -> Run:
    for quantity in (CALL_VALUE, CALL_INVALID):
        run = changed(run, quantity, run[quantity].values, (name,))
    return run


def flipped(factor: float = -1.0) -> Run:
    """The trained loss is a multiple of the call."""
    run = with_first_call(RUN, 2.3, np.linspace(2.3, 9, len(RUN[CALL_VALUE])))
    values = np.zeros(len(run[LOSS]))
    values[check_up_records(len(values))] = factor * run[CALL_VALUE].values[:, 0]
    return changed(run, LOSS, values)


@pytest.mark.parametrize("name", ["cross_entropy", "binary_cross_entropy", "mse_loss 2"])
def test_fires_on_a_call_below_zero(name: str) -> None:
    finding = the_finding(RULE, as_call(with_first_call(RUN, 0.5, -3.0), name))
    assert finding.subject == name
    assert "30 of 31" in finding.message.en


def test_fires_on_the_wrong_sign() -> None:
    finding = the_finding(RULE, flipped())
    assert "opposite sign" in finding.message.en
    assert "no minus sign" in finding.advice.en
    assert not findings(RULE, flipped(0.25))


def test_a_count_loss_may_be_negative_unless_its_targets_are_invalid() -> None:
    run = as_call(with_first_call(RUN, 0.5, -3.0), "poisson_nll_loss")
    assert not findings(RULE, run)
    bad = changed(run, CALL_INVALID, np.full(len(run[CALL_INVALID]), 0.3))
    assert "counts" in the_finding(RULE, bad).advice.en


def test_clear_just_below_zero() -> None:
    assert not findings(RULE, with_first_call(RUN, 0.5, -0.9e-4))
    assert findings(RULE, with_first_call(RUN, 0.5, -1.1e-4))


@pytest.mark.parametrize("seed", range(20))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings(RULE, healthy_run(seed))


def test_clear_when_a_term_is_subtracted() -> None:
    run = flipped()
    offset = changed(run, LOSS, run[LOSS].values + np.linspace(0, 1, 200)[:, None])
    assert not findings(RULE, offset)


def test_evidence_is_where_it_is_negative() -> None:
    run = with_first_call(RUN, 0.5, -3.0)
    evidence, steps = first_evidence(RULE, run), run[CALL_VALUE].steps
    assert (evidence.first_step, evidence.last_step) == (steps[1], steps[-1])
    assert (evidence.quantity, evidence.column) == (CALL_VALUE.name, "cross_entropy")


def test_not_evaluated_without_a_known_function() -> None:
    custom = as_call(with_first_call(RUN, 0.5, -3.0), "custom")
    assert outcome(RULE, custom).verdict is Verdict.NOT_EVALUATED
    unknown = outcome(RULE, without(RUN, CALL_VALUE))
    assert unknown.verdict is Verdict.NOT_EVALUATED
    assert unknown.reason
    assert "a check-up that sees a call" in unknown.reason.en


def test_a_sequence_loss_is_never_negative() -> None:
    run = as_call(with_first_call(RUN, 0.5, -3.0), "ctc_loss")
    assert "last dimension" in the_finding(RULE, run).advice.en


THIRDS = np.linspace(0, 1, 200)


def fallen(shape: npt.ArrayLike) -> Run:
    """Nobody saw a call, and the loss of one model goes like this."""
    return without(changed(RUN, LOSS, shape), CALL_VALUE)


def test_a_loss_that_falls_ever_faster_has_no_bottom() -> None:
    run = fallen(2 - 50 * THIRDS**2)
    finding = the_finding(RULE, run)
    assert finding.severity is Severity.WARNING
    assert "no lowest value" in finding.message.en
    assert "`ce` goes from" not in the_finding(RULE, without(run, LOSS_TERM)).message.en
    assert "goes from" in finding.message.en
    assert findings(RULE, fallen(2 - 50 * THIRDS))


def test_a_loss_that_has_plunged_has_no_bottom_though_it_slows_down() -> None:
    plunge = np.where(np.arange(200) < 5, 0.0, 1 - np.exp(-20 * THIRDS))
    finding = the_finding(RULE, fallen(2 - 1e5 * plunge))
    assert finding.severity is Severity.WARNING
    assert "a logarithm of likelihoods" in finding.message.en
    assert not findings_if_any(RULE, fallen(200 - 1e5 * plunge)), "a likelihood of many numbers"
    assert not findings_if_any(RULE, fallen(1e-3 - 100 * plunge)), "it began near zero"


@pytest.mark.parametrize(
    "shape",
    [
        2 - 50 * (1 - np.exp(-5 * THIRDS)),  # a likelihood slows down
        2 - 40 * THIRDS**2,  # not far
        50 * THIRDS**2 + 2,
        2 - 50 * np.where(THIRDS < 0.5, THIRDS, 0.5) * 2,
        np.where(THIRDS > 0.9, np.nan, 2 - 50 * THIRDS**2)[:20].repeat(10),
        np.where(np.arange(200) == 50, np.inf, 2 - 50 * THIRDS**2),
    ],
)
def test_clear_where_a_loss_finds_its_bottom(shape: npt.ArrayLike) -> None:
    assert not findings_if_any(RULE, fallen(shape))


def test_clear_of_two_players_agents_and_few_records() -> None:
    run = fallen(2 - 50 * THIRDS**2)
    names = tuple(f"policy {index}" for index in range(len(run[LOSS_TERM].columns)))
    assert not findings_if_any(RULE, changed(run, LOSS_TERM, run[LOSS_TERM].values, names))
    assert not findings_if_any(RULE, head(run, 29))
    assert findings_if_any(RULE, head(run, 200))
    two = changed(run, STEPS, np.tile(run[STEPS].values, 2), ("a", "b"))
    assert not findings_if_any(RULE, two)
    assert not findings_if_any(RULE, without(run, LOSS))


def test_a_call_below_zero_says_more_than_the_curve() -> None:
    run = changed(SICK, LOSS, 2 - 50 * THIRDS**2)
    assert [each.severity for each in findings(RULE, run)] == [Severity.ERROR]


def test_what_is_said_of_the_curve_stands_in_the_records() -> None:
    run = fallen(2 - 50 * THIRDS**2)
    assert not untrue(run, diagnose(run, [RULE]))


def negated(signs: list[float], loss: npt.ArrayLike) -> Run:
    known = table(DIVERGENCE_NEGATED, RUN[CALL_VALUE].steps[: len(signs)], np.array(signs))
    return with_tables(changed(without(RUN, CALL_VALUE), LOSS, loss), [known])


def test_a_divergence_that_is_taken_off() -> None:
    finding = the_finding(RULE, negated([1.0, 1.0, 1.0], 2 - 3 * THIRDS))
    assert finding.severity is Severity.ERROR
    assert "taken off" in finding.message.en
    assert "went from 2 to" in finding.message.en
    early = the_finding(RULE, negated([1.0, 1.0], 2 - THIRDS))
    assert early.severity is Severity.WARNING
    assert "went from" not in early.message.en
    broken = the_finding(RULE, negated([1.0, 1.0], np.where(THIRDS > 0.5, np.nan, 2.0)))
    assert broken.severity is Severity.ERROR


@pytest.mark.parametrize("signs", [[1.0], [1.0, 0.0, 1.0], [0.0, 0.0]])
def test_a_divergence_that_is_added_or_seen_once(signs: list[float]) -> None:
    assert not findings_if_any(RULE, negated(signs, 2 - 3 * THIRDS))


def test_the_divergence_of_one_of_two_players() -> None:
    run = negated([1.0, 1.0], 2 - 3 * THIRDS)
    two = changed(run, STEPS, np.tile(run[STEPS].values, 2), ("a", "b"))
    assert not findings_if_any(RULE, two)
