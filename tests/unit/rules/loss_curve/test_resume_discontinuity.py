from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers.rule_asserts import findings, findings_if_any, first_evidence, the_finding
from made.changes import with_loss, without
from made.check_ups import with_tables
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import INPUT_MEAN, INPUT_STD, LEARNING_RATE, LOSS
from tb_lossdiag.records import Doubles, table
from tb_lossdiag.rules.loss_curve.resume_discontinuity import ResumeDiscontinuity
from tb_lossdiag.run import Restart, Run
from tb_lossdiag.testing import outcome

RULE = ResumeDiscontinuity()
STEPS = healthy_run(1)[LOSS].steps
ROW = 120
AT = int(STEPS[ROW])


def losses(after: float, *, before: float = 0.5, noise: float = 0.01, wave: float = 0.0) -> Doubles:
    """Falls from 2 to a level, and goes on from another one where it was resumed."""
    values = before + (2 - before) * np.exp(-np.arange(200) / 10)
    values += wave * np.sin(np.arange(200) / 6)
    values[ROW:] = after
    values += noise * np.random.default_rng(0).standard_normal(200)
    return np.abs(values)


def resumed(values: Doubles, kind: str = "resumed", at: int = AT) -> Run:
    run = without(with_loss(healthy_run(1), values), LEARNING_RATE)
    return replace(run, restarts=(Restart(at, 0.0, kind),))


def rates(run: Run, before: float, now: float, first: float) -> Run:
    values = np.repeat([first, before, now], [20, ROW - 20, 200 - ROW])
    return with_tables(run, [table(LEARNING_RATE, STEPS, values, ("group 0",))])


def inputs(run: Run, means: tuple[float, float], stds: tuple[float, float]) -> Run:
    steps = STEPS[[0, 50, 100, 130, 160]]
    tables = [
        table(quantity, steps, np.repeat(pair, [3, 2]), ("",))
        for quantity, pair in ((INPUT_MEAN, means), (INPUT_STD, stds))
    ]
    return with_tables(run, tables)


SICK = resumed(losses(0.8))


def test_says_where_and_from_what_to_what() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.severity is Severity.WARNING
    assert f"resumed at step {AT}" in finding.message.en
    assert "Neither the learning rate nor the inputs' scale" in finding.message.en
    assert first_evidence(RULE, SICK).first_step == AT


@pytest.mark.parametrize(
    ("after", "expected"), [(0.57, 0), (0.63, 1), (1.1, 1), (1.3, 0), (0.3, 0)]
)
def test_a_fifth_at_least_and_not_half_of_what_was_learned(after: float, expected: int) -> None:
    assert len(findings_if_any(RULE, resumed(losses(after)))) == expected


@pytest.mark.parametrize(("noise", "expected"), [(0.04, 1), (0.2, 0)])
def test_noise_may_be_what_it_is(noise: float, expected: int) -> None:
    assert len(findings_if_any(RULE, resumed(losses(0.7, noise=noise)))) == expected


def test_waves_that_were_there_before_excuse_it() -> None:
    assert findings(RULE, resumed(losses(0.8, wave=0.02)))
    assert not findings(RULE, resumed(losses(0.8, wave=0.2)))


def test_near_zero_a_fifth_is_nothing() -> None:
    assert not findings(RULE, resumed(losses(0.05, before=0.02, noise=0.001)))
    assert findings(RULE, resumed(losses(0.15, before=0.02, noise=0.001)))


@pytest.mark.parametrize(
    ("now", "severity"), [(1e-2, Severity.WARNING), (3e-3, Severity.INFO), (1e-3, Severity.WARNING)]
)
def test_a_rate_of_its_own_means_another_phase(now: float, severity: Severity) -> None:
    finding = the_finding(RULE, rates(SICK, before=1e-3, now=now, first=1e-2))
    assert finding.severity is severity
    assert ("rate went from 0.001 to" in finding.message.en) is (now > 1e-3)


@pytest.mark.parametrize(
    ("means", "stds", "word"),
    [
        ((0.0, 0.2), (1.0, 1.0), "their mean went from 0 to 0.2"),
        ((0.0, 0.05), (1.0, 1.2), "their standard deviation went from 1 to 1.2"),
        ((0.0, 0.05), (1.0, 1.05), ""),
    ],
)
def test_other_inputs_are_another_phase(
    means: tuple[float, float], stds: tuple[float, float], word: str
) -> None:
    finding = the_finding(RULE, inputs(SICK, means, stds))
    assert finding.severity is (Severity.INFO if word else Severity.WARNING)
    assert word in finding.message.en


def test_inputs_known_on_one_side_alone_say_nothing() -> None:
    tables = [table(INPUT_STD, STEPS[:2], [1.0, 1.0], ("",))]
    assert the_finding(RULE, with_tables(SICK, tables)).severity is Severity.WARNING


def test_only_another_process_resumes() -> None:
    assert outcome(RULE, resumed(losses(0.8), kind="went back")).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, resumed(losses(0.8), at=int(STEPS[5]))).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, resumed(losses(0.8), at=int(STEPS[195]))).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, resumed(losses(0.8) - 0.6)).verdict is Verdict.NOT_EVALUATED
