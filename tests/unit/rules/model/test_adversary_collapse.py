from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from helpers.rule_asserts import findings, findings_if_any, the_finding
from made.changes import with_players
from made.healthy import healthy_run
from made.loss_calls import with_call
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.quantities import GLOBAL_NORM, LOSS_TERM, PLAYER_LOSS
from tb_lossdiag.rules.model.adversary_collapse import AdversaryCollapse
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = AdversaryCollapse()
RUN = healthy_run(1)
RECORDS = np.arange(200)


def won(floor: float = 1e-3, norm: float = 1e-3, since: int = 120) -> Run:
    late = since <= RECORDS
    return with_players(RUN, np.where(late, floor, 1.2), np.where(late, norm, 1.0))


SICK = won()


def renamed(run: Run, models: tuple[str, str], terms: tuple[str, str]) -> Run:
    tables = {
        GLOBAL_NORM.name: replace(run[GLOBAL_NORM], columns=models),
        LOSS_TERM.name: replace(run[LOSS_TERM], columns=terms),
    }
    return replace(run, tables={**run.tables, **tables})


@pytest.mark.parametrize(("norm", "word"), [(1e-3, "fell"), (100.0, "grew")])
def test_fires_when_the_generator_has_lost(norm: float, word: str) -> None:
    finding = the_finding(RULE, won(norm=norm))
    assert finding.subject == "G"
    assert word in finding.message.en


@pytest.mark.parametrize(
    ("models", "terms"),
    [
        (("discriminator", "generator"), ("loss_D", "lossG")),
        (("netD", "netG"), ("d/real", "gen loss")),
    ],
)
def test_knows_the_sides_by_their_names(models: tuple[str, str], terms: tuple[str, str]) -> None:
    assert the_finding(RULE, renamed(won(), models, terms)).subject == models[1]


def test_clear_just_above_the_floor_and_below_the_change() -> None:
    assert not findings(RULE, won(floor=0.075))
    assert findings(RULE, won(floor=0.045))
    assert not findings(RULE, won(norm=0.15))
    assert not findings(RULE, won(norm=6.0))


def test_a_quick_win_is_measured_against_the_very_start() -> None:
    """Measured on digits: five steps of the discriminator per step win within twenty."""
    floor = np.where(RECORDS < 12, 1.2, 0.03)
    assert findings(RULE, with_players(RUN, floor, np.where(RECORDS < 12, 1.0, 30.0)))


def test_being_ahead_for_a_while_is_part_of_the_game() -> None:
    assert not findings(RULE, won(since=170))
    back = np.where((RECORDS > 60) & (RECORDS < 150), 1e-3, 1.2)
    assert not findings(RULE, with_players(RUN, back, np.where(back < 1, 1e-3, 1.0)))


def test_a_balanced_game_is_healthy() -> None:
    assert not findings(RULE, with_players(RUN, np.full(200, 1.2), np.full(200, 1.0)))


def played(judge: npt.ArrayLike, maker: npt.ArrayLike, norm: npt.ArrayLike = 1.0) -> Run:
    """A game with these losses of both, and this gradient norm of the maker."""
    run = with_players(RUN, judge, np.broadcast_to(np.asarray(norm, float), 200))
    terms = run[LOSS_TERM].values.copy()
    terms[:, 1] = maker
    table = replace(run[LOSS_TERM], values=terms)
    return replace(run, tables={**run.tables, LOSS_TERM.name: table})


def given(run: Run) -> Run:
    """The same, told by a loss beside each model."""
    tables = {name: t for name, t in run.tables.items() if name != LOSS_TERM.name}
    losses = replace(run[LOSS_TERM], quantity=PLAYER_LOSS)
    return replace(run, tables={**tables, PLAYER_LOSS.name: losses})


def test_losses_may_be_given_with_each_model() -> None:
    finding = the_finding(RULE, given(won()))
    assert finding.evidence[0].quantity == PLAYER_LOSS.name
    assert not findings(RULE, given(won(since=170)))
    both = {PLAYER_LOSS.name: given(won(floor=1.2))[PLAYER_LOSS]}
    assert findings(RULE, replace(won(), tables={**won().tables, **both})), "terms are told first"


LOW = np.where(RECORDS < 12, 1.2, 1e-3)


def test_a_maker_that_is_told_each_time_has_lost_whatever_its_gradient() -> None:
    """Least squares: its loss cannot rise beyond 1, nor its gradient explode."""
    finding = the_finding(RULE, played(LOW, np.where(RECORDS < 12, 0.3, 1.0)))
    assert "rose from 0.3 to 1" in finding.message.en
    assert not findings(RULE, played(LOW, np.where(RECORDS < 12, 0.6, 1.0)))
    assert not findings(RULE, played(LOW, np.where(RECORDS < 12, 0.3, -1.0)))
    assert not findings(RULE, played(np.full(200, 1.2), np.where(RECORDS < 12, 0.3, 1.0)))


def sure(judge: float, maker: float, function: str = "binary_cross_entropy_with_logits") -> Run:
    """A judge that had nearly won before its first record, and a maker that began at 1.5."""
    run = played(np.full(200, judge), np.where(RECORDS < 12, 1.5, maker))
    return with_call(run, function)


def test_a_judge_that_had_learned_before_its_first_record() -> None:
    """Ten turns each: what it begins with is no start."""
    finding = the_finding(RULE, sure(0.065, 4.0))
    assert finding.subject == "G"
    assert "rose from 1.5 to 4" in finding.message.en
    assert not findings(RULE, sure(0.075, 4.0))
    assert findings(RULE, sure(0.065, 3.05))
    assert not findings(RULE, sure(0.065, 2.95))
    assert not findings(RULE, sure(0.065, 4.0, "mse_loss"))
    assert not findings(RULE, played(np.full(200, 0.065), np.where(RECORDS < 12, 2.1, 4.0)))


def test_a_strong_judge_is_fooled_now_and_then() -> None:
    for every, fires in ((30, True), (12, False)):
        fooled = np.where(RECORDS % every < 3, 1.2, LOW)
        assert bool(findings(RULE, played(fooled, np.where(RECORDS < 12, 0.3, 1.0)))) is fires
    late = np.where(RECORDS > 182, 1.2, LOW)
    assert not findings(RULE, played(late, np.where(RECORDS < 12, 0.3, 1.0)))


def test_the_gradient_is_measured_against_the_start_as_well() -> None:
    slowly = np.geomspace(0.1, 10, 200)
    assert "grew from 0.1" in the_finding(RULE, played(LOW, 0.9, slowly)).message.en


def ran(score: float, norm: float, start: float = -1.0) -> Run:
    grown = np.linspace(0, 1, 200)
    return played(-np.geomspace(-start, score, 200), grown * score, np.geomspace(1.0, norm, 200))


def test_a_critic_without_a_bound_runs_away() -> None:
    finding = the_finding(RULE, ran(600, 400))
    assert finding.subject == "D"
    assert "nothing bounds its scores" in finding.message.en
    assert "critic.parameters()" in finding.advice.en


@pytest.mark.parametrize(
    "run",
    [
        ran(60, 400),  # a distance between pictures
        ran(600, 10),
        ran(600, 400, start=-80.0),
        played(np.full(200, -600.0), 1.0, np.full(200, np.nan)),
    ],
)
def test_a_critic_that_is_bounded_is_left_alone(run: Run) -> None:
    assert not findings(RULE, run)


def test_losses_that_may_be_negative_have_no_floor() -> None:
    late = RECORDS >= 100
    run = with_players(RUN, np.where(late, -5.0, 1.2), np.where(late, 1e-3, 1.0))
    assert not findings(RULE, run)


def test_a_few_records_are_not_judged() -> None:
    few = replace(SICK[LOSS_TERM], values=np.full((200, 2), np.nan, np.float32))
    unknown = replace(SICK, tables={**SICK.tables, LOSS_TERM.name: few})
    assert outcome(RULE, unknown).verdict is Verdict.NOT_EVALUATED


@pytest.mark.parametrize("seed", range(12))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings_if_any(RULE, healthy_run(seed))


def test_evidence_is_the_winners_loss_and_the_losers_gradient() -> None:
    first, second = the_finding(RULE, won()).evidence
    gap = int(RUN[LOSS_TERM].steps[1])
    assert (first.quantity, first.column) == (LOSS_TERM.name, "D")
    assert (second.quantity, second.column) == (GLOBAL_NORM.name, "G")
    assert 120 * gap <= first.first_step <= 124 * gap
    assert first.last_step == 199 * gap


def test_models_that_are_no_adversaries_are_not_evaluated() -> None:
    pair = renamed(won(), ("encoder", "decoder"), ("recon", "kl"))
    assert outcome(RULE, pair).verdict is Verdict.NOT_EVALUATED
