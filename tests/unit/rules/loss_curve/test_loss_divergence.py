from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers.rule_asserts import findings, first_evidence, the_finding
from made.changes import changed, head, optimized_by, with_divergence, with_loss, without
from made.healthy import healthy_run
from made.logs import log, noisy
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import (
    CALL_TARGET_MEAN,
    CALL_TARGET_STD,
    CALL_VALUE,
    COPY_DISTANCE,
    EXTRA,
    INPUT_STD,
    LOSS,
    STEPS,
    VALIDATION_LOSS,
)
from tb_lossdiag.records import Table, table
from tb_lossdiag.rules.loss_curve.loss_divergence import LossDivergence
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = LossDivergence()
SICK = with_divergence(healthy_run(1), 100, 8.0)


@pytest.mark.parametrize("seed", range(5))
def test_fires_on_a_loss_that_climbs_to_the_end(seed: int) -> None:
    finding = the_finding(RULE, with_divergence(healthy_run(seed), 100, factor=8))
    assert finding.severity is Severity.ERROR


def test_worth_knowing_when_the_data_have_changed() -> None:
    run = with_divergence(healthy_run(0), 100, factor=8)
    late = run[INPUT_STD].steps > 1200
    harder = changed(run, INPUT_STD, np.where(late, 1.3, 1.0))
    finding = the_finding(RULE, harder)
    assert finding.severity is Severity.INFO
    assert "from 1 to 1.3" in finding.message.en
    alike = changed(run, INPUT_STD, np.where(late, 1.19, 1.0))
    assert the_finding(RULE, alike).severity is Severity.ERROR


def test_worth_knowing_when_the_targets_have_grown_as_much() -> None:
    """As an agent's, which hold its own newest guess; a loss of squares grows with their square."""
    run = with_divergence(healthy_run(0), 100, factor=8)
    ratio = the_finding(RULE, run).numbers["end"] / the_finding(RULE, run).numbers["best"]
    steps = np.array([0, 1, 2, 4, 8, 512, 1024, 1500])

    def grown(last: float) -> Run:
        spread = np.where(steps > 1200, last, 1.0)[:, None]
        made = table(CALL_TARGET_STD, steps, spread, ["mse_loss"])
        return replace(run, tables={**run.tables, CALL_TARGET_STD.name: made})

    finding = the_finding(RULE, grown(1.05 * (ratio / 2) ** 0.5))
    assert finding.severity is Severity.INFO
    assert "targets" in finding.message.en
    assert the_finding(RULE, grown(0.95 * (ratio / 2) ** 0.5)).severity is Severity.ERROR


@pytest.mark.parametrize(
    ("held_out", "severity"),
    [
        ([2, 2, 2, 1.7, 1.7, 1.7], Severity.INFO),  # as with scheduled sampling
        ([2, 2, 2, 1.9, 1.9, 1.9], Severity.ERROR),
        ([2, 2, 2, 1.0, 1.7, 3.0, 3.0], Severity.ERROR),  # went on for a while, then broke
        ([2, 2, 2, 1.7, 1.7], Severity.ERROR),
        ([-2, -2, -2, -3, -3, -3], Severity.ERROR),
    ],
    ids=["better", "as good", "broke later", "too few", "below zero"],
)
def test_worth_knowing_when_held_out_data_say_that_the_model_is_better(
    held_out: list[float], severity: Severity
) -> None:
    late = len(held_out) - 3
    best = int(the_finding(RULE, SICK).numbers["best_step"])
    steps = np.r_[best - 3 : best, best + 1 : best + 1 + late]
    made = table(VALIDATION_LOSS, steps, np.array(held_out)[:, None], ("",))
    finding = the_finding(RULE, replace(SICK, tables={**SICK.tables, VALIDATION_LOSS.name: made}))
    assert finding.severity is severity
    assert ("has become better" in finding.message.en) == (severity is Severity.INFO)


@pytest.mark.parametrize("seed", range(20))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings(RULE, healthy_run(seed))


@pytest.mark.parametrize(
    ("seasons", "stays", "fires"), [(4, 0, False), (1, 0, True), (4, 60, True)]
)
def test_clear_where_the_loss_has_come_back_from_as_much(
    seasons: int, stays: int, *, fires: bool
) -> None:
    """A stream whose noise has seasons ends in one of them; who stays there for longer than any season has not come back."""
    run = healthy_run(1)
    records = len(run[LOSS])
    season = (records - stays) // (2 * seasons + 1)  # records
    calm = np.full(records, 0.5)
    for start in range(season, records - stays, 2 * season):
        calm[start : start + season] = 2.0
    calm[records - stays - season // 2 :] = 2.0
    falls = np.maximum(np.geomspace(2.3, 0.05, records), calm)
    falls[: season // 2] = np.linspace(2.3, 0.5, season // 2)
    noise = np.random.default_rng(0).lognormal(0, 0.05, records)
    assert bool(findings(RULE, with_loss(run, falls * noise))) is fires


def test_clear_just_below_the_factor() -> None:
    calm = np.concatenate((np.linspace(4, 1, 100), np.linspace(1, 1.9, 100)))
    assert not findings(RULE, with_loss(healthy_run(0), calm))
    wild = np.concatenate((np.linspace(4, 1, 100), np.linspace(1, 2.4, 100)))
    assert findings(RULE, with_loss(healthy_run(0), wild))


def test_a_first_record_that_is_low_is_no_level() -> None:
    """A queue of negatives that is empty at first, data that begin easy: everything after is higher."""
    low = np.concatenate(([1.3], 5 * np.ones(199)))
    assert not findings(RULE, with_loss(healthy_run(0), low))
    level = np.concatenate((np.full(10, 1.3), 5 * np.ones(190)))
    blind = with_loss(without(healthy_run(0), CALL_VALUE), level)
    assert findings(RULE, blind)


def test_a_loss_that_only_rises_is_one_unless_it_has_turned_or_beats_guessing() -> None:
    run = without(healthy_run(0), CALL_VALUE)
    rising = the_finding(RULE, with_loss(run, np.geomspace(1, 50, 200)))
    assert "rises from the start" in rising.message.en
    assert "Start anew" in rising.advice.en
    filled = np.concatenate((np.linspace(2, 8, 40), np.linspace(8, 7.3, 160)))
    turned = np.concatenate((np.linspace(2, 8, 40), np.linspace(8, 6.9, 160)))
    assert findings(RULE, with_loss(run, filled))
    assert not findings(RULE, with_loss(run, turned))
    beats = changed(healthy_run(0), CALL_VALUE, 0.5)
    assert not findings(RULE, with_loss(beats, np.geomspace(0.2, 1, 200)))


def test_no_checkpoint_of_before_the_training() -> None:
    """A fall in the first few records, and the rise at once: there is nothing to go back to."""
    early = np.concatenate(([9.0, 6.0, 3.0, 1.0, 1.0, 1.0], np.full(194, 5.0)))
    late = np.concatenate((np.linspace(9, 1, 100), np.full(100, 5.0)))
    run = without(healthy_run(0), CALL_VALUE)
    for values in (early[:40], late):
        found = findings(RULE, with_loss(head(run, len(values)), values))
        assert [("checkpoint" in each.advice.en) for each in found] == [len(values) == 200]


def test_clear_when_it_comes_back() -> None:
    hump = np.concatenate((np.linspace(4, 1, 100), np.linspace(1, 5, 40), np.linspace(5, 1, 60)))
    assert not findings(RULE, with_loss(healthy_run(0), hump))


@pytest.mark.parametrize(("last", "fires"), [(0.5, True), (0.42, False)])
def test_clear_while_the_newest_records_come_back(last: float, *, fires: bool) -> None:
    """Two players in one loss swing: a peak shorter than two windows of the level still holds it up."""
    rng = np.random.default_rng(0)
    loss = np.geomspace(3, 0.5, 300)
    loss[270:285], loss[285:] = 1.5, 4 * np.geomspace(1, last, 15) ** 1.25
    run = head(healthy_run(1), 2)
    steps = np.arange(300)
    made = table(LOSS, steps, (loss * np.exp(rng.normal(0, 0.02, 300)))[:, None], ("",))
    run = replace(run, tables={LOSS.name: made})
    assert bool(findings(RULE, run)) is fires


def test_clear_when_a_loss_near_zero_doubles() -> None:
    near = np.concatenate((np.geomspace(1, 1e-5, 100), np.linspace(1e-5, 5e-5, 100)))
    assert not findings(RULE, with_loss(healthy_run(0), near))


def test_evidence_is_the_window_above_the_bound() -> None:
    values = np.concatenate((np.linspace(4, 1, 100), np.full(100, 3.0)))
    run = with_loss(healthy_run(0), values)
    evidence, steps = first_evidence(RULE, run), run[LOSS].steps
    assert (evidence.quantity, evidence.column) == (LOSS.name, "")
    assert steps[100] <= evidence.first_step <= steps[110]
    assert evidence.last_step == steps[-1]


@pytest.mark.parametrize(("optimizer", "word"), [("SGD", "SGD"), ("AdamW", "second beta")])
def test_advice_fits_the_optimizer(optimizer: str, word: str) -> None:
    run = with_divergence(optimized_by(healthy_run(1), optimizer), 100, 8)
    assert word in the_finding(RULE, run).advice.en


def test_not_evaluated_on_losses_below_zero_or_short_runs() -> None:
    negative = with_loss(healthy_run(0), np.linspace(1, -3, 200))
    assert outcome(RULE, negative).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, head(healthy_run(0), 11)).verdict is Verdict.NOT_EVALUATED
    two = changed(with_divergence(healthy_run(0), 100), STEPS, np.ones((200, 2)), ("g", "d"))
    assert outcome(RULE, two).verdict is Verdict.NOT_EVALUATED
    agent = changed(with_divergence(healthy_run(0), 100), EXTRA, 1.0, ("episode_reward",))
    assert outcome(RULE, agent).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, without(healthy_run(0), LOSS)).missing == (LOSS.name,)


@pytest.mark.parametrize("records", [12, 20, 29])
def test_a_sparse_log_that_runs_away(records: int) -> None:
    half = records // 2
    values = np.r_[np.geomspace(2.0, 0.5, half), np.geomspace(0.5, 8.0, records - half)]
    assert findings(RULE, log(noisy(values, 0.02), every=100))
    assert outcome(RULE, log(values)).verdict is Verdict.NOT_EVALUATED


@pytest.mark.parametrize("seed", range(40))
def test_a_sparse_log_in_its_noise_does_not(seed: int) -> None:
    values = noisy(0.5 + 1.5 * np.exp(-np.arange(16) / 3), 0.15, seed)
    assert not findings(RULE, log(values, every=100))


def test_targets_that_were_seen_on_one_side_only_tell_nothing() -> None:
    run = with_divergence(healthy_run(0), 100, factor=8)
    for steps in ([0, 1, 2], [1400, 1500]):
        made = table(CALL_TARGET_STD, steps, np.full((len(steps), 1), 9.0), ["mse_loss"])
        seen = replace(run, tables={**run.tables, CALL_TARGET_STD.name: made})
        assert the_finding(RULE, seen).severity is Severity.ERROR


def _beside_a_copy(run: Run, call: str = "mse_loss") -> Run:
    steps = run[LOSS].steps[:3]
    means = table(CALL_TARGET_MEAN, steps, np.zeros((3, 1)), (call,))
    spreads = table(CALL_TARGET_STD, steps, np.ones((3, 1)), (call,))
    copy = table(COPY_DISTANCE, steps, np.full((3, 1), 0.1), ("",))
    made = {each.quantity.name: each for each in (means, spreads, copy)}
    tables = {**run.tables, **made}
    return replace(run, tables={n: t for n, t in tables.items() if n != VALIDATION_LOSS.name})


def test_values_that_a_second_network_makes_are_easy_at_first() -> None:
    falls = np.r_[np.geomspace(1, 0.03, 60), np.geomspace(0.03, 1, 60)]
    alone = without(healthy_run(0), VALIDATION_LOSS)
    near, gross = (with_loss(alone, np.r_[falls, np.full(80, end)]) for end in (5, 12))
    finding = the_finding(RULE, _beside_a_copy(near))
    assert finding.severity is Severity.INFO
    assert "second network" in finding.message.en
    for other in (
        near,
        _beside_a_copy(gross),
        _beside_a_copy(near, "cross_entropy"),  # a mean teacher's student learns labels
        replace(
            near, tables={**_beside_a_copy(near).tables, VALIDATION_LOSS.name: _held_out(near)}
        ),
    ):
        assert the_finding(RULE, other).severity is Severity.ERROR


def _held_out(run: Run) -> Table:
    return table(VALIDATION_LOSS, run[LOSS].steps[:3], np.ones((3, 1)), ("",))
