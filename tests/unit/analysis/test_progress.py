from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from made.changes import changed, head, with_loss, without
from made.check_ups import check_steps, with_tables
from made.healthy import healthy_run
from made.loss_calls import with_call
from tb_lossdiag.analysis.progress import below_baseline, broke, fall, has_learned
from tb_lossdiag.quantities import EXTRA, LOSS, LOSS_TERM, STEPS
from tb_lossdiag.records import table
from tb_lossdiag.run import Run

RUN = healthy_run(1)


def losing(share: float) -> Run:
    return with_call(with_loss(RUN, np.linspace(2, 2 * (1 - share), 200)), "mse_loss", value=0.1)


def test_fall_is_the_share_of_the_start() -> None:
    assert fall(losing(0.5)) == pytest.approx(0.5, abs=0.02)
    assert fall(losing(-1.0)) == pytest.approx(-1.0, abs=0.05)


def test_a_leap_at_the_start_wins_nothing() -> None:
    leap = np.concatenate(([2.3, 15.0, 20.0], np.full(197, 2.3)))
    assert fall(with_loss(RUN, leap)) == pytest.approx(0.0)


def test_unknown_where_shares_mean_nothing() -> None:
    assert fall(with_loss(RUN, np.linspace(1, -1, 200))) is None
    assert fall(head(losing(0.5), 9)) is None
    assert fall(without(RUN, LOSS)) is None


def test_an_agents_loss_tells_nothing() -> None:
    agent = changed(losing(0.6), EXTRA, 1.0, ("reward",))
    assert fall(agent) is None
    assert has_learned(agent, 0.5) is None
    assert below_baseline(agent) is None


def test_learning_needs_the_fall_a_constant_answer_beaten_and_no_break() -> None:
    assert has_learned(losing(0.6), 0.5) is True
    assert has_learned(losing(0.4), 0.5) is False
    assert has_learned(with_call(losing(0.6), "mse_loss", value=1.2, baseline=1.0), 0.5) is False
    broken = np.linspace(2, 0.1, 200)
    broken[100] = np.inf
    assert broke(with_loss(RUN, broken))
    assert has_learned(with_loss(RUN, broken), 0.5) is False
    assert has_learned(without(losing(0.6), LOSS), 0.5) is None


def test_one_call_below_its_baseline_is_enough() -> None:
    assert below_baseline(with_call(RUN, "mse_loss", value=0.9, baseline=1.0)) is True
    assert below_baseline(with_call(RUN, "mse_loss", value=0.9, baseline=np.nan)) is None
    assert below_baseline(Run("r")) is None


@pytest.mark.parametrize(
    ("end", "logged", "learned"), [(0.7, 1.0, True), (1.1, 1.0, False), (0.7, 3.0, False)]
)
def test_a_loss_that_came_below_after_the_last_check_up_counts(
    end: float, logged: float, learned: bool
) -> None:
    """Check-ups grow rare: the newest may be from a time when a constant answer was as good. A loss of another scale tells nothing."""
    values = np.concatenate((np.geomspace(4.0, 1.1, 40), np.linspace(1.1, end, 160)))
    run = with_loss(RUN, logged * values)
    rows = np.searchsorted(run[LOSS].steps, check_steps(run[LOSS].steps))
    called = np.where(rows < 60, values[rows], np.nan)
    run = with_call(run, "mse_loss", value=called, baseline=1.0)
    assert below_baseline(run) is learned
    assert has_learned(run, 0.5) is learned


def _two_models(first: float, second: float, *, others: tuple[str, ...] = ("a", "b")) -> Run:
    """Two watched models, whose losses lose these shares; nothing is said of a sum."""
    values = np.linspace([2.0, 2.0], [2 - 2 * first, 2 - 2 * second], 200)
    steps = RUN[LOSS].steps
    tables = [
        table(STEPS, steps, np.ones((200, len(others))), others),
        table(LOSS_TERM, steps, values, ("a", "b")),
    ]
    seen = with_call(RUN, "mse_loss", value=0.1).tables
    kept = {name: each for name, each in seen.items() if name.startswith("call_")}
    return with_tables(replace(RUN, tables=kept), tables)


@pytest.mark.parametrize(
    ("run", "learned"),
    [
        (_two_models(0.9, 0.9), True),
        (_two_models(0.9, 0.4), None),  # of two players none need ever fall
        (_two_models(0.9, 0.9, others=("a", "b", "c")), None),
        (_two_models(1.1, 0.9), None),
    ],
)
def test_several_models_have_learned_when_each_has(run: Run, learned: bool | None) -> None:
    assert has_learned(run, 0.8) is learned


def test_only_the_models_that_are_asked_for_count() -> None:
    """What one model lacks did no harm where that model learned, whatever the other did."""
    run = _two_models(0.9, 0.4)
    assert has_learned(run, 0.8, ["a"]) is True
    assert has_learned(run, 0.8, ["b"]) is None
    assert has_learned(run, 0.8, ["a", "b"]) is None
    assert has_learned(_two_models(0.9, 0.9), 0.8, ["none of them"]) is True
    assert has_learned(_two_models(0.9, 0.9, others=("a",)), 0.8, ["a"]) is None
