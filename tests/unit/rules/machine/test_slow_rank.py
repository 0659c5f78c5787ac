from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.changes import head, without
from made.healthy import healthy_run
from tb_lossdiag import quantities as q
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.records import Doubles, table
from tb_lossdiag.rules.machine.slow_rank import SlowRank
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = SlowRank()
AT = np.array([0, 5, 10, 20, 40, 80, 160, 320, 640])


def told(
    own: float | Doubles,
    others: float = 0.2,
    rank: float | Doubles = 5,
    wait: float = 0.0,
    step: float = 0.5,
) -> Run:
    """So many seconds the slowest rank took at each comparison."""
    none = np.zeros(len(AT))
    tables = (
        table(q.RANK_SECONDS_WORST, AT, none + own),
        table(q.RANK_SECONDS_OTHERS, AT, none + others),
        table(q.RANK_SECONDS_WORST_RANK, AT, none + rank),
        table(q.RANK_WAIT_EXCESS, AT, none + wait),
        table(q.STEP_SECONDS, AT, none + step),
    )
    run = healthy_run(4)
    return replace(run, tables={**run.tables, **{t.quantity.name: t for t in tables}})


SICK = told(0.4)


def test_a_rank_that_computes_slowly_is_named() -> None:
    finding = the_finding(RULE, SICK)
    assert "Rank 5 takes 0.4 s by itself" in finding.message.en
    assert "which take 0.2 s (median of 6 of 6" in finding.message.en
    assert "forward pass is slow" in finding.advice.en
    assert (finding.first_step, finding.last_step) == (20, 640)


def test_a_rank_that_waits_for_its_data_is_told_so() -> None:
    assert "gets its data" in the_finding(RULE, told(0.4, wait=0.15)).advice.en


@pytest.mark.parametrize(
    ("run", "fires"),
    [
        (told(0.267), True),
        (told(0.265), False),
        (told(0.0051, others=0.0, step=0.01), True),
        (told(0.0049, others=0.0, step=0.01), False),
        (told(0.4, step=1.9), True),
        (told(0.4, step=2.1), False),
        (told(0.4, rank=np.arange(len(AT), dtype=np.float64)), False),
        (told(np.where(AT >= 128, 0.4, 0.21)), False),
        (told(np.where(AT >= 64, 0.4, 0.21)), True),
        (told(0.4, rank=np.nan), False),
        (told(np.where(AT < 16, 0.9, 0.21)), False),
    ],
)
def test_bounds(run: Run, fires: bool) -> None:
    assert bool(findings(RULE, run)) is fires


def test_the_time_of_a_step_need_not_be_known() -> None:
    assert findings(RULE, without(SICK, q.STEP_SECONDS))
    unknown = replace(SICK.tables[q.STEP_SECONDS.name], values=np.full((len(AT), 1), np.nan, "f4"))
    tables = {**SICK.tables, q.STEP_SECONDS.name: unknown}
    assert findings(RULE, replace(SICK, tables=tables))


def test_several_models_are_told_apart() -> None:
    names = ("actor", "critic")
    both = {
        quantity.name: table(quantity, AT, np.tile(np.array(values, float), (len(AT), 1)), names)
        for quantity, values in {
            q.RANK_SECONDS_WORST: (0.21, 0.4),
            q.RANK_SECONDS_OTHERS: (0.2, 0.2),
            q.RANK_SECONDS_WORST_RANK: (1, 2),
            q.RANK_WAIT_EXCESS: (0, 0),
            q.STEP_SECONDS: (0.5, 0.5),
        }.items()
    }
    finding = the_finding(RULE, replace(SICK, tables={**SICK.tables, **both}))
    assert finding.subject == "critic"


@pytest.mark.parametrize("seed", range(5))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings(RULE, healthy_run(seed))


def test_not_evaluated_on_few_or_no_comparisons() -> None:
    assert outcome(RULE, head(SICK, 3)).verdict is Verdict.NOT_EVALUATED
    missing = outcome(RULE, without(SICK, q.RANK_SECONDS_WORST)).missing
    assert missing == (q.RANK_SECONDS_WORST.name,)
