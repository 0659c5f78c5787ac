from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from helpers.rule_asserts import alarms, findings, first_evidence, the_finding
from made.changes import changed, falling, head, with_loss, without
from made.check_ups import check_steps
from made.healthy import healthy_run
from made.logs import log, noisy
from made.loss_calls import with_call
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import (
    COPY_DISTANCE,
    CUSTOM_AGREEMENT,
    CUSTOM_NESTED,
    GRADIENT_NORM,
    LOSS,
    LOSS_TERM,
    LOSS_WEIGHT,
    PRUNED,
    STEPS,
)
from tb_lossdiag.quantities.batches import BROKEN_BATCHES, packed
from tb_lossdiag.records import table
from tb_lossdiag.rules.loss_curve.loss_spike import LossSpike
from tb_lossdiag.run import Restart, Run
from tb_lossdiag.testing import outcome

RULE = LossSpike()
RUN = healthy_run(0)


def with_spikes(run: Run, at: Mapping[int, float], width: int = 1) -> Run:
    """The run with a falling loss that is multiplied by a factor at these records and `width - 1` after them."""
    values = falling(len(run[LOSS]))
    for record, factor in at.items():
        values[record : record + width] *= factor
    changed_loss = with_loss(run, values)
    return after_long_steps(changed_loss, list(at)) if width > 1 else changed_loss


def after_long_steps(run: Run, records: list[int]) -> Run:
    """The run with gradients ten times as large right before these records."""
    norms = run[GRADIENT_NORM].values.copy()
    norms[np.array(records) - 1] *= 10
    return changed(run, GRADIENT_NORM, norms)


SICK = with_spikes(RUN, {80: 20.0, 120: 20.0, 160: 20.0})


def test_one_that_comes_back_is_worth_knowing() -> None:
    finding = the_finding(RULE, with_spikes(RUN, {120: 10.0}))
    assert finding.severity is Severity.INFO
    assert f"was back after {RUN[LOSS].steps[1]} step" in finding.message.en
    assert "the weights are unhurt" in finding.advice.en


def test_three_that_exceed_the_start_are_a_warning() -> None:
    assert (
        the_finding(RULE, with_spikes(RUN, {80: 20.0, 120: 20.0, 160: 20.0})).severity
        is Severity.WARNING
    )
    small = with_spikes(RUN, {80: 2.5, 120: 2.5, 160: 2.5})
    assert the_finding(RULE, small).severity is Severity.INFO


@pytest.mark.parametrize(
    ("said", "severity"),
    [
        ("70 90 110 130 150 170", Severity.INFO),
        ("70 90 150 170", Severity.INFO),  # two of three are explained, one is none of a habit
        ("10 30", Severity.WARNING),
        ("70", Severity.WARNING),
        ("", Severity.WARNING),
    ],
    ids=["before each", "before two", "elsewhere", "half a stretch", "never"],
)
def test_weights_that_were_pruned_right_before(said: str, severity: Severity) -> None:
    run = with_spikes(RUN, {80: 3.0, 120: 3.0, 160: 3.0}, width=4)
    scale = int(run[LOSS].steps[1] - run[LOSS].steps[0])
    said = " ".join(str(scale * int(each)) for each in said.split())
    finding = the_finding(RULE, replace(run, facts={**run.facts, PRUNED: said}))
    assert finding.severity is severity
    assert ("Weights were pruned" in finding.message.en) == (severity is Severity.INFO)


def test_a_loss_that_does_not_come_back_from_pruning_is_a_warning() -> None:
    run = with_spikes(RUN, {120: 30.0}, width=len(RUN[LOSS]))
    pruned = replace(run, facts={**run.facts, PRUNED: "0 1000000"})
    assert the_finding(RULE, pruned).severity is Severity.WARNING


def test_three_that_last_are_a_warning() -> None:
    finding = the_finding(RULE, with_spikes(RUN, {80: 3.0, 120: 3.0, 160: 3.0}, width=4))
    assert finding.severity is Severity.WARNING
    assert finding.numbers["spikes"] == 3
    assert "hurt the weights" in finding.advice.en


def test_one_that_stays_is_a_warning() -> None:
    finding = the_finding(RULE, with_spikes(RUN, {120: 4.0}, width=80))
    assert finding.severity is Severity.WARNING
    assert "has not come back" in finding.message.en
    late = the_finding(RULE, with_spikes(RUN, {190: 4.0}, width=10))
    assert late.severity is Severity.INFO
    assert "before one can say" in late.message.en


def _of_values(run: Run, moved: float) -> Run:
    count = len(with_call(run, "mse_loss").tables["call_target_mean"])
    means = np.where(np.arange(count) < count // 2, 0.0, moved)
    return with_call(run, "mse_loss", target_mean=means, target_std=1.0)


@pytest.mark.parametrize("sick", [SICK, with_spikes(RUN, {120: 4.0}, width=80)])
def test_values_that_the_training_itself_renews_leap_with_them(sick: Run) -> None:
    assert the_finding(RULE, _of_values(sick, 0.4)).severity is Severity.WARNING
    leaps = the_finding(RULE, _of_values(sick, 0.6))
    assert leaps.severity is Severity.INFO
    assert "made anew" in leaps.message.en
    assert the_finding(RULE, _with_copy(_of_values(sick, 0.0))).severity is Severity.INFO


@pytest.mark.parametrize(
    ("cosine", "nested", "severity"),
    [
        (-1.0, 1, Severity.INFO),
        (-0.98, 1, Severity.WARNING),
        (-1.0, 2, Severity.WARNING),  # turned back: LD630's matter, and no game
        (1.0, 1, Severity.WARNING),
    ],
)
def test_two_sides_of_a_reversed_gradient_swing(
    cosine: float, nested: int, severity: Severity
) -> None:
    names = ("straight", "turned")
    agreement = table(CUSTOM_AGREEMENT, [0, 8, 16], [[np.nan, cosine]] * 3, names)
    passes = table(CUSTOM_NESTED, [0, 8, 16], [[1.0, nested]] * 3, names)
    tables = {**SICK.tables, CUSTOM_AGREEMENT.name: agreement, CUSTOM_NESTED.name: passes}
    finding = the_finding(RULE, replace(SICK, tables=tables))
    assert finding.severity is severity
    assert ("turns gradients round" in finding.message.en) is (severity is Severity.INFO)


def test_classes_beside_a_second_network_are_no_values() -> None:
    """A mean teacher's student learns labels, which stay what they are."""
    assert the_finding(RULE, _with_copy(SICK)).severity is Severity.WARNING


def _with_copy(run: Run) -> Run:
    distance = table(COPY_DISTANCE, [0, 8, 16], np.full((3, 1), 0.1), ("",))
    return Run("t", {**run.tables, COPY_DISTANCE.name: distance}, run.facts)


@pytest.mark.parametrize("seed", range(30))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings(RULE, healthy_run(seed))


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("noise", [0.1, 0.5, 1.0])
def test_clear_on_noise_of_any_size(seed: int, noise: float) -> None:
    assert not findings(RULE, with_loss(RUN, falling(200, noise, seed)))


def test_clear_just_below_the_factor() -> None:
    assert not findings(RULE, with_spikes(RUN, {150: 1.8}))
    assert findings(RULE, with_spikes(RUN, {150: 2.5}))


def test_clear_when_a_loss_near_zero_jumps() -> None:
    near = falling(200) * np.geomspace(1, 1e-3, 200)
    near[150] *= 50
    assert not findings(RULE, with_loss(RUN, near))


def test_clear_on_a_slow_rise() -> None:
    rise = np.concatenate((falling(100), np.geomspace(0.6, 6, 100)))
    assert not findings(RULE, with_loss(RUN, rise))


def test_a_spike_within_a_window_counts() -> None:
    run = with_loss(RUN, falling(200))
    highest = run[LOSS].values.copy()
    highest[120] *= 20
    most = table(LOSS.highest(), run[LOSS].steps, highest)
    windowed = Run("w", {**run.tables, LOSS.highest().name: most}, run.facts)
    assert first_evidence(RULE, windowed).first_step == run[LOSS].steps[120]


def test_names_term_and_layer_that_rose() -> None:
    run = with_spikes(RUN, {120: 20.0})
    parts = np.stack([run[LOSS].values[:, 0], np.full(200, 0.1)], axis=1)
    run = Run("t", {**run.tables, **{q.name: RUN[q] for q in (LOSS_TERM, LOSS_WEIGHT)}}, run.facts)
    gradient = run[GRADIENT_NORM].values.copy()
    gradient[120, 1] *= 1000
    finding = the_finding(RULE, changed(changed(run, LOSS_TERM, parts), GRADIENT_NORM, gradient))
    assert "The term `main` rose most" in finding.message.en
    assert f"The gradient of `{RUN[GRADIENT_NORM].columns[1]}` rose most" in finding.message.en


def test_evidence_is_the_spike() -> None:
    run = with_spikes(RUN, {100: 5.0, 150: 20.0}, width=2)
    evidence, steps = the_finding(RULE, run).evidence, run[LOSS].steps
    assert [(e.first_step, e.last_step) for e in evidence] == [
        (steps[150], steps[151]),
        (steps[100], steps[101]),
    ]


def test_not_evaluated_on_few_records_negative_losses_or_games() -> None:
    sick = with_spikes(RUN, {50: 20.0})
    assert outcome(RULE, head(sick, 16)).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, with_loss(RUN, np.linspace(1, -1, 200))).verdict is Verdict.NOT_EVALUATED
    two = changed(with_spikes(RUN, {120: 20.0}), STEPS, np.ones((200, 2)), ("g", "d"))
    assert outcome(RULE, two).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, without(RUN, LOSS)).missing == (LOSS.name,)
    assert not alarms(RULE, RUN)


@pytest.mark.parametrize("seed", range(10))
def test_a_sparse_log_shows_a_jump_out_of_its_noise(seed: int) -> None:
    values = noisy(np.linspace(2.0, 1.5, 60), 0.03, seed)
    values[40] *= 4
    assert the_finding(RULE, log(values, every=50)).numbers["peak"] == pytest.approx(values[40])
    assert outcome(RULE, log(values)).verdict is Verdict.NOT_EVALUATED


@pytest.mark.parametrize("noise", [0.01, 0.1, 0.3])
def test_noise_of_a_sparse_log_is_no_jump(noise: float) -> None:
    level = 0.3 + 2 * np.exp(-np.arange(40) / 8)
    for seed in range(100):
        assert not findings(RULE, log(noisy(level, noise, seed), every=50))


def resumed(kind: str = "resumed", at: int = 100, lost: float = 1.0) -> Run:
    """A run taken up again at a record, with this share of what it had learned gone."""
    values = falling(200)
    values[at:] = values[at:] * (1 - lost) + lost * falling(200)[: 200 - at]
    run = with_loss(RUN, values)
    step = int(run[LOSS].steps[at])
    return Run("r", run.tables, run.facts, restarts=(Restart(step, 0.0, kind),))


def test_a_resumed_run_whose_loss_begins_anew_is_told_apart() -> None:
    run = resumed()
    finding = the_finding(RULE, run)
    assert finding.severity is Severity.WARNING
    assert f"resumed at step {run.restarts[0].step}" in finding.message.en
    assert "load_state_dict" in finding.advice.en
    assert finding.numbers["lost"] == pytest.approx(1, abs=0.2)
    assert finding.evidence[0].first_step == run.restarts[0].step


def test_a_relapse_that_lasts_to_the_end_is_evidence_to_the_end() -> None:
    run = resumed(at=190)
    assert the_finding(RULE, run).evidence[0].last_step == run[LOSS].steps[-1]


def test_a_spike_elsewhere_is_told_beside_a_relapse() -> None:
    run = resumed()
    values = run[LOSS].values[:, 0].astype(float)
    values[95] *= 30
    again = with_loss(run, values)
    both = findings(RULE, Run("r", again.tables, again.facts, restarts=run.restarts))
    assert [f.message.en.split()[1] for f in both] == ["run", "loss"]


@pytest.mark.parametrize(
    "run",
    [
        resumed(lost=0.0),
        resumed(lost=0.05),
        resumed("renumbered", lost=0.0),
        resumed(at=5),
        resumed(at=198),
    ],
    ids=["whole", "a little", "renumbered", "hardly begun", "hardly gone on"],
)
def test_clear_where_a_restart_loses_nothing(run: Run) -> None:
    assert not [f for f in findings(RULE, run) if "resumed" in f.message.en]


def test_numbers_that_begin_again_may_be_another_training() -> None:
    assert not [f for f in findings(RULE, resumed("renumbered")) if "resumed" in f.message.en]


def test_one_far_above_the_start_is_a_warning_though_it_comes_back() -> None:
    assert the_finding(RULE, with_spikes(RUN, {120: 44.0})).severity is Severity.WARNING
    assert the_finding(RULE, with_spikes(RUN, {120: 18.0})).severity is Severity.INFO
    near = falling(200) * np.geomspace(1, 0.02, 200)
    near[150] *= 30  # far out of its level, but below where the training began
    found = findings(RULE, with_loss(RUN, near))
    assert all(f.severity is Severity.INFO for f in found)


def test_names_the_rows_of_the_step_where_the_loss_was_highest() -> None:
    run = with_spikes(RUN, {120: 10.0})
    record = run[LOSS].steps[120]
    told = replace(
        run, facts={BROKEN_BATCHES: packed({int(record) - 3: "x", int(record): "17, 93"})}
    )
    assert (
        f"The batch of step {record} held the rows `17, 93`." in the_finding(RULE, told).message.en
    )
    lag = table(LOSS.highest_lag(), [record], [3.0])
    windows = replace(told, tables={**told.tables, LOSS.highest_lag().name: lag})
    assert f"of step {record - 3} held the rows `x`" in the_finding(RULE, windows).message.en
    assert "rows" not in the_finding(RULE, run).message.en


def lesson_losses(lasts: float, shift: int = 0) -> Run:
    """Five lessons of forty records; in each later one the loss leaps fourfold and falls, over so many records."""
    lesson = np.maximum(np.exp(-np.arange(40) / lasts), 0.15)
    values = np.concatenate((lesson, 0.6 * np.tile(lesson, 4)))
    values = np.concatenate((values[:120], np.full(shift, values[119]), values[120:]))[:200]
    return with_loss(RUN, values * np.exp(np.random.default_rng(0).normal(0, 0.05, 200)))


def test_lessons_that_grow_harder_are_no_harm() -> None:
    finding = the_finding(RULE, lesson_losses(20))
    assert finding.severity is Severity.INFO
    assert "as in a curriculum" in finding.message.en


def long_lesson_losses(shift: int = 0) -> Run:
    """Five lessons of eighty steps; late records stand for two. The last leap is late by so many steps."""
    steps = np.arange(400)
    within = np.where(steps < 320 + shift, np.minimum(steps, 319) % 80, (steps - shift) % 80)
    within[320 : 320 + shift] = 79
    values = np.maximum(np.exp(-within / 20), 0.15) * np.where(steps < 80, 1.0, 0.6)
    values = values * np.exp(np.random.default_rng(0).normal(0, 0.05, 400))
    kept = np.concatenate((steps[:160], steps[160::2]))
    return replace(RUN, tables={LOSS.name: table(LOSS, kept, values[kept, None])})


def test_lessons_are_counted_in_steps_where_records_stand_for_several() -> None:
    finding = the_finding(RULE, long_lesson_losses())
    assert finding.severity is Severity.INFO
    assert "as in a curriculum" in finding.message.en
    assert the_finding(RULE, long_lesson_losses(shift=16)).severity is Severity.WARNING


@pytest.mark.parametrize("run", [with_spikes(RUN, {80: 20.0, 100: 20.0, 120: 20.0}), after_long_steps(lesson_losses(20, shift=9), [40, 80, 129, 169]), SICK, with_spikes(RUN, {80: 3.0, 120: 3.0, 160: 3.0}, width=4)])  # fmt: skip
def test_leaps_without_a_plan_or_a_lesson_are(run: Run) -> None:
    finding = the_finding(RULE, run)
    assert finding.severity is Severity.WARNING
    assert "curriculum" not in finding.message.en


def of_few(samples: float, times: float = 8.0, call: str = "cross_entropy", **facts: float) -> Run:
    """Three short jumps above the start of a cost of so many samples' classes: from 0.3 to `times` as much."""
    values = np.full(len(RUN[LOSS]), 0.3)
    values[:40] = np.linspace(0.7, 0.3, 40)
    values *= np.exp(0.02 * np.random.default_rng(0).standard_normal(len(values)))
    values[[80, 120, 160]] = 0.3 * times
    run = with_loss(RUN, values)
    at = check_steps(run[LOSS].steps)
    seen = run[LOSS].at(at)[:, 0]
    own: dict[str, npt.ArrayLike] = {"samples": samples, "value": seen, "passes": 1.0, **facts}
    return with_call(run, call, **own)


@pytest.mark.parametrize(
    ("run", "severity"),
    [
        (of_few(4, 4), Severity.INFO),  # 3.6 nats of one sample
        (of_few(3), Severity.INFO),  # 6.3
        (of_few(4), Severity.WARNING),  # 8.4
        (of_few(64, 4), Severity.WARNING),
        (of_few(4, 4, passes=4.0), Severity.WARNING),  # four parts of four
        (of_few(4, 4, summed=1.0), Severity.WARNING),
        (of_few(4, 4, weighted=1.0), Severity.WARNING),
        (of_few(4, 4, value=100.0), Severity.WARNING),  # another loss
        (of_few(4, 4, call="mse_loss"), Severity.WARNING),
        (of_few(4, 4, call="binary_cross_entropy_with_logits"), Severity.INFO),
    ],
)
def test_one_sample_of_a_few_may_make_a_jump(run: Run, severity: Severity) -> None:
    finding = the_finding(RULE, run)
    assert finding.severity is severity
    assert ("one sample which" in finding.message.en) is (severity is Severity.INFO)


def test_what_lasts_is_no_single_sample() -> None:
    run = of_few(4, 4)
    values = run[LOSS].values[:, 0].astype(float)
    for at in (80, 120, 160):
        values[at : at + 3] = 1.2
    lasts = after_long_steps(with_loss(run, values), [80, 120, 160])
    assert the_finding(RULE, lasts).severity is Severity.WARNING
