from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from helpers.rule_asserts import findings, findings_if_any, the_finding
from made.changes import with_players
from made.check_ups import with_tables
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import LOSS_TERM
from tb_lossdiag.records import table
from tb_lossdiag.rules.loss_terms.players_agree import PlayersAgree
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = PlayersAgree()
RUN = with_players(healthy_run(1), 1.2, 1.0)
RECORDS = np.arange(200)


def both(judge: npt.ArrayLike, maker: npt.ArrayLike, names: tuple[str, ...] = ("D", "G")) -> Run:
    """Two players with these losses from record 120 on, and others before."""
    late = RECORDS >= 120
    losses = np.stack([np.where(late, judge, 1.4), np.where(late, maker, 0.7)], axis=1)
    return with_tables(RUN, [table(LOSS_TERM, RUN[LOSS_TERM].steps, losses, names)])


SICK = both(0.01, 0.002)


def test_fires_where_both_have_won() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.severity is Severity.WARNING
    assert finding.subject == "G"
    assert "`D` is at 0.01, 0.714% of its start" in finding.message.en
    assert "`G` is at 0.002" in finding.message.en


@pytest.mark.parametrize(
    ("judge", "maker", "fires"),
    [
        (0.069, 0.002, True),
        (0.071, 0.002, False),
        (0.01, 0.0099, True),
        (0.01, 0.0101, False),  # no maker pays that little to a judge that sure
        (0.01, 4.6, False),  # the judge has won
        (np.where(RECORDS % 20, 0.01, 0.5), 0.002, True),  # it is fooled now and then
        (np.where(RECORDS % 8, 0.01, 0.5), 0.002, False),
    ],
)
def test_the_bounds(judge: npt.ArrayLike, maker: npt.ArrayLike, fires: bool) -> None:
    assert bool(findings(RULE, both(judge, maker))) is fires


def test_a_maker_of_another_scale_was_low_from_the_start() -> None:
    losses = np.stack([np.where(RECORDS >= 120, 0.01, 1.4), np.full(200, 0.002)], axis=1)
    low = with_tables(RUN, [table(LOSS_TERM, RUN[LOSS_TERM].steps, losses, ("D", "G"))])
    assert not findings(RULE, low)


def test_losses_that_may_be_negative_are_not_judged() -> None:
    assert outcome(RULE, both(-0.5, 0.002)).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, both(0.01, -0.002)).verdict is Verdict.NOT_EVALUATED


def test_each_term_must_be_somebodys() -> None:
    more = both(0.01, 0.002)[LOSS_TERM]
    values = np.concatenate([more.values, more.values[:, :1]], axis=1)
    run = with_tables(RUN, [table(LOSS_TERM, more.steps, values, ("D", "G", "adversarial"))])
    assert outcome(RULE, run).verdict is Verdict.NOT_EVALUATED


def test_needs_records() -> None:
    few = SICK[LOSS_TERM]
    late = slice(110, 200)
    rows = {name: getattr(few, name)[late] for name in ("steps", "values", "walltimes")}
    short = replace(few, **rows)
    assert outcome(RULE, with_tables(RUN, [short])).verdict is Verdict.NOT_EVALUATED


@pytest.mark.parametrize("seed", range(5))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings_if_any(RULE, healthy_run(seed))
    assert not findings(RULE, with_players(healthy_run(seed), 1.2, 1.0))
