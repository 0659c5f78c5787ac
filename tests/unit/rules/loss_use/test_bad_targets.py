from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, findings_if_any, first_evidence, the_finding
from made.changes import changed, with_players, without
from made.check_ups import check_steps, with_tables
from made.healthy import healthy_run
from made.loss_calls import with_call, with_labels
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import (
    CALL_IGNORED_CLASS,
    CALL_INVALID,
    CALL_SOURCE,
    CALL_TARGET_MAX,
    CALL_TARGET_MIN,
    GLOBAL_NORM,
    LOSS,
    LOSS_NONFINITE,
    Source,
)
from tb_lossdiag.records import table
from tb_lossdiag.rules.loss_use.bad_targets import BadTargets
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = BadTargets()
RUN = healthy_run(1)
AT = check_steps(RUN[LOSS].steps)
CHECKS = np.arange(len(AT))
YES_OR_NO = "binary_cross_entropy_with_logits"
SICK = with_call(RUN, "cross_entropy", invalid=0.1, target_max=10)


def test_fires_on_a_class_that_does_not_exist() -> None:
    finding = the_finding(
        RULE, with_call(RUN, "cross_entropy", invalid=0.1, target_max=10, target_min=1)
    )
    assert finding.severity is Severity.ERROR
    assert "from 1 to 10" in finding.message.en
    assert "target.max() <= 9" in finding.advice.en


@pytest.mark.parametrize(
    ("low", "high", "whole", "severity"),
    [
        (0.0, 1.2, 0.0, Severity.INFO),
        (-0.1, 1.05, 0.4, Severity.INFO),
        (0.0, 1.26, 0.0, Severity.ERROR),
        (-1.0, 1.0, 1.0, Severity.ERROR),
        (0.0, 2.0, 0.0, Severity.ERROR),
        (float("nan"), 1.0, 0.0, Severity.ERROR),
    ],
)
def test_labels_that_are_drawn_around_yes_and_no(
    low: float, high: float, whole: float, severity: Severity
) -> None:
    facts = {"invalid": 0.5, "target_min": low, "target_max": high, "target_whole": whole}
    run = with_call(RUN, "binary_cross_entropy_with_logits", **facts)
    assert the_finding(RULE, run).severity is severity


def test_cross_entropy_for_measured_values_is_told_to_use_mse() -> None:
    facts = {"invalid": 0.6, "target_min": -2.0, "target_max": 2.0, "target_whole": 0.0}
    for function in ("binary_cross_entropy_with_logits", "cross_entropy"):
        assert "mse_loss" in the_finding(RULE, with_call(RUN, function, **facts)).advice.en


def test_one_wrong_target_is_enough_and_its_step_is_named() -> None:
    invalid = np.where(CHECKS == 4, 1 / 64, 0.0)
    evidence = first_evidence(RULE, with_call(RUN, "cross_entropy", invalid=invalid))
    assert (evidence.quantity, evidence.column) == (CALL_INVALID.name, "cross_entropy")
    assert (evidence.first_step, evidence.last_step) == (AT[4], AT[4])


def test_fires_when_all_are_ignored() -> None:
    ignored = np.where(CHECKS == 2, 1.0, 0.3)
    finding = the_finding(RULE, with_call(RUN, "cross_entropy", ignored=ignored))
    assert finding.severity is Severity.WARNING
    assert not findings(RULE, with_call(RUN, "cross_entropy", ignored=0.95))


def test_sorted_data_are_named() -> None:
    classes = CHECKS // 3
    run = with_call(RUN, "cross_entropy", majority=1.0, target_min=classes, target_max=classes)
    finding = the_finding(RULE, run)
    assert finding.severity is Severity.WARNING
    assert "shuffle=True" in finding.advice.en


def test_sorted_data_have_batches_between_two_classes() -> None:
    mixed = np.where(CHECKS % 3 == 2, 0.6, 1.0)
    run = with_call(RUN, "cross_entropy", majority=mixed, target_min=CHECKS // 3)
    assert "sorted" in the_finding(RULE, run).message.en
    mostly = with_call(RUN, "cross_entropy", majority=mixed[::-1] - 0.4, target_min=CHECKS // 3)
    assert not findings(RULE, mostly)


def test_a_single_class_is_a_warning_unless_it_is_the_first() -> None:
    for only, severity in ((3, Severity.WARNING), (0, Severity.INFO)):
        run = with_call(RUN, "cross_entropy", majority=1.0, target_min=only, target_max=only)
        assert the_finding(RULE, run).severity is severity


def left_out(ignored: int, share: float, outputs: int) -> Run:
    """Class 0 is all that counts, and another one that is scored is ignored."""
    run = with_call(
        RUN, "nll_loss", majority=1.0, target_min=0, target_max=0, ignored=share, outputs=outputs
    )
    classes = table(CALL_IGNORED_CLASS, AT, np.full((len(AT), 1), float(ignored)), ("nll_loss",))
    return with_tables(run, [classes])


def masks(left: float = 1e-2, *, places: int = 64, source: Source = Source.LINEAR) -> Run:
    """One call that is told class 0 at so many places a sample, and what is left of its loss."""
    value = np.geomspace(1.0, left, len(AT))
    facts = {"majority": 1.0, "target_min": 0, "target_max": 0, "samples": 32, "source": source}
    run = with_labels(with_call(RUN, "cross_entropy", value=value, **facts), [32 * places, 0, 0])
    return changed(run, LOSS, np.geomspace(1.0, left / 10, len(RUN[LOSS].steps)))


def test_background_everywhere_that_was_learned_is_a_warning() -> None:
    finding = the_finding(RULE, masks())
    assert finding.severity is Severity.WARNING
    assert "say class 0 everywhere" in finding.message.en
    assert "ToTensor" in finding.advice.en


LATE = np.where(np.arange(len(RUN[LOSS].steps)) == len(RUN[LOSS].steps) - 9, 4.0, 1e-3)


@pytest.mark.parametrize("run", [masks(0.3), masks(places=1), masks(source=Source.OTHER), changed(masks(), CALL_SOURCE, np.where(CHECKS == 3, Source.OTHER, Source.LINEAR)), changed(masks(), LOSS, np.r_[1.0, LATE[1:]]), changed(masks(), LOSS, 0 * LATE)])  # fmt: skip
def test_the_first_of_several_or_another_class_in_a_later_batch_is_information(run: Run) -> None:
    assert the_finding(RULE, run).severity is Severity.INFO


def test_a_class_that_is_ignored_leaves_one_only() -> None:
    finding = the_finding(RULE, left_out(1, 0.5, 2))
    assert finding.severity is Severity.WARNING
    assert "class 1, 50% of the targets, is one that it scores" in finding.message.en
    assert "questions = torch.nn.NLLLoss()" in finding.advice.en
    padding = the_finding(RULE, left_out(9, 0.01, 10))
    assert padding.severity is Severity.INFO
    assert "ignore_index" not in padding.message.en


def test_a_discriminator_has_one_label_per_call() -> None:
    run = with_call(RUN, "binary_cross_entropy_with_logits", majority=1.0, target_min=1)
    assert not findings(RULE, run)


def judged(labels: tuple[float, float], *, left: float = 1e-3, samples: float = 32.0) -> Run:
    """A discriminator and a generator: the labels of two calls, and what is left of their losses in the end."""
    run = with_players(RUN, np.ones(len(RUN[LOSS])), np.ones(len(RUN[LOSS])))
    value = np.geomspace(0.7, 0.7 * left, len(AT))
    run = with_call(run, YES_OR_NO, majority=1.0, value=value, samples=samples)
    names = (YES_OR_NO, f"{YES_OR_NO} 2")
    call = [t for t in run.tables.values() if t.quantity.frame == "call"]
    both = [table(t.quantity, t.steps, np.repeat(t.values, 2, 1), names) for t in call]
    ends = [table(e, AT, np.tile(labels, (len(AT), 1)), names) for e in (CALL_TARGET_MIN, CALL_TARGET_MAX)]  # fmt: skip
    return with_tables(run, both + ends)


def test_a_discriminator_to_whom_all_is_real() -> None:
    finding = the_finding(RULE, judged((1.0, 1.0)))
    assert finding.severity is Severity.WARNING
    assert "All targets of the 2 yes-or-no calls" in finding.message.en
    assert "0.1% of its start" in finding.message.en


@pytest.mark.parametrize("run", [judged((1.0, 0.0)), judged((1.0, 0.9)), judged((1.0, 1.0), left=0.1), judged((1.0, 1.0), samples=4), without(judged((1.0, 1.0)), GLOBAL_NORM)])  # fmt: skip
def test_players_with_two_answers_or_an_open_game_are_not(run: Run) -> None:
    assert not findings(RULE, run)


def test_tiny_batches_and_mixed_ones_are_not_this() -> None:
    assert not findings(RULE, with_call(RUN, "cross_entropy", majority=1.0, samples=7))
    some = np.where(CHECKS == 5, 0.9, 1.0)
    assert not findings(RULE, with_call(RUN, "cross_entropy", majority=some))


@pytest.mark.parametrize("seed", range(12))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings_if_any(RULE, healthy_run(seed))


def test_not_evaluated_without_targets() -> None:
    assert outcome(RULE, without(RUN, CALL_INVALID)).missing == (CALL_INVALID.name,)


def test_a_training_that_never_asks_for_anything_has_no_range_of_targets() -> None:
    ignored = with_call(RUN, "cross_entropy", ignored=1.0, target_min=np.nan, target_max=np.nan)
    for run in (ignored, without(ignored, CALL_TARGET_MIN, CALL_TARGET_MAX)):
        assert the_finding(RULE, run).severity is Severity.ERROR


def test_the_blank_among_the_symbols() -> None:
    finding = the_finding(RULE, with_call(healthy_run(1), "ctc_loss", invalid=0.25))
    assert "25% of the symbols" in finding.message.en
    assert "blank=0" in finding.advice.en


@pytest.mark.parametrize(
    ("low", "high", "fires"),
    [(0.05, 0.55, True), (0.45, 0.95, True), (0.05, 0.65, False), (0.35, 0.95, False)],
)
def test_labels_that_smoothing_leaves_near_one_half(
    low: float, high: float, *, fires: bool
) -> None:
    run = with_call(RUN, YES_OR_NO, target_min=low, target_max=high, target_whole=0.0)
    found = findings(RULE, run)
    assert bool(found) is fires
    assert not found or (found[0].severity is Severity.WARNING and f"{low}" in found[0].message.en)


@pytest.mark.parametrize(
    "facts",
    [
        {"target_unique": np.where(CHECKS == 2, 3, 2)},  # soft targets
        {"target_max": np.where(CHECKS == 2, 0.56, 0.55)},
        {"target_min": 0.0},  # a share of 0 and something
        {"target_max": 1.0},
        {"samples": 7},
    ],
)
def test_clear_where_two_values_are_no_smoothing(facts: dict[str, float]) -> None:
    smoothed = {"target_min": 0.45, "target_max": 0.55, "target_whole": 0.0}
    assert not findings(RULE, with_call(RUN, YES_OR_NO, **{**smoothed, **facts}))


def test_two_values_of_a_measurement_are_what_they_are() -> None:
    smoothed = {"target_min": 0.45, "target_max": 0.55, "target_unique": 2}
    assert not findings(RULE, with_call(RUN, "mse_loss", **smoothed))


def ones(each: float, **other: float) -> Run:
    """Ten classes, and so many ones a row."""
    facts = {"target_index": 0, "target_min": 0, "target_max": 1, "target_unique": 2}
    return with_call(RUN, "cross_entropy", **{**facts, "target_mean": each / 10, **other})


def test_several_labels_are_no_likelihoods() -> None:
    finding = the_finding(RULE, ones(3.0))
    assert finding.severity is Severity.WARNING
    assert "3 ones a row on average" in finding.message.en
    assert "binary_cross_entropy_with_logits" in finding.advice.en
    assert findings(RULE, ones(1.21))


@pytest.mark.parametrize(
    "run",
    [
        ones(1.0),
        ones(1.19),
        ones(3.0, target_index=1),
        ones(3.0, target_unique=5),  # shared out
        ones(3.0, target_max=0.5),
        ones(3.0, target_min=0.01),
    ],
)
def test_likelihoods_and_classes_are_not_several_labels(run: Run) -> None:
    assert not findings_if_any(RULE, run)


def test_a_nought_where_a_minus_one_is_meant() -> None:
    run = with_call(RUN, "soft_margin_loss", invalid=0.5, target_min=0, target_max=1)
    finding = the_finding(RULE, run)
    assert finding.severity is Severity.ERROR
    assert "2 * target - 1" in finding.advice.en


@pytest.mark.parametrize("share", [1.0, 0.2])
def test_targets_of_a_network_that_has_broken_are_no_cause(share: float) -> None:
    last, steps = int(AT[4]), RUN[LOSS].steps
    broken = np.where(CHECKS > 4, share, 0.0)
    run = with_call(RUN, "mse_loss", invalid=broken)
    lost = changed(run, LOSS_NONFINITE, steps > last)
    assert bool(findings(RULE, lost)) is (share < 1), "some of the data are NaN"
    again = changed(run, LOSS_NONFINITE, (steps > last) & (steps < AT[5]))
    assert findings(RULE, again), "it goes on"
    classes = with_call(RUN, "cross_entropy", invalid=broken)
    assert findings(RULE, changed(classes, LOSS_NONFINITE, steps > last)), "classes are data"
    first = with_call(RUN, "mse_loss", invalid=np.where(CHECKS >= 4, 1.0, 0.0))
    assert findings(RULE, changed(first, LOSS_NONFINITE, steps >= last)), "it broke there"


def bought(label: float = 1.0, *, left: float = 1e-3, samples: float = 128.0) -> Run:
    """One call of one model, one label, and what is left of its loss in the end."""
    value = np.geomspace(0.7, 0.7 * left, len(AT))
    run = with_call(RUN, YES_OR_NO, majority=1.0, value=value, samples=samples)
    ends = [table(e, AT, np.full(len(AT), label), (YES_OR_NO,)) for e in (CALL_TARGET_MIN, CALL_TARGET_MAX)]  # fmt: skip
    return with_tables(run, ends)


def test_positives_alone_teach_to_say_yes() -> None:
    finding = the_finding(RULE, bought())
    assert finding.severity is Severity.WARNING
    assert "yes to everything" in finding.message.en


@pytest.mark.parametrize("run", [bought(0.0), bought(left=0.1), bought(samples=16), bought(samples=4), changed(bought(), CALL_TARGET_MIN, np.where(CHECKS == 3, 0.0, 1.0)), without(bought(), GLOBAL_NORM)])  # fmt: skip
def test_a_no_somewhere_or_too_few_labels_are_not_this(run: Run) -> None:
    assert not findings(RULE, run)
