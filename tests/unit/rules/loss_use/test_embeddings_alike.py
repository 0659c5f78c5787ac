from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from helpers.rule_asserts import findings, findings_if_any, first_evidence, the_finding
from made.changes import changed, head, with_terms, without
from made.check_ups import check_steps, with_check_up, with_tables
from made.healthy import healthy_run
from made.loss_calls import with_call
from made.modules import with_modules
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.quantities import (
    ACTIVATION_VARIATION,
    CALL_VALUE,
    COMPARED_IN_MARGINS,
    EFFECTIVE_RANK,
    EQUAL_SAMPLES,
    LOSS,
    LOSS_TERM,
    MODULE_LAST,
    Kind,
)
from tb_lossdiag.records import table
from tb_lossdiag.rules.loss_use.embeddings_alike import EmbeddingsAlike
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = EmbeddingsAlike()
RUN = healthy_run(1)
AT = check_steps(RUN[LOSS].steps)
KINDS = {"0": Kind.LINEAR, "1": Kind.RELU, "2": Kind.LINEAR}
VIEWS = {
    "samples": 64, "outputs": 64, "target_unique": 64, "target_min": 0, "target_max": 63, "accuracy": 1.0,
    "input_max": 5.0,
}  # fmt: skip


def course(*end: float, start: float = 0.4) -> npt.NDArray[np.float64]:
    """From the start down to these values in the last check-ups."""
    values = np.geomspace(start, end[0], len(AT))
    values[-len(end) :] = end
    return values


@pytest.mark.parametrize(("equal", "fires"), [(1.0, False), (0.98, True)])
def test_samples_that_are_all_the_same_are_one_point(equal: float, fires: bool) -> None:
    alike = table(EQUAL_SAMPLES, AT, np.full(len(AT), equal))
    assert bool(findings_if_any(RULE, with_tables(SICK, [alike]))) == fires


def test_a_few_batches_of_one_sample_do_not_hide_the_others() -> None:
    shares = np.where(np.arange(len(AT)) == 2, 1.0, 0.0)
    assert findings(RULE, with_tables(SICK, [table(EQUAL_SAMPLES, AT, shares)]))
    most = np.where(np.arange(len(AT)) < len(AT) - 3, 1.0, 0.0)
    assert not findings(RULE, with_tables(SICK, [table(EQUAL_SAMPLES, AT, most)]))


def silent(run: Run) -> Run:
    """No loss call was seen."""
    calls = [t.quantity for t in run.tables.values() if t.quantity.frame == "call"]
    return without(run, *calls)


def module(
    variation: npt.NDArray[np.float64], rank: float = 12, run: Run | None = None, growth: float = 1
) -> Run:
    """The model's last layer answers with this variation, and grows by this factor."""
    size = np.geomspace(1.0, growth, len(AT))
    return with_modules(
        silent(RUN) if run is None else run,
        KINDS,
        activation_variation=np.tile(variation[:, None], 3),
        activation_mean=np.zeros((len(AT), 3)),
        activation_std=np.tile(size[:, None], 3),
        effective_rank=np.full((len(AT), 3), rank),
    )


SICK = module(course(0.03, 0.02, 0.01))


def test_fires_where_all_samples_become_one_point() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.subject == "2"
    assert "varies between samples by 2% of its size" in finding.message.en
    assert first_evidence(RULE, SICK).quantity == ACTIVATION_VARIATION.name


@pytest.mark.parametrize(
    ("run", "fires"),
    [
        (module(course(0.2, 0.049, 0.049)), True),
        (module(course(0.2, 0.051, 0.051)), False),
        (module(course(0.2, 0.2, 0.01)), False),
        (module(course(0.01, 0.01, 0.2)), False),  # it comes apart again
        (module(course(0.02, 0.02, 0.02, start=0.09)), True),
        (module(course(0.02, 0.02, 0.02, start=0.07)), False),
        (module(course(0.01, 0.01, 0.01), rank=3.9), False),  # values, not embeddings
        (module(course(0.01, 0.01, 0.01), growth=1000), False),  # targets that are large
        (module(course(0.01, 0.01, 0.01), rank=np.nan), False),
        (module(course(0.01, 0.01, 0.01), run=RUN), False),  # a loss with targets
        (head(SICK, 5), False),
    ],
)
def test_the_bounds(run: Run, fires: bool) -> None:
    assert bool(findings_if_any(RULE, run)) is fires


@pytest.mark.parametrize("seed", range(8))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings_if_any(RULE, healthy_run(seed))


def margin(
    *apart: float,
    start: float = 0.4,
    last: float = 3.0,
    first: float = 20.0,
    run: Run | None = None,
) -> Run:
    """A loss with a margin, of answers whose deviation grows."""
    far = module(course(0.1, 0.1, 0.1), growth=50, run=run)
    rank = np.tile(np.geomspace(first, last, len(AT))[:, None], 3)
    ranked = changed(far, EFFECTIVE_RANK, rank)
    return with_tables(ranked, [table(COMPARED_IN_MARGINS, AT, course(*apart, start=start))])


def test_what_a_loss_compares_within_its_margin() -> None:
    finding = the_finding(RULE, margin(0.002, 0.002, 0.001))
    assert finding.subject == "2"
    assert "differs by 0.2% of its margin" in finding.message.en
    assert "fell from 20 to 3" in finding.message.en
    assert first_evidence(RULE, margin(0.002, 0.002, 0.001)).quantity == COMPARED_IN_MARGINS.name


@pytest.mark.parametrize(
    ("run", "fires"),
    [
        (margin(0.009, 0.009, 0.009), True),
        (margin(0.011, 0.011, 0.011), False),
        (margin(0.2, 0.2, 0.001), False),
        (margin(0.001, 0.001, 0.2), False),  # it comes apart again
        (margin(0.002, 0.002, 0.002, last=10.1), False),  # near the margin for long, and no point
        (margin(0.002, 0.002, 0.002, last=9.0), True),
        (margin(0.002, 0.002, 0.002, start=0.009), False),  # a margin that is far out of reach
        (margin(0.002, 0.002, 0.002, first=3.9, last=1.0), False),
        (margin(0.002, 0.002, 0.002, run=RUN), False),  # a loss with targets
        (head(margin(0.002, 0.002, 0.002), 5), False),
        (head(margin(0.002, 0.002, 0.002), 3), False),
    ],
)
def test_the_bounds_of_margins(run: Run, fires: bool) -> None:
    assert bool(findings_if_any(RULE, run)) is fires


def test_one_sample_all_over_is_within_its_margin() -> None:
    alike = table(EQUAL_SAMPLES, AT, np.ones(len(AT)))
    assert not findings_if_any(RULE, with_tables(margin(0.002, 0.002, 0.002), [alike]))


def test_both_signs_of_one_point_are_one_cause() -> None:
    both = with_tables(SICK, [table(COMPARED_IN_MARGINS, AT, course(0.001, 0.001, 0.001))])
    assert len(findings(RULE, both)) == 1


def test_an_agents_answers_may_be_alike() -> None:
    run = with_terms(SICK, np.ones((len(SICK[LOSS_TERM]), 2)), (1.0, 1.0))
    named = changed(run, LOSS_TERM, run[LOSS_TERM].values, ("policy", "value"))
    assert not findings_if_any(RULE, named)


def test_a_loss_of_distances_says_so_itself() -> None:
    far = with_call(RUN, "triplet_margin_loss", variation=course(0.01, 0.01, 0.01))
    finding = the_finding(RULE, far)
    assert finding.subject == "triplet_margin_loss"
    assert "`triplet_margin_loss` compares" in finding.message.en
    both = module(course(0.03, 0.02, 0.01), run=far)
    assert len(findings(RULE, both)) == 1, "one cause"


def test_targets_that_a_model_makes_itself() -> None:
    def views(baseline: npt.ArrayLike, outputs: float = 32) -> Run:
        own = {"target_mean": 0.05, "target_std": 0.17, "outputs": outputs}
        return with_call(RUN, "mse_loss", baseline=baseline, **own)

    assert findings(RULE, views(course(1e-6, 1e-6, 1e-6, start=1e-2)))
    assert not findings(RULE, views(course(1e-6, 1e-6, 1e-6, start=1e-6)))
    assert not findings_if_any(RULE, views(course(1e-6, 1e-6, 1e-6, start=1e-2), outputs=1))


@pytest.mark.parametrize(("start", "fires"), [(0.0, False), (0.9e-4, False), (1.1e-4, True)])
def test_what_was_the_same_from_the_first_on_has_not_become_so(start: float, fires: bool) -> None:
    """A judge of patches answers a number for each, and all of them are asked for the same label."""
    spread = np.full(len(AT), start / 10)
    spread[0] = start
    labels = {"target_mean": 1.0, "target_std": 0.0, "outputs": 16}
    run = with_call(RUN, "mse_loss", baseline=spread**2, **labels)
    assert bool(findings_if_any(RULE, run)) is fires


def test_a_sample_that_is_compared_with_itself() -> None:
    finding = the_finding(RULE, with_call(RUN, "cross_entropy", **VIEWS))
    assert finding.subject == "cross_entropy"
    assert "100% of its answers were right" in finding.message.en


@pytest.mark.parametrize(
    "facts",
    [
        {"accuracy": 0.94},
        {"input_max": np.linspace(4.9, 5.0, len(AT))},
        {"target_unique": 40},
        {"outputs": 10},
        {"samples": 4, "target_unique": 4},
        {"accuracy": np.nan},
    ],
)
def test_pairs_that_differ_are_no_such_thing(facts: dict[str, float]) -> None:
    assert not findings_if_any(RULE, with_call(RUN, "cross_entropy", **{**VIEWS, **facts}))


AMONG: dict[str, Any] = {**VIEWS, "accuracy": 0.0, "input_std": 0.5}


def test_a_sample_that_is_among_its_own_candidates() -> None:
    finding = the_finding(RULE, with_call(RUN, "cross_entropy", **AMONG))
    assert "in none of" in finding.message.en
    assert "masked_fill" in finding.advice.en
    early = np.where(np.arange(len(AT)) < 5, 0.01, 0.5)  # all likenesses are alike at first
    few = np.where(np.arange(len(AT)) < len(AT) - 4, 0.09, 0.11)
    alike, apart = ({**AMONG, "input_std": spread} for spread in (early, few))
    assert findings(RULE, with_call(RUN, "cross_entropy", **alike))
    assert not findings(RULE, with_call(RUN, "cross_entropy", **apart))


@pytest.mark.parametrize(
    "facts",
    [
        {"accuracy": np.where(np.arange(len(AT)) == 3, 0.01, 0.0)},
        {"input_max": np.linspace(4.998, 5.0, len(AT))},
        {"input_std": 0.09},
        {"input_std": np.nan},
        {"outputs": 10},
    ],
)
def test_samples_that_are_only_compared_with_others(facts: dict[str, npt.ArrayLike]) -> None:
    assert not findings_if_any(RULE, with_call(RUN, "cross_entropy", **{**AMONG, **facts}))


def test_too_little_is_not_judged() -> None:
    assert outcome(RULE, head(SICK, 3)).verdict is Verdict.NOT_EVALUATED
    bare = without(SICK, EFFECTIVE_RANK)
    assert outcome(RULE, bare).verdict is Verdict.NOT_EVALUATED
    unknown = with_check_up(SICK, MODULE_LAST, 0.0)
    assert outcome(RULE, unknown).verdict is Verdict.NOT_EVALUATED
    assert CALL_VALUE not in SICK
