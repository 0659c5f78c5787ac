from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers.rule_asserts import findings, findings_if_any, the_finding
from made.changes import head, without
from made.healthy import healthy_run
from tb_lossdiag import quantities as q
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.records import Doubles, table
from tb_lossdiag.rules.machine.rank_loss_apart import RankLossApart
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = RankLossApart()
AT = np.array([0, 5, 10, 20, 40, 80, 160, 320, 640])


def told(
    worst: float | Doubles,
    others: float = 1.0,
    rank: float | Doubles = 3,
    std: float = 0.1,
    spread: float = 0.01,
    broke: float | Doubles = np.nan,
) -> Run:
    """Mean losses of ranks at each comparison."""
    none = np.zeros(len(AT))
    tables = (
        table(q.RANK_STEPS, AT, np.diff(AT, prepend=-1)),
        table(q.RANK_LOSS_WORST, AT, none + worst),
        table(q.RANK_LOSS_OTHERS, AT, none + others),
        table(q.RANK_LOSS_WORST_RANK, AT, none + rank),
        table(q.RANK_LOSS_STD, AT, none + std),
        table(q.RANK_LOSS_SPREAD, AT, none + spread),
        table(q.RANK_BROKEN_FIRST, AT, none + broke),
    )
    run = healthy_run(4)
    return replace(run, tables={**run.tables, **{t.quantity.name: t for t in tables}})


SICK = told(2.0)


def test_a_rank_of_other_data_is_named() -> None:
    finding = the_finding(RULE, SICK)
    assert "Rank 3 has a mean loss of 2 where the others have 1 (medians of 5 of 5" in (
        finding.message.en
    )
    assert (finding.first_step, finding.last_step) == (40, 640)


def test_a_rank_that_broke_first_is_named() -> None:
    finding = the_finding(RULE, told(1.0, broke=np.where(AT == 160, 2.0, np.nan)))
    assert "Rank 2 was the first" in finding.message.en
    assert "between step 81 and step 160" in finding.message.en


@pytest.mark.parametrize(
    ("run", "fires"),
    [
        (told(1.21), True),
        (told(1.19), False),
        (told(0.79), True),
        (told(0.81), False),
        (told(2.0, std=0.66), True),
        (told(2.0, std=1.01), False),
        (told(2.0, spread=0.11), True),
        (told(2.0, spread=0.12), False),
        (told(2.0, rank=np.array([0.0, 1, 2, 3] * 3)[: len(AT)]), False),
        (told(np.where(AT >= 256, 2.0, 1.0)), False),
        (told(np.where(AT >= 128, 2.0, 1.0)), True),
        (told(np.where(AT < 32, 2.0, 1.0)), False),
    ],
)
def test_bounds(run: Run, fires: bool) -> None:
    assert bool(findings(RULE, run)) is fires


@pytest.mark.parametrize("seed", range(5))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings_if_any(RULE, healthy_run(seed))


def test_not_evaluated_on_few_or_no_comparisons() -> None:
    assert outcome(RULE, head(SICK, 3)).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, without(SICK, q.RANK_LOSS_WORST)).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, without(SICK, q.RANK_STEPS)).missing == (q.RANK_STEPS.name,)
