from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from helpers.rule_asserts import findings, findings_if_any, first_evidence, the_finding
from made.changes import head, without
from made.check_ups import check_steps, with_tables
from made.healthy import healthy_run
from made.loss_calls import with_call
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.quantities import (
    CALL_INPUT_MAX,
    LOSS,
    PARAMETER_NORM,
    PARAMETER_SIZE,
    UPDATE_NORM,
    Source,
)
from tb_lossdiag.records import table
from tb_lossdiag.rules.loss_use.logit_scale import LogitScale
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = LogitScale()
RUN = healthy_run(1)
AT = check_steps(RUN[LOSS].steps)
CLIP_START = 2.66


def compared(**facts: npt.ArrayLike) -> Run:
    """A square of likenesses whose diagonal is right."""
    seen = {"samples": 64, "outputs": 64, "target_unique": 64, "target_max": 63, "target_index": 1}
    return with_call(RUN, "cross_entropy", **{**seen, **facts})


def scaled(
    value: npt.ArrayLike, largest: npt.ArrayLike, step: float = 0.002, name: str = "logit_scale"
) -> Run:
    """The same beside a learned scale."""
    run = compared(input_max=largest, input_min=-1.0)
    values = np.broadcast_to(np.asarray(value, float), len(AT))
    columns = (name, "head.weight")
    return with_tables(
        run,
        [
            table(PARAMETER_SIZE, AT[:1], np.array([[1.0, 64.0]]), columns),
            table(PARAMETER_NORM, AT, np.stack([values, np.ones(len(AT))], 1), columns),
            table(UPDATE_NORM, AT, np.full((len(AT), 2), step), columns),
        ],
    )


SICK = compared(input_max=0.1, input_min=-0.1)


def test_fires_on_cosines_that_are_hardly_told_apart() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.subject == "cross_entropy"
    assert "cannot fall below 3.96, where guessing costs 4.16" in finding.message.en
    assert first_evidence(RULE, SICK).quantity == CALL_INPUT_MAX.name


@pytest.mark.parametrize(
    ("largest", "lowest", "fires"),
    [
        (0.4, -0.4, True),
        (0.5, -0.5, False),
        (0.1, -0.5, False),
        (2.0, -2.0, False),  # a temperature of 0.5
        (14.3, 14.2, False),  # one point, of the usual scale
        (0.1, -1e9, True),  # masked
        (2.0, -1e9, False),
        (-0.1, -1e9, False),  # distances
    ],
)
def test_the_size_of_likenesses(largest: float, lowest: float, fires: bool) -> None:
    assert bool(findings(RULE, compared(input_max=largest, input_min=lowest))) is fires


def test_a_queue_counts_as_well() -> None:
    small = {"input_max": 0.1, "input_min": -0.1, "target_unique": 1}
    assert findings(RULE, compared(target_max=0, **small))
    assert not findings_if_any(RULE, compared(target_max=1, **small))


@pytest.mark.parametrize("seed", range(8))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings_if_any(RULE, healthy_run(seed))


def test_a_logarithm_that_is_used_as_the_scale() -> None:
    finding = the_finding(RULE, scaled(CLIP_START, 2.5))
    assert finding.subject == "logit_scale"
    assert "the scale itself, and not its exponential (14.3)" in finding.message.en
    assert 'get_parameter("logit_scale")' in finding.advice.en


@pytest.mark.parametrize(
    "run",
    [
        scaled(CLIP_START, 9.0),  # its exponential
        scaled(CLIP_START, 1.2),  # who knows yet
        scaled(10.0, 9.0),  # meant as it is
        scaled(1.0, 0.9),
        scaled(4.6, 4.0),  # enough of a scale
        scaled(CLIP_START, 2.5, name="head.bias"),
        scaled(np.nan, 2.5),
        head(scaled(CLIP_START, 2.5), 5),
    ],
)
def test_scales_that_are_right(run: Run) -> None:
    assert not findings_if_any(RULE, run)


@pytest.mark.parametrize(
    ("value", "largest", "fires"),
    [
        (5.1, 120.0, True),
        (4.6, 99.0, False),  # at its stop
        (5.1, 80.0, False),
        (0.005, 150.0, True),  # a temperature
        (0.02, 49.0, False),
        (1.0, 150.0, False),  # something else is large
    ],
)
def test_a_scale_that_has_run_away(value: float, largest: float, fires: bool) -> None:
    found = findings(RULE, scaled(value, largest))
    assert bool(found) is fires
    assert all("by now" in finding.message.en for finding in found)


def test_a_scale_that_moves_faster_than_anything_learns() -> None:
    there_and_back = np.linspace(1.8, 3.8, len(AT))
    assert "0.09 a step" in the_finding(RULE, scaled(there_and_back, 30.0, 0.09)).message.en
    assert not findings(RULE, scaled(there_and_back, 30.0, 0.01))
    assert not findings(RULE, scaled(np.linspace(2.6, 3.8, len(AT)), 30.0, 0.09))
    assert not findings(RULE, scaled(there_and_back, 1.0, 0.09)), "it is used as it is"
    assert not findings(RULE, without(scaled(there_and_back, 30.0, 0.09), UPDATE_NORM))


def long(
    *,
    largest: float = 30.0,
    lowest: float = -5.0,
    value: float = 8.0,
    start: float = CLIP_START,
    **more: float,
) -> Run:
    """Scores beside the scale of cosines, in the first four check-ups; later ones are within it."""
    early = np.arange(len(AT)) < 4
    run = scaled(start, np.where(early, largest, 9.0))
    ends = {"input_min": np.where(early, lowest, -9.0), "value": np.where(early, value, 1.0)}
    facts = {
        "samples": 64.0,
        "outputs": 64.0,
        "target_unique": 64.0,
        "target_max": 63.0,
        "target_index": 1.0,
    }
    return with_call(
        run, "cross_entropy", **facts, input_max=run[CALL_INPUT_MAX].values[:, 0], **ends, **more
    )


def test_products_of_vectors_of_any_length() -> None:
    finding = the_finding(RULE, long())
    assert finding.subject == "logit_scale"
    assert "In 4 check-ups" in finding.message.en
    assert "up to 2.1 times what `logit_scale` multiplies by (14.3)" in finding.message.en
    assert findings(RULE, long(largest=9.0, lowest=-30.0))


@pytest.mark.parametrize(
    "run",
    [
        long(largest=21.0),  # a margin beside a cosine
        long(largest=9.0, lowest=-1e9),  # masked
        long(value=4.0),  # no worse than guessing
        long(start=1.0),  # made for something else
        long(start=4.7, largest=140.0, lowest=-9.0),
        long(summed=1.0),
    ],
)
def test_scores_that_a_scale_may_make(run: Run) -> None:
    assert not findings(RULE, run)


def test_a_second_comparison_may_have_a_temperature_of_its_own() -> None:
    run = long()
    call = [t for t in run.tables.values() if t.quantity.frame == "call"]
    names = ("cross_entropy", "cross_entropy 2")
    both = [table(t.quantity, t.steps, np.repeat(t.values, 2, 1), names) for t in call]
    assert findings(RULE, with_tables(run, both))
    other = run[CALL_INPUT_MAX].values * [[1.0, 0.3]]
    assert not findings(RULE, with_tables(run, [*both, table(CALL_INPUT_MAX, AT, other, names)]))


def test_too_little_is_not_judged() -> None:
    assert outcome(RULE, head(SICK, 3)).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, RUN).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, without(SICK, CALL_INPUT_MAX)).missing == (CALL_INPUT_MAX.name,)
    assert findings(RULE, without(SICK, PARAMETER_NORM))


RIGHT = {
    "outputs": 10, "target_index": 1, "target_unique": 10, "target_max": 9, "input_max": 0.95, "input_min": -0.6,
    "accuracy": 0.97, "value": 1.45, "source": int(Source.OTHER),
}  # fmt: skip


def test_a_classifier_of_cosines_cannot_say_how_sure_it_is() -> None:
    finding = the_finding(RULE, with_call(RUN, "cross_entropy", **RIGHT))
    assert "reach 0.95 at most" in finding.message.en
    assert "cannot fall below 0.853, where guessing costs 2.3" in finding.message.en


@pytest.mark.parametrize(
    "facts",
    [
        {"input_max": 1.01},
        {"input_min": -1.2},
        {"input_max": 0.8},  # not yet at their end
        {"input_max": np.r_[np.full(len(AT) - 2, 0.86), 1.0, 1.0]},  # growing
        {"accuracy": 0.75},
        {"value": 1.1},  # sure enough
        {"outputs": 6},
        {"outputs": 1},
        {"source": int(Source.TANH)},  # LD511
        {"target_index": 0},
    ],
)
def test_scores_of_a_classifier_that_are_right(facts: dict[str, npt.ArrayLike]) -> None:
    assert not findings_if_any(RULE, with_call(RUN, "cross_entropy", **{**RIGHT, **facts}))


def behind(value: npt.ArrayLike, **facts: npt.ArrayLike) -> Run:
    """The right candidate comes first, before 64 others."""
    seen = {
        "samples": 64,
        "outputs": 65,
        "target_unique": 1,
        "target_min": 0,
        "target_max": 0,
        "target_index": 1,
    }
    more = {"input_max": 8.0, "input_min": -1.0, "accuracy": 0.0, "summed": 0}
    return with_call(RUN, "cross_entropy", **{**seen, **more, "value": value, **facts})


def test_a_right_one_that_loses_to_all_others() -> None:
    finding = the_finding(RULE, behind(5.2))
    assert "costs 5.2 and more, above guessing between 65 candidates (4.17)" in finding.message.en
    assert "wins in 0% of the rows" in finding.message.en


@pytest.mark.parametrize(
    ("run", "fires"),
    [
        (behind(4.6), True),
        (behind(4.5), False),  # batches differ
        (behind(5.2, accuracy=0.001), True),
        (behind(5.2, accuracy=0.004), False),  # it wins now and then
        (behind(5.2, outputs=200), False),  # too few rows to say so
        (behind(9.0, outputs=200, samples=400), True),
        (behind(np.r_[np.full(len(AT) // 2, 5.2), np.full(len(AT) - len(AT) // 2, 4.0)]), False),
        (behind(np.r_[np.full(len(AT) - 1, 5.2), 4.0]), False),
        (behind(np.r_[np.full(len(AT) // 2, 1.2), np.full(len(AT) - len(AT) // 2, 5.2)]), True),
        (behind(300.0, summed=1), False),
        (
            compared(value=5.2, accuracy=0.0, input_max=8.0, input_min=-1.0),
            False,
        ),  # any may be right
    ],
)
def test_how_far_behind(run: Run, fires: bool) -> None:
    assert bool(findings(RULE, run)) is fires
