from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from helpers.rule_asserts import alarms, findings_if_any, first_evidence, the_finding
from made.changes import changed, stuck, with_loss, without
from made.check_ups import check_steps, with_check_up
from made.healthy import healthy_run
from made.loss_calls import with_call
from made.modules import with_modules
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import (
    CALL_TARGET_STD,
    CLIP_GLOBAL_NORM,
    CLIP_MAX_NORM,
    EXTRA,
    INPUT_ABS_MAX,
    INPUT_FEATURE_RANGE,
    INPUT_MEAN,
    INPUT_STD,
    LOSS,
    MODULE_KIND,
    Kind,
)
from tb_lossdiag.rules.loss_use.unscaled_data import UnscaledData
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = UnscaledData()
WELL = without(
    with_call(with_loss(healthy_run(1), np.geomspace(1, 0.1, 200)), "cross_entropy"), MODULE_KIND
)
STUCK = stuck(WELL)
CALLS = [t.quantity for t in WELL.tables.values() if t.quantity.frame == "call"]


def pixels(run: Run = STUCK) -> Run:
    return with_check_up(with_check_up(run, INPUT_MEAN, 130.0), INPUT_STD, 80.0)


SICK = pixels(with_modules(STUCK, {"0": Kind.LINEAR, "1": Kind.RELU}, activation_std=60.0))


def test_fires_on_pixels_of_0_to_255_when_the_loss_stands_still() -> None:
    finding = the_finding(RULE, pixels())
    assert finding.severity is Severity.WARNING
    assert "mean 130" in finding.message.en
    assert "130 and 80" in finding.advice.en


def test_a_run_that_learns_all_the_same_has_an_information() -> None:
    assert the_finding(RULE, pixels(WELL)).severity is Severity.INFO


@pytest.mark.parametrize(
    ("largest", "end", "severity"),
    [
        (255.0, 0.21, Severity.WARNING),
        (255.0, 0.19, Severity.INFO),
        (254.0, 0.21, Severity.INFO),
        (np.nan, 0.21, Severity.INFO),
    ],
)
def test_pixels_as_they_are_stored_are_forgotten_ones(
    largest: float, end: float, severity: Severity
) -> None:
    """They are no harm where a run has learned nearly all there is."""
    learns = with_loss(WELL, np.concatenate([np.geomspace(1, end, 150), np.full(50, end)]))
    run = with_check_up(pixels(learns), INPUT_ABS_MAX, largest)
    assert the_finding(RULE, run).severity is severity
    sums = with_check_up(pixels(learns), INPUT_ABS_MAX, largest)
    assert the_finding(RULE, without(sums, LOSS)).severity is Severity.INFO


def test_small_weights_of_the_first_layer_scale_nothing() -> None:
    kinds = {"patches": Kind.CONVOLUTION, "norm": Kind.NORMALISATION}
    for std, fires in ((2.9, False), (4.5, True)):
        assert bool(alarms(RULE, with_modules(pixels(), kinds, activation_std=std))) is fires
    kinds = {"kinds": Kind.EMBEDDING, "first": Kind.LINEAR}
    assert alarms(RULE, with_modules(pixels(), kinds, activation_std=60.0))


def test_a_first_loss_far_above_a_constant_answer_is_harm() -> None:
    for value, severity in ((9.0, Severity.INFO), (11.0, Severity.WARNING)):
        for function in ("mse_loss", "cross_entropy"):
            run = with_call(pixels(WELL), function, value=value, baseline=1.0)
            assert the_finding(RULE, run).severity is severity


@pytest.mark.parametrize(("left", "severity"), [(9e-4, Severity.WARNING), (2e-3, Severity.INFO)])
def test_clips_that_leave_nothing_are_harm_where_the_loss_tells_nothing(
    left: float, severity: Severity
) -> None:
    """An agent's: its loss is no measure, and a value loss of thousands drowns the policy's gradient."""
    agent = changed(WELL, EXTRA, np.zeros((200, 1)), ("episode reward",))
    run = changed(changed(agent, CLIP_MAX_NORM, 1.0), CLIP_GLOBAL_NORM, 1 / left)
    run = with_call(run, "mse_loss", target_mean=7000.0, target_std=4000.0, value=2.0, baseline=1.0)
    assert the_finding(RULE, run).severity is severity
    learned = changed(changed(WELL, CLIP_MAX_NORM, 1.0), CLIP_GLOBAL_NORM, 1e5)
    well = with_call(learned, "mse_loss", target_mean=7000.0, value=2.0, baseline=1.0)
    assert the_finding(RULE, well).severity is Severity.INFO


def test_fires_on_targets_of_hundreds() -> None:
    run = with_call(STUCK, "mse_loss", target_mean=300.0, target_std=40.0, baseline=1600.0)
    finding = the_finding(RULE, run)
    assert finding.subject == "mse_loss"
    assert "mean, std = 300, 40" in finding.advice.en


def test_a_spread_that_few_wild_targets_make_is_not_that_of_the_others() -> None:
    wild = {"target_mean": 3.0, "target_std": 300.0, "baseline": 9e4}
    assert alarms(RULE, with_call(STUCK, "mse_loss", top_share=0.4, **wild))
    assert not alarms(RULE, with_call(STUCK, "mse_loss", top_share=0.6, **wild))
    off = wild | {"target_mean": 400.0}
    assert alarms(RULE, with_call(STUCK, "mse_loss", top_share=0.6, **off))


def test_never_divides_by_a_spread_of_0() -> None:
    run = with_call(STUCK, "mse_loss", target_mean=300.0, target_std=0.0, baseline=1.0)
    assert "mean, std = 300, 1" in the_finding(RULE, run).advice.en


def test_fires_on_uneven_features() -> None:
    assert "1500" in the_finding(RULE, with_check_up(STUCK, INPUT_FEATURE_RANGE, 1500.0)).message.en
    assert not findings_if_any(RULE, with_check_up(STUCK, INPUT_FEATURE_RANGE, 999.0))


@pytest.mark.parametrize("seed", range(12))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings_if_any(RULE, healthy_run(seed))


def test_clear_just_below_the_scale() -> None:
    assert not findings_if_any(RULE, with_check_up(STUCK, INPUT_MEAN, -49.0))
    assert findings_if_any(RULE, with_check_up(STUCK, INPUT_MEAN, -51.0))


def small(run: Run, scale: float) -> Run:
    return with_check_up(with_check_up(run, INPUT_MEAN, -scale), INPUT_STD, 0.8 * scale)


def test_inputs_of_next_to_nothing_count_where_the_loss_stands_still() -> None:
    finding = the_finding(RULE, small(STUCK, 0.0015))
    assert finding.severity is Severity.WARNING
    assert "hardly sees it" in finding.message.en
    assert findings_if_any(RULE, small(STUCK, 0.0049))
    assert not findings_if_any(RULE, small(STUCK, 0.0051))
    assert not findings_if_any(RULE, small(STUCK, 0.0)), "an input of zeros is another matter"
    assert not findings_if_any(RULE, small(WELL, 0.0015))
    shrinking = with_modules(small(STUCK, 0.0015), {"first": Kind.LINEAR}, activation_std=5e-5)
    assert findings_if_any(RULE, shrinking)
    norm = {"norm": Kind.NORMALISATION, "first": Kind.LINEAR}
    assert not findings_if_any(RULE, with_modules(small(STUCK, 0.0015), norm, activation_std=1.0))


def test_a_model_that_scales_itself_is_not_this() -> None:
    kinds = {"flat": Kind.RESHAPE, "first": Kind.LINEAR, "act": Kind.RELU}
    assert not alarms(RULE, with_modules(pixels(), kinds, activation_std=0.5))
    assert alarms(RULE, with_modules(pixels(), kinds, activation_std=60.0))
    norm = {"norm": Kind.NORMALISATION, **kinds}
    assert not alarms(RULE, with_modules(pixels(), norm, activation_std=60.0))


@pytest.mark.parametrize(
    ("shares", "size", "severity"),
    [
        ((0.91,), 600.0, Severity.WARNING),
        ((0.89,), 600.0, Severity.INFO),
        ((0.99, 0.99, 0.89), 600.0, Severity.INFO),  # it comes off its ends
        ((0.99,), 51.0, Severity.WARNING),
        ((0.99,), 49.0, None),
    ],
)
def test_metres_that_leave_a_tanh_at_its_ends(
    shares: tuple[float, ...], size: float, severity: Severity | None
) -> None:
    """An equation's loss has no constant answer that would tell whether it is met."""
    at = len(check_steps(WELL[LOSS].steps))
    saturated = np.resize(shares, at)[:, None]
    kinds = {"0": Kind.LINEAR, "1": Kind.SATURATING, "2": Kind.LINEAR}
    metres = with_check_up(with_check_up(WELL, INPUT_MEAN, 0.0), INPUT_STD, size)
    facts: dict[str, npt.ArrayLike] = {"activation_std": 60.0, "saturated_share": saturated}
    run = with_modules(without(metres, *CALLS), kinds, **facts)
    found = findings_if_any(RULE, run)
    assert [finding.severity for finding in found] == ([] if severity is None else [severity])
    asked = with_modules(metres, kinds, **facts)
    assert not alarms(RULE, asked), "its cross-entropy tells that it learns"


def test_tokens_have_no_scale() -> None:
    tokens = with_check_up(with_check_up(STUCK, INPUT_MEAN, np.nan), INPUT_STD, np.nan)
    assert not findings_if_any(RULE, tokens)


def test_evidence_is_the_input() -> None:
    evidence, at = first_evidence(RULE, pixels()), check_steps(STUCK[LOSS].steps)
    assert (evidence.quantity, evidence.column) == (INPUT_STD.name, "")
    assert (evidence.first_step, evidence.last_step) == (at[0], at[-1])


def test_not_evaluated_when_neither_input_nor_targets_were_seen() -> None:
    assert outcome(RULE, without(STUCK, INPUT_STD)).verdict is Verdict.NOT_EVALUATED


NOISE = {"samples": 64, "outputs": 64, "target_mean": 0.01, "target_std": 0.99, "baseline": 0.98}


def noised(std: float, **facts: npt.ArrayLike) -> Run:
    """Asked for the noise that was added to data of this spread."""
    run = with_check_up(with_check_up(WELL, INPUT_MEAN, 0.0), INPUT_STD, std)
    return with_call(run, "mse_loss", **{**NOISE, "value": 6.0, **facts})


def test_data_that_the_noise_does_not_hide() -> None:
    finding = the_finding(RULE, noised(10.0))
    assert finding.severity is Severity.WARNING
    assert "standard deviation 10" in finding.message.en
    assert alarms(RULE, noised(3.1))
    assert not findings_if_any(RULE, noised(2.9))
    assert the_finding(RULE, noised(10.0, value=4.8)).severity is Severity.INFO
    tuned = with_loss(noised(10.0, value=1.0), np.full(200, 0.4))
    assert the_finding(RULE, tuned).severity is Severity.INFO


@pytest.mark.parametrize(
    "facts",
    [
        {"target_mean": 0.09},  # of 4096 numbers
        {"target_std": 1.06},
        {"target_std": np.r_[np.full(len(check_steps(WELL[LOSS].steps)) - 1, 1.0), 1.1]},
        {"outputs": 15.0},
    ],
)
def test_targets_that_are_no_noise(facts: dict[str, npt.ArrayLike]) -> None:
    assert not findings_if_any(RULE, noised(10.0, **facts))


def outputs(small: float, large: float, checks: int = 99) -> Run:
    """So much is left of the small outputs and of the large one, in so many check-ups from the first on."""
    run = with_call(healthy_run(1), "mse_loss")
    count = len(run[CALL_TARGET_STD].steps)
    known = np.where(np.arange(count) < checks, 1.0, np.nan)
    return with_call(healthy_run(1), "mse_loss", small_left=small * known, large_left=large * known)


def test_only_the_largest_output_is_learned() -> None:
    finding = the_finding(RULE, outputs(1.2, 0.1))
    assert finding.severity is Severity.WARNING
    assert "10% are left, of theirs 100% or more" in finding.message.en


@pytest.mark.parametrize(
    "run",
    [outputs(0.85, 0.1), outputs(1.2, 0.6), outputs(1.2, 0.1, checks=5), outputs(np.nan, np.nan)],
)
def test_small_outputs_that_are_learned_as_well_or_nothing_is(run: Run) -> None:
    assert not alarms(RULE, run)
