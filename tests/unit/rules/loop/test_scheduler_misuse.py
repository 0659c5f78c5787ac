from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers.rule_asserts import findings, findings_if_any, first_evidence, the_finding
from made.changes import changed, head, with_loss, without
from made.check_ups import with_tables
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import (
    AMP_SCALE,
    EXTRA,
    LEARNING_RATE,
    LOSS,
    MOVES,
    OVERWRITTEN,
    REPLACED_OPTIMIZERS,
    SCHEDULER_EARLY,
    STATE_TAKEN_UP,
    VALIDATION_ACCURACY,
    VALIDATION_LOSS,
)
from tb_lossdiag.records import table
from tb_lossdiag.rules.loop.scheduler_misuse import SchedulerMisuse
from tb_lossdiag.run import Restart, Run
from tb_lossdiag.testing import outcome

RULE = SchedulerMisuse()
PLACE = np.arange(200) / 199


def rated(rates: object, scheduler: str = "") -> Run:
    run = changed(healthy_run(1), LEARNING_RATE, np.asarray(rates, float))
    return replace(run, facts={**run.facts, **({"scheduler": scheduler} if scheduler else {})})


SICK = rated(0.1 * 0.9 ** np.arange(200))


def test_fires_when_an_exponential_meant_for_epochs_is_stepped_per_batch() -> None:
    finding = the_finding(RULE, rated(0.1 * 0.9 ** np.arange(200)))
    assert finding.severity is Severity.WARNING
    assert "gamma" in finding.advice.en
    waiting = rated(0.1 * 0.9 ** np.arange(200), "ReduceLROnPlateau")
    assert the_finding(RULE, waiting).severity is Severity.INFO


def test_fires_when_the_rate_is_zero_early() -> None:
    assert findings(RULE, rated(np.where(PLACE < 0.78, 0.1, 0.0)))
    assert not findings(RULE, rated(np.where(PLACE < 0.82, 0.1, 0.0)))
    assert not findings(RULE, rated(np.where(PLACE < 0.5, 0.1, 1.1e-5)))


@pytest.mark.parametrize(
    "shape",
    [
        (1 + np.cos(np.pi * PLACE)) / 2,
        1 - PLACE,
        (1 - PLACE) ** 2,
        np.minimum(PLACE / 0.3, (1.0001 - PLACE) / 0.7),
        np.exp(-7 * PLACE),
        10.0 ** -(PLACE // 0.3),
    ],
    ids=["cosine", "linear", "polynomial", "one-cycle", "exponential", "steps"],
)
def test_clear_on_the_usual_schedules(shape: np.ndarray[tuple[int], np.dtype[np.float64]]) -> None:
    assert not findings(RULE, rated(0.1 * shape, "CosineAnnealingLR"))


def test_a_rate_that_sinks_through_nought() -> None:
    finding = the_finding(RULE, rated(0.1 * (1 - 1.5 * PLACE)))
    assert finding.severity is Severity.WARNING
    assert "went down through 0 at step 133 and was -0.05 at its lowest" in finding.message.en
    late = 0.1 * np.concatenate([np.full(150, 1.0), np.linspace(1, -0.1, 50)])
    assert the_finding(RULE, rated(late)).first_step == 195


@pytest.mark.parametrize(
    "rates",
    [
        0.1 * (1 - 199 * PLACE / 198),
        np.where(PLACE < 0.5, 0.1, -0.1),
        np.where(np.arange(200) % 2 == 0, 0.1, -0.1),
        -0.1 * np.minimum(PLACE / 0.3, 1),
        np.where(PLACE < 0.95, 0.1 * (1 - PLACE / 0.95), -1e-9),
    ],
    ids=[
        "one call too many",
        "a sign turned on purpose",
        "up and down in turn",
        "a multiplier that climbs",
        "float noise",
    ],
)
def test_clear_where_a_rate_below_nought_is_none_of_a_plan_too_short(rates: object) -> None:
    assert not findings_if_any(RULE, rated(rates))


def warming(planned: object, full: object, rates: object = 1e-5 * (1 + np.arange(200))) -> Run:
    """A rate that rises, in a training of so many steps, by a schedule whose full rate this is."""
    run = rated(rates, "LambdaLR")
    return replace(run, facts={**run.facts, "planned steps": str(planned), "full rate": str(full)})


def test_a_warm_up_that_the_training_is_too_short_for() -> None:
    finding = the_finding(RULE, warming(200, 0.1))
    assert finding.severity is Severity.WARNING
    assert "to 0.002 at step 199" in finding.message.en
    assert "come to 2% of 0.1" in finding.message.en
    assert "total = 200" in finding.advice.en


@pytest.mark.parametrize(
    ("run", "fires"),
    [
        (warming(1000, 0.021), True),
        (warming(1000, 0.019), False),
        (warming("", 0.1), False),
        (warming("many", 0.1), False),
        (warming(200, 0), False),
        (warming(200, 0.1, np.r_[1e-5 * np.arange(1, 200), 1.9e-3]), False),
        (warming(200, 0.1, 1e-5 * (1 + np.arange(200) // 22)), True),
        (warming(200, 0.1, 1e-3), False),
        (warming(1_990, 1.0), True),  # 199 steps were recorded
        (warming(1_980, 1.0), True),
        (warming(2_000, 1.0), False),
    ],
)
def test_a_warm_up_that_comes_to_its_end(run: Run, *, fires: bool) -> None:
    assert bool(findings(RULE, run)) is fires


def leapt(
    low: float = 0.01, high: float = 0.1, at: int = 100, worse: float = 1.5, name: str = "StepLR"
) -> Run:
    """A rate that falls, and leaps up; the loss is so many times what it was."""
    rates = np.full(200, low)
    rates[:20], rates[at:] = 0.1, high
    loss = np.where(np.arange(200) < at, 1.0, worse)
    return with_loss(rated(rates, name), loss)


def test_a_schedule_that_was_made_anew() -> None:
    finding = the_finding(RULE, leapt())
    assert finding.severity is Severity.WARNING
    assert "had come down to 0.01, and at step 100 it leapt back to 0.1" in finding.message.en
    assert "the loss rose from 1 to 1.5" in finding.message.en
    assert "a `StepLR` only falls" in finding.message.en


@pytest.mark.parametrize(
    ("worse", "severity"), [(1.25, Severity.WARNING), (1.15, Severity.INFO), (-1, Severity.INFO)]
)
def test_a_leap_that_does_no_harm_is_worth_knowing(worse: float, severity: Severity) -> None:
    assert the_finding(RULE, leapt(worse=worse)).severity is severity
    assert the_finding(RULE, without(leapt(), LOSS)).severity is Severity.INFO


@pytest.mark.parametrize(
    "run",
    [
        leapt(low=0.035),
        leapt(high=0.085),
        leapt(name="CosineAnnealingWarmRestarts"),
        leapt(name="LambdaLR"),
        leapt(at=185),
        changed(leapt(), LEARNING_RATE, np.where(np.arange(200) < 100, 0.01, 0.1)),
        changed(leapt(), LEARNING_RATE, np.where(np.arange(200) % 80 < 40, 0.1, 0.01)),
        with_tables(leapt(), [table(REPLACED_OPTIMIZERS, np.array([100]), np.ones((1, 1)), ("",))]),
    ],
)
def test_clear_where_a_leap_may_be_meant(run: Run) -> None:
    assert not findings(RULE, run)


def resumed(*, state: float) -> Run:
    """A warm-up and a cosine that begin anew at the 140th of 200 records, where the run is resumed."""
    place = np.concatenate([np.arange(140), np.arange(60)])
    rates = 0.1 * np.minimum(1, (place + 1) / 20) * 0.5 * (1 + np.cos(np.pi * place / 200))
    rates[140] = rates[139]  # what the optimizer was saved with
    run = rated(rates, "LambdaLR")
    at = int(run[LEARNING_RATE].steps[140])
    run = with_tables(run, [table(STATE_TAKEN_UP, np.array([at]), np.array([[state]]), ("",))])
    return replace(run, restarts=(Restart(at, 0.0, "resumed"),))


def test_a_schedule_that_was_not_resumed() -> None:
    finding = the_finding(RULE, resumed(state=1.0))
    assert finding.severity is Severity.WARNING
    assert "resumed at step 140 with the state of its optimizer" in finding.message.en
    assert "had come down to 0.0212," in finding.message.en
    assert not findings(RULE, resumed(state=0.0))


def test_fires_on_a_cosine_that_comes_back_again_and_again() -> None:
    waves = 0.05 * (1 + np.cos(np.pi * 6 * PLACE))
    assert "3 times" in the_finding(RULE, rated(waves, "CosineAnnealingLR")).message.en
    assert not findings(RULE, rated(waves, "CosineAnnealingWarmRestarts"))
    assert not findings(RULE, rated(0.05 * (1 + np.cos(np.pi * 2 * PLACE)), "CosineAnnealingLR"))


def test_a_scheduler_that_goes_first_is_an_information() -> None:
    early = changed(without(healthy_run(1), AMP_SCALE), SCHEDULER_EARLY, 1.0)
    assert the_finding(RULE, early).severity is Severity.INFO
    assert not findings(RULE, changed(healthy_run(1), SCHEDULER_EARLY, 1.0))


@pytest.mark.parametrize("seed", range(20))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings(RULE, healthy_run(seed))


def test_evidence_is_the_group_and_its_dead_part() -> None:
    run = rated(np.where(PLACE < 0.5, 0.1, 0.0))
    evidence, steps = first_evidence(RULE, run), run[LEARNING_RATE].steps
    assert (evidence.quantity, evidence.column) == (LEARNING_RATE.name, "group 0")
    assert (evidence.first_step, evidence.last_step) == (steps[100], steps[-1])


def cut_at(validation: list[float], *, scheduler: str = "ReduceLROnPlateau") -> Run:
    """A validation loss of every tenth record, and a rate that is cut tenfold at every second of them."""
    run = rated(0.1 * 0.1 ** np.minimum(np.arange(200) // 20, len(validation) // 2), scheduler)
    steps = run[LEARNING_RATE].steps[9 : 10 * len(validation) : 10]
    loss = table(VALIDATION_LOSS, steps, validation)
    return replace(run, tables={**run.tables, VALIDATION_LOSS.name: loss})


def test_fires_when_the_rate_is_cut_while_the_validation_loss_falls() -> None:
    finding = the_finding(RULE, cut_at([2.0, 1.6, 1.2, 0.9]))
    assert finding.severity is Severity.WARNING
    assert "cut 2 times" in finding.message.en
    assert "it fell from 2 to 0.9" in finding.message.en
    assert "mode=" in finding.advice.en


@pytest.mark.parametrize(
    ("run", "says"),
    [
        (cut_at([-1.0, -1.2, -1.4, -1.6]), True),  # a likelihood may be negative
        (cut_at([2.0, 1.6, 1.2, 1.3]), False),  # the second cut was right
        (cut_at([2.0, 1.6, 1.61, 1.57]), False),  # hardly better: an accuracy may stand still
        (cut_at([2.0, 1.6]), False),  # one cut
        (cut_at([2.0, 1.6, 1.2, 0.9], scheduler="StepLR"), False),
    ],
)
def test_a_cut_after_a_plateau_is_what_it_is_for(run: Run, says: bool) -> None:
    assert any("lowest value so far" in one.message.en for one in findings(RULE, run)) is says


def rising(
    accuracy: list[float], loss: list[float], *, name: str = "accuracy", often: bool = False
) -> Run:
    """The same with an own value that is recorded at the validations, or more often."""
    run = cut_at(loss)
    steps = run[VALIDATION_LOSS].steps
    own = table(EXTRA, steps + int(often), accuracy, (name,))
    return replace(run, tables={**run.tables, EXTRA.name: own})


BETTER = [0.5, 0.6, 0.76, 0.81], [2.15, 2.1, 2.07, 2.05]


@pytest.mark.parametrize("name", ["accuracy", "val_acc", "Top1 Accuracy"])
def test_fires_when_the_rate_is_cut_while_the_accuracy_rises(name: str) -> None:
    finding = the_finding(RULE, rising(*BETTER, name=name))
    assert finding.severity is Severity.WARNING
    assert "the accuracy rose from 0.5 to 0.81" in finding.message.en
    assert first_evidence(RULE, rising(*BETTER, name=name)).column == name


def test_an_accuracy_may_be_in_percent() -> None:
    finding = the_finding(RULE, rising([50.0, 60.0, 76.0, 81.0], BETTER[1]))
    assert "the accuracy rose from 50 to 81" in finding.message.en


def test_an_accuracy_from_a_log_counts_as_well() -> None:
    run = cut_at(BETTER[1])
    held = table(VALIDATION_ACCURACY, run[VALIDATION_LOSS].steps, BETTER[0])
    run = replace(run, tables={**run.tables, VALIDATION_ACCURACY.name: held})
    assert the_finding(RULE, run).severity is Severity.WARNING


@pytest.mark.parametrize(
    "run",
    [
        rising([0.5, 0.6, 0.6, 0.605], BETTER[1]),  # it stands
        rising([50.0, 60.0, 60.0, 60.5], BETTER[1]),  # in percent
        rising([0.5, 0.6, 0.76, 0.7], BETTER[1]),
        rising(BETTER[0], [2.15, 2.1, 2.09, 2.11]),  # overfits: the loss is no lower than ever
        rising(BETTER[0], [1.8, 1.79, 1.79, 1.789]),  # the loss stands
        rising(*BETTER, name="epoch"),
        rising(*BETTER, name="accumulated"),
        rising(*BETTER, often=True),  # of training batches
        rising([0.5, 0.6], BETTER[1][:2]),  # one cut
    ],
)
def test_a_cut_where_accuracy_or_loss_stand_is_right(run: Run) -> None:
    assert not any("highest value so far" in one.message.en for one in findings(RULE, run))


def cut_by_batches(every: int, validations: int, left: float) -> Run:
    """A rate that is halved so often until it is next to nothing, by half time; validations up to there, and what is left of the loss."""
    run = rated(0.1 * 0.5 ** np.minimum(np.arange(200) // every, 16), "ReduceLROnPlateau")
    run = with_loss(run, np.linspace(2.0, 2.0 * left, 200))
    steps = run[LEARNING_RATE].steps
    dead = int(np.argmax(run[LEARNING_RATE].values[:, 0] < 1e-5))
    at = np.linspace(0, steps[dead], validations).astype(int)
    held = table(VALIDATION_LOSS, at, np.full(validations, 2.0))
    return replace(run, tables={**run.tables, VALIDATION_LOSS.name: held})


def test_a_plateau_of_single_batches_is_a_warning() -> None:
    finding = the_finding(RULE, cut_by_batches(6, 7, 0.7))
    assert finding.severity is Severity.WARNING
    assert "cut 14 times while the run was validated 7 times" in finding.message.en
    assert "not scheduler.step(loss)" in finding.advice.en


@pytest.mark.parametrize(
    "run",
    [
        cut_by_batches(6, 8, 0.7),  # as often as validations may
        cut_by_batches(6, 7, 0.5),  # it has learned
        cut_by_batches(6, 1, 0.7),
        without(cut_by_batches(6, 7, 0.7), VALIDATION_LOSS),
        without(cut_by_batches(6, 7, 0.7), LOSS),
    ],
)
def test_a_plateau_of_validations_stays_an_information(run: Run) -> None:
    assert the_finding(RULE, run).severity is Severity.INFO


def test_not_evaluated_on_few_or_no_rates() -> None:
    assert outcome(RULE, head(healthy_run(1), 19)).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, without(healthy_run(1), LEARNING_RATE)).missing == (LEARNING_RATE.name,)


def idle(validations: int, moves: str = "never") -> Run:
    """A scheduler beside a rate that stays, with so many validations."""
    run = rated(np.full(200, 0.1), "CosineAnnealingLR")
    steps = run[LEARNING_RATE].steps[:validations]
    seen = table(VALIDATION_LOSS, steps, np.ones((len(steps), 1)), ("",))
    tables = {**run.tables, VALIDATION_LOSS.name: seen}
    return replace(run, tables=tables, facts={**run.facts, MOVES: moves})


def test_a_scheduler_that_nobody_steps() -> None:
    finding = the_finding(RULE, idle(8))
    assert "There is a `CosineAnnealingLR`, but its `step()` was never called" in finding.message.en
    assert "the learning rate is 0.1 from step" in finding.message.en
    assert not findings(RULE, idle(7)), "its first epoch may not be over"
    assert not findings(RULE, idle(8, "yes"))
    assert not findings(RULE, without(idle(8), VALIDATION_LOSS))


def test_two_schedules_of_which_one_does_not_count() -> None:
    run = rated(np.full(200, 0.1), "LambdaLR")
    both = replace(run, facts={**run.facts, OVERWRITTEN: "LambdaLR MultiStepLR"})
    finding = the_finding(RULE, both)
    assert finding.severity is Severity.WARNING
    assert "A `LambdaLR` and a `MultiStepLR` move the rate" in finding.message.en
    assert not findings(RULE, replace(run, facts={**run.facts, OVERWRITTEN: "damaged"}))
    assert not findings(RULE, run)
