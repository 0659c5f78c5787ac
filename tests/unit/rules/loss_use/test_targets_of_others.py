from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.check_ups import with_tables
from made.healthy import healthy_run
from tb_lossdiag import quantities as q
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Table, table
from tb_lossdiag.rules.loss_use.targets_of_others import TargetsOfOthers
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = TargetsOfOthers()
RUN = healthy_run(1)
LEARNED = (0.0, 0.1, 0.5, 0.8, 0.9, 0.9)
NOTHING = (0.02, -0.05, 0.03, 0.0, -0.02, 0.04)
AT = (1, 4, 16, 64, 112, 128)


def _kind(
    value: Quantity, error: Quantity, found: dict[str, Sequence[float]], of: float = 0.06
) -> list[Table]:
    """Correlations by call, check-up by check-up, the last at the last step."""
    length = max(len(each) for each in found.values())
    values = np.stack([np.array(each) for each in found.values()], 1)
    steps, calls = np.array(AT[-length:]), tuple(found)
    return [table(value, steps, values, calls), table(error, steps, values * 0 + of, calls)]


def learning(found: dict[str, Sequence[float]], of: float = 0.06) -> Run:
    """Predictions of these calls, of which cross-entropies name classes, have so much to do with their targets."""
    made = _kind(q.CALL_PAIRED, q.CALL_PAIRED_ERROR, found, of)
    steps, calls = made[0].steps, tuple(found)
    named = np.tile([float(call.startswith("cross_entropy")) for call in calls], (len(steps), 1))
    return with_tables(RUN, [*made, table(q.CALL_TARGET_INDEX, steps, named, calls)])


def taught(agrees: Sequence[float], of: float = 0.06) -> Run:
    """A teacher whose answers agree so much with the labels."""
    made = _kind(q.CALL_AGREES, q.CALL_AGREES_ERROR, {"kl_div": agrees}, of)
    return with_tables(learning({"kl_div": LEARNED, "cross_entropy": LEARNED}), made)


def mixed(half: Sequence[float], whole: Sequence[float] = LEARNED) -> Run:
    """Mixtures of two classes, of which one is told so well."""
    made = _kind(q.CALL_LESSER, q.CALL_LESSER_ERROR, {"cross_entropy": half})
    return with_tables(learning({"cross_entropy": whole}), made)


SICK = taught(NOTHING)


def test_a_teacher_that_answers_to_other_samples() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.severity is Severity.WARNING
    assert finding.subject == "kl_div"
    assert "over 4 check-ups both have 0.0125 in common (± 0.03)" in finding.message.en
    assert "LD401" in RULE.explains


@pytest.mark.parametrize(
    ("agrees", "of", "fires"),
    [
        ((0.09,) * 6, 0.05, True),
        ((0.11,) * 6, 0.05, False),  # it knows little
        ((-0.11,) * 6, 0.05, False),  # the opposite is no other sample's
        ((0.09,) * 6, 0.12, False),  # too few samples
        ((0.0, 0.0, 0.1, 0.5, 0.8, 0.9), 0.06, False),  # it learns beside the student
        ((0.0, 0.0, 0.0), 0.06, False),
    ],
)
def test_the_bounds_of_a_teacher(agrees: tuple[float, ...], of: float, fires: bool) -> None:
    assert bool(findings(RULE, taught(agrees, of))) is fires


def test_mixtures_of_which_one_class_is_never_told() -> None:
    finding = the_finding(RULE, mixed(NOTHING))
    assert "one of them (0.9 in common at step 112)" in finding.message.en
    assert "over 4 check-ups" in finding.message.en
    assert "the same order" in finding.advice.en


@pytest.mark.parametrize(
    ("half", "whole"),
    [
        ((0.0, 0.0, 0.0, 0.6, 0.7, 0.7), LEARNED),
        (NOTHING, NOTHING),  # neither is
        (NOTHING, (0.0, 0.0, 0.0, 0.6, 0.7, 0.7)),  # for too short
    ],
)
def test_other_mixtures(half: tuple[float, ...], whole: tuple[float, ...]) -> None:
    assert not findings(RULE, mixed(half, whole))


def test_one_loss_of_two_that_has_nothing_to_do_with_its_targets() -> None:
    finding = the_finding(RULE, learning({"cross_entropy": NOTHING, "mse_loss": LEARNED}))
    assert finding.subject == "cross_entropy"
    assert "while `mse_loss` has 0.9 at step 112" in finding.message.en


@pytest.mark.parametrize(
    "found",
    [
        {"cross_entropy": (*NOTHING[:4], 0.3, 0.4), "mse_loss": LEARNED},  # it is slower
        {"cross_entropy": NOTHING, "mse_loss": (0.0, 0.1, 0.1, 0.3, 0.4, 0.6)},
        {"cross_entropy": NOTHING},  # LD104 says it
        {"mse_loss": NOTHING, "cross_entropy": LEARNED},  # a number may be noise
        {"cross_entropy": NOTHING[:3], "mse_loss": LEARNED[:3]},
    ],
)
def test_losses_that_are_learned_or_all_are_not(found: dict[str, Sequence[float]]) -> None:
    assert not findings(RULE, learning(found))


@pytest.mark.parametrize(
    ("arrived", "summed", "fires"),
    [
        ((0.5, 0.5), (0, 0), True),
        ((0.2, 0.8), (0, 0), False),  # the lesser part of a mixture
        ((1 / 64, 1.0), (1, 0), True),  # a sum that was divided by hand
        ((1 / 64, 1 / 64), (1, 1), True),
        ((1 / 64, 1.0), (0, 0), False),
        ((np.nan, 1.0), (0, 0), True),
    ],
)
def test_what_counts_little_may_stay_unlearned(
    arrived: tuple[float, float], summed: tuple[int, int], fires: bool
) -> None:
    run = learning({"cross_entropy": NOTHING, "mse_loss": LEARNED})
    facts = (
        (q.CALL_ARRIVED, arrived),
        (q.CALL_SUMMED, summed),
        (q.CALL_SAMPLES, (64, 64)),
    )
    calls, steps = ("cross_entropy", "mse_loss"), np.array(AT)
    made = [table(of, steps, np.tile(values, (len(AT), 1)), calls) for of, values in facts]
    assert bool(findings(RULE, with_tables(run, made))) is fires


@pytest.mark.parametrize(("line", "fires"), [("train.py:8", False), ("train.py:9", True)])
def test_two_losses_of_one_line_are_parts_of_one_answer(line: str, fires: bool) -> None:
    run = learning({"cross_entropy": LEARNED, "cross_entropy 2": NOTHING})
    lines = f"cross_entropy at train.py:8; cross_entropy 2 at {line}"
    there = replace(run, facts={**run.facts, q.LOSS_LINES: lines})
    assert bool(findings(RULE, there)) is fires


@pytest.mark.parametrize(("value", "fires"), [(30.0, True), (60.0, False)])
def test_a_loss_that_another_one_drowns_is_that_ones_matter(value: float, fires: bool) -> None:
    run = learning({"cross_entropy": NOTHING, "mse_loss": LEARNED})
    calls, steps = ("cross_entropy", "mse_loss"), np.array(AT)
    facts = ((q.CALL_VALUE, (2.3, value)), (q.CALL_ARRIVED, (1.0, 1.0)))
    made = [table(of, steps, np.tile(each, (len(AT), 1)), calls) for of, each in facts]
    assert bool(findings(RULE, with_tables(run, made))) is fires


def test_the_first_steps_say_nothing() -> None:
    young = RULE.__class__(min_steps=129)
    assert not findings(young, learning({"cross_entropy": NOTHING, "mse_loss": LEARNED}))


def test_without_predictions_and_targets_it_is_not_evaluated() -> None:
    assert outcome(RULE, RUN).verdict is Verdict.NOT_EVALUATED
