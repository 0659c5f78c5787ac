from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, findings_if_any, first_evidence, the_finding
from made.changes import falling, stuck, with_loss, without
from made.check_ups import check_steps
from made.healthy import healthy_run
from made.loss_calls import with_call
from made.modules import with_modules
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import LOSS, MODULE_FED_BY, ZERO_SHARE, Kind
from tb_lossdiag.rules.model.extreme_dropout import ExtremeDropout
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = ExtremeDropout()
STUCK = with_call(stuck(healthy_run(1)), "cross_entropy", value=2.0, baseline=2.3)
KINDS = {"0": Kind.LINEAR, "1": Kind.RELU, "2": Kind.DROPOUT, "3": Kind.LINEAR}


def dropped(share: float, run: Run = STUCK, zeros: float = 0.5, kind: Kind = Kind.DROPOUT) -> Run:
    """A dropout of this share after an activation with so many zeros."""
    after = zeros + (1 - zeros) * share
    return with_modules(run, {**KINDS, "2": kind}, zero_share=[0.0, zeros, after, 0.0])


SICK = dropped(0.9)


def test_names_the_layer_and_its_share() -> None:
    finding = the_finding(RULE, SICK)
    assert (finding.severity, finding.subject) == (Severity.WARNING, "2")
    assert "`2` leave out 90%" in finding.message.en
    assert first_evidence(RULE, SICK).quantity == ZERO_SHARE.name


@pytest.mark.parametrize(("share", "expected"), [(0.8, 1), (0.75, 0)])
@pytest.mark.parametrize("zeros", [0.0, 0.5, 0.9])
def test_zeros_that_were_there_before_do_not_count(
    share: float, zeros: float, expected: int
) -> None:
    assert len(findings(RULE, dropped(share, zeros=zeros))) == expected


def test_without_a_feeder_half_is_taken_for_zeros() -> None:
    unfed = without(dropped(0.78, zeros=0.0), MODULE_FED_BY)
    assert not findings(RULE, unfed)
    assert findings(RULE, without(dropped(0.9, zeros=0.0), MODULE_FED_BY))


def test_worth_knowing_where_the_run_learns() -> None:
    learned = with_call(
        with_loss(healthy_run(1), falling(200)), "cross_entropy", value=0.1, baseline=2.3
    )
    assert the_finding(RULE, dropped(0.9, learned)).severity is Severity.INFO
    constant = with_call(learned, "cross_entropy", value=2.4, baseline=2.3)
    assert the_finding(RULE, dropped(0.9, constant)).severity is Severity.WARNING


def twice(share: float, end: float, layers: int = 2) -> Run:
    """So many dropouts of this share, in a run whose loss ends there, from 1."""
    curve = np.concatenate([np.geomspace(1, end, 150), np.full(50, end)])
    run = with_call(with_loss(healthy_run(1), curve), "cross_entropy", value=1.0, baseline=2.3)
    kinds = {f"{n}": Kind.DROPOUT if n % 2 else Kind.LINEAR for n in range(2 * layers + 1)}
    zeros = [share if kind is Kind.DROPOUT else 0.0 for kind in kinds.values()]
    return with_modules(run, kinds, zero_share=zeros)


@pytest.mark.parametrize(
    ("run", "severity"),
    [
        (twice(0.9, 0.5), Severity.WARNING),
        (twice(0.9, 0.21), Severity.WARNING),
        (twice(0.9, 0.19), Severity.INFO),
        (twice(0.86, 0.5), Severity.WARNING),
        (twice(0.84, 0.5), Severity.INFO),
        (twice(0.9, 0.5, layers=1), Severity.INFO),
        (without(twice(0.9, 0.5), LOSS), Severity.INFO),
    ],
)
def test_several_such_layers_are_hardly_meant(run: Run, severity: Severity) -> None:
    """One may be: a wide input that is thinned."""
    assert the_finding(RULE, run).severity is severity


def test_other_modules_may_be_sparse() -> None:
    assert not findings(RULE, dropped(0.95, kind=Kind.RELU))


@pytest.mark.parametrize("seed", range(6))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings_if_any(RULE, healthy_run(seed))


def test_not_evaluated_on_few_check_ups() -> None:
    zeros = np.full((len(check_steps(STUCK[LOSS].steps)), 4), np.nan)
    zeros[:2] = 0.95
    few = with_modules(STUCK, KINDS, zero_share=zeros)
    assert outcome(RULE, few).verdict is Verdict.NOT_EVALUATED
