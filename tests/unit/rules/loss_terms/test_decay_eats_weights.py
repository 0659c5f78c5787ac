from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers.rule_asserts import findings, findings_if_any, first_evidence, the_finding
from made.changes import changed, head, optimized_by, with_loss, without
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import (
    EXTRA,
    LEARNING_RATE,
    LOSS,
    LOSS_TERM,
    PARAMETER_DECAY,
    PARAMETER_NORM,
)
from tb_lossdiag.rules.loss_terms.decay_eats_weights import DecayEatsWeights
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = DecayEatsWeights()
RUN = without(healthy_run(1), LOSS_TERM, EXTRA)
PLACE = np.linspace(0, 1, len(RUN[PARAMETER_NORM]))
LAST = int(RUN[PARAMETER_NORM].steps[-1])


def eaten(
    left: float = 0.02, predicted: float = 0.02, loss: float = 2.3, optimizer: str = "AdamW"
) -> Run:
    """Weights of which so much is left, where the decay alone would leave so much, and a loss that goes from 2.3 to this."""
    run = with_loss(optimized_by(RUN, optimizer), np.linspace(2.3, loss, len(RUN[LOSS])))
    norms = RUN[PARAMETER_NORM].values[:1] * left ** PLACE[:, None]
    run = changed(run, PARAMETER_NORM, norms)
    run = changed(run, LEARNING_RATE, 0.01)
    return changed(run, PARAMETER_DECAY, -np.log(predicted) / 0.01 / LAST)


SICK = eaten()


def test_says_what_a_step_takes_and_what_is_left() -> None:
    finding = the_finding(RULE, SICK)
    share = f"{-100 * np.log(0.02) / LAST:.3g}% of every weight in each step"
    assert finding.severity is Severity.ERROR
    assert share in finding.message.en
    assert "the loss has lost only 0% of its start" in finding.message.en
    evidence = first_evidence(RULE, SICK)
    assert (evidence.quantity, evidence.last_step) == (PARAMETER_NORM.name, LAST)


@pytest.mark.parametrize(
    ("run", "fires"),
    [
        (eaten(left=0.095), True),
        (eaten(left=0.105), False),
        (eaten(predicted=0.095), True),
        (eaten(predicted=0.105), False),
        (eaten(loss=1.3), True),
        (eaten(loss=0.9), False),
        (eaten(optimizer="SGD"), True),
    ],
)
def test_fires_within_its_bounds(run: Run, *, fires: bool) -> None:
    assert bool(findings(RULE, run)) is fires


def gross(share: float, loss: float = 2.3) -> Run:
    """Weights of which each step takes this share: they are as large as one step makes them, throughout."""
    return changed(eaten(left=1.0, loss=loss), PARAMETER_DECAY, share / 0.01)


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (gross(0.11), "takes 11% of every weight in each step: what is learned is gone"),
        (gross(0.9), "takes 90% of every weight"),
        (gross(1.01, loss=0.1), "all of every weight in each step, and more"),
        (gross(1.9), "all of every weight in each step, and more"),
        (gross(20.0), "more than twice of what there is"),
    ],
)
def test_the_grosser_the_louder(run: Run, words: str) -> None:
    finding = the_finding(RULE, run)
    assert finding.severity is Severity.ERROR
    assert words in finding.message.en


@pytest.mark.parametrize("run", [gross(0.09), gross(0.5, loss=0.9), gross(0.0)])
def test_a_step_may_take_less_or_learn(run: Run) -> None:
    assert outcome(RULE, run).verdict is not Verdict.FINDINGS


def test_weights_that_are_infinite_in_the_end_hide_nothing() -> None:
    run = gross(20.0)
    norms = run[PARAMETER_NORM].values.copy()
    norms[-3:] = np.inf
    assert findings(RULE, changed(run, PARAMETER_NORM, norms))


def test_the_rate_is_added_up_over_a_schedule() -> None:
    """A rate that falls to 0 takes half as much."""
    falling = np.linspace(0.02, 0, len(RUN[LEARNING_RATE]))
    assert findings(RULE, changed(eaten(predicted=0.095), LEARNING_RATE, falling))
    assert not findings(RULE, changed(eaten(predicted=0.095), LEARNING_RATE, falling / 1.1))


def test_parameters_without_decay_are_not_looked_at() -> None:
    run = eaten()
    names = run[PARAMETER_NORM].columns
    decays = run[PARAMETER_DECAY].values[-1:].copy()
    spared = next(place for place, name in enumerate(names) if name.endswith("weight"))
    norms = run[PARAMETER_NORM].values.copy()
    norms[:, spared] = 1e3
    kept = changed(run, PARAMETER_NORM, norms)
    assert not findings(RULE, kept)
    decays[0, run[PARAMETER_DECAY].columns.index(names[spared])] = 0
    assert findings(RULE, changed(kept, PARAMETER_DECAY, decays))


@pytest.mark.parametrize(
    "run",
    [
        eaten(optimizer="Adam"),
        changed(eaten(), PARAMETER_DECAY, 0.0),
        head(eaten(), 9),
        changed(eaten(), LOSS, -1.0),
    ],
)
def test_not_evaluated_where_it_cannot_be_said(run: Run) -> None:
    assert outcome(RULE, run).verdict is Verdict.NOT_EVALUATED


def test_an_unknown_rate_takes_nothing() -> None:
    assert not findings(RULE, changed(eaten(), LEARNING_RATE, np.nan))


@pytest.mark.parametrize("seed", range(6))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings_if_any(RULE, replace(healthy_run(seed)))
