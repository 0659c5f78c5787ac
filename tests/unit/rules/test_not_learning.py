from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from asking import findings, first_evidence, outcome, the_finding
from synthetic import changed, head, healthy_run, stuck, with_loss, without

from tb_lossdiag.quantities import LEARNING_RATE, LOSS
from tb_lossdiag.records import Run
from tb_lossdiag.rules.engine import Verdict
from tb_lossdiag.rules.not_learning import NotLearning

RULE = NotLearning()


def plain(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Run:
    return with_loss(healthy_run(0), values)


@pytest.mark.parametrize("seed", range(5))
def test_fires_on_a_loss_that_stays_where_it_began(seed: int) -> None:
    assert "LD104" in the_finding(RULE, stuck(healthy_run(seed), seed=seed)).code


@pytest.mark.parametrize("seed", range(30))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings(RULE, healthy_run(seed))


def test_clear_on_a_run_that_fell_early_and_is_flat() -> None:
    values = np.full(200, 0.3)
    values[:5] = [2.3, 1.9, 1.2, 0.6, 0.4]
    assert not findings(RULE, plain(values))


def test_clear_just_above_the_fall() -> None:
    for level, expected in ((0.985, 1), (0.975, 0)):
        values = np.full(200, level)
        values[:10] = 1
        assert len(findings(RULE, plain(values))) == expected


def test_clear_when_it_falls_slowly_but_steadily() -> None:
    assert not findings(RULE, plain(np.linspace(1.0, 0.99, 200)))
    assert findings(RULE, plain(np.linspace(1.0, 0.998, 200)))


def test_a_flat_ln_2_is_guessing() -> None:
    values = np.full(200, np.log(2))
    values[:20] = np.linspace(0.85, np.log(2), 20)
    assert "ln 2" in the_finding(RULE, plain(values)).message.en
    values[:20] = np.linspace(2.5, np.log(2), 20)
    assert not findings(RULE, plain(values))


def test_evidence_is_the_whole_run() -> None:
    run = stuck(healthy_run(3))
    evidence = first_evidence(RULE, run)
    assert (evidence.first_step, evidence.last_step) == (0, run[LOSS].steps[-1])
    assert (evidence.quantity, evidence.column) == (LOSS.name, "")


def test_not_evaluated_when_the_beginning_or_the_full_rate_is_missing() -> None:
    run = stuck(healthy_run(0))
    late = replace(run[LOSS], steps=run[LOSS].steps + 100_000)
    resumed = replace(run, tables={**run.tables, LOSS.name: late})
    assert outcome(RULE, resumed).verdict is Verdict.NOT_EVALUATED
    warming = changed(run, LEARNING_RATE, np.linspace(0, 1e-3, 200))
    assert outcome(RULE, warming).verdict is Verdict.NOT_EVALUATED


def test_not_evaluated_on_short_or_missing_losses() -> None:
    assert outcome(RULE, head(stuck(healthy_run(0)), 49)).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, without(healthy_run(0), LOSS)).missing == (LOSS.name,)
