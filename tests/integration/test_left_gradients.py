"""What one player's backward pass leaves in the other's gradients, seen in trainings of two optimizers."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss

from helpers.rule_asserts import findings_if_any
from helpers.tiny_trainings import read
from tb_lossdiag import SummaryWriter
from tb_lossdiag.quantities import BACKWARD_NORM, LEFT_NORM
from tb_lossdiag.rules.loop.gradients_of_another import GradientsOfAnother
from tb_lossdiag.rules.loss_terms.accumulation_not_divided import AccumulationNotDivided
from tb_lossdiag.run import Run

STEPS = 40


def _judged(judge: nn.Module, x: Tensor, real: float) -> Tensor:
    scores = judge(x)
    return binary_cross_entropy_with_logits(scores, torch.full_like(scores, real))


def _players() -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(0)
    maker = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
    return maker, nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 1))


def play(folder: Path, reset: str, *, first: str = "D") -> Run:
    """Two players in turns; `reset`: where the judge's gradients are reset."""
    maker, judge = _players()
    g = torch.optim.Adam(maker.parameters(), lr=1e-3)
    d = torch.optim.Adam(judge.parameters(), lr=1e-3)
    with SummaryWriter(folder) as writer:
        for name in ("D", "G") if first == "D" else ("G", "D"):
            writer.watch(*((judge, d) if name == "D" else (maker, g)), name=name)
        for step in range(STEPS):
            made = maker(torch.randn(32, 4))
            if reset == "before":
                d.zero_grad()
            if reset == "frozen":
                judge.requires_grad_(True)
            loss = _judged(judge, torch.randn(32, 2), 1.0) + _judged(judge, made.detach(), 0.0)
            loss.backward()
            d.step()
            if reset in {"after", "frozen"}:
                d.zero_grad()
            judge.requires_grad_(reset != "frozen")
            g.zero_grad()
            _judged(judge, made, 1.0).backward()
            g.step()
            writer.add_diagnostics(loss=loss, global_step=step)
    return read(folder)


def _left(run: Run, name: str) -> tuple[float, float]:
    """The largest of what was left, over the norm at the end of the passes; and how often it was looked at."""
    table = run[LEFT_NORM]
    left = table.column(name).astype(float)
    known = np.isfinite(left)
    at = np.isin(run[BACKWARD_NORM].steps, table.steps[known])
    ends = run[BACKWARD_NORM].column(name)[at]
    return float(np.max(left[known] / ends, initial=-1.0)), int(known.sum())


@pytest.mark.parametrize("first", ["D", "G"])
@pytest.mark.parametrize("reset", ["after", "never"])
def test_a_judge_steps_with_what_its_maker_left(tmp_path: Path, reset: str, first: str) -> None:
    share, looks = _left(play(tmp_path, reset, first=first), "D")
    assert looks > 3
    assert share > 0.1


@pytest.mark.parametrize("reset", ["before", "frozen"])
def test_nothing_is_left_where_it_is_reset_or_does_not_arrive(tmp_path: Path, reset: str) -> None:
    share, looks = _left(play(tmp_path, reset), "D")
    assert looks > 3
    assert share == 0


def _in_turns(folder: Path, *, whole: bool) -> Run:
    """One line trains both; `whole`: gradients of all are reset before each pass, else those of the own player after it."""
    maker, judge = _players()
    players = {"G": (maker, 1.0), "D": (judge, 0.0)}
    with SummaryWriter(folder) as writer:
        optimizers = {name: torch.optim.Adam(m.parameters()) for name, (m, _) in players.items()}
        for name, (model, _) in players.items():
            writer.watch(model, optimizers[name], name=name)
        for step in range(STEPS):
            for name, (_, wanted) in players.items():
                made = maker(torch.randn(32, 4))
                loss = _judged(judge, made if name == "G" else made.detach(), wanted)
                if whole:
                    maker.zero_grad()
                    judge.zero_grad()
                loss.backward()
                optimizers[name].step()
                if not whole:
                    optimizers[name].zero_grad()
                writer.add_scalar(f"loss/{name}", loss, step)
    return read(folder)


def test_players_may_share_the_line_of_their_passes(tmp_path: Path) -> None:
    """As in a loop over (optimizer, loss): what a pass does not reach was another's."""
    share, looks = _left(_in_turns(tmp_path / "after", whole=False), "D")
    assert looks > 3
    assert share > 0.1
    share, looks = _left(_in_turns(tmp_path / "before", whole=True), "D")
    assert looks > 3
    assert share == 0


def _of_three(folder: Path, *, reset: bool) -> Run:
    """Soft actor-critic: the policy's loss reaches the critic, then the entropy's weight has a step of its own."""
    torch.manual_seed(0)
    actor, critic, weight = nn.Linear(4, 2), nn.Linear(2, 1), nn.Linear(1, 1)
    models = {"critic": critic, "actor": actor, "weight": weight}
    steps = {name: torch.optim.Adam(model.parameters()) for name, model in models.items()}
    with SummaryWriter(folder) as writer:
        for name, model in models.items():
            writer.watch(model, steps[name], name=name)
        for step in range(STEPS):
            loss = mse_loss(critic(torch.randn(32, 2)), torch.randn(32, 1))
            if reset:
                steps["critic"].zero_grad()
            loss.backward()
            steps["critic"].step()
            if not reset:
                steps["critic"].zero_grad()
            steps["actor"].zero_grad()
            (-critic(actor(torch.randn(32, 4))).mean()).backward()
            steps["actor"].step()
            steps["weight"].zero_grad()
            weight(torch.randn(8, 1)).mean().backward()
            steps["weight"].step()
            writer.add_diagnostics(loss=loss, global_step=step)
    return read(folder)


def test_a_third_ones_pass_adds_to_nothing(tmp_path: Path) -> None:
    """It comes after what the policy left, and before the reset."""
    share, looks = _left(_of_three(tmp_path / "reset", reset=True), "critic")
    assert looks > 3
    assert share == 0
    run = _of_three(tmp_path / "left", reset=False)
    share, looks = _left(run, "critic")
    assert looks > 3
    assert share > 0.1
    assert findings_if_any(GradientsOfAnother(), run)


def test_nothing_reaches_the_maker(tmp_path: Path) -> None:
    assert _left(play(tmp_path, "after"), "G")[0] <= 0


def test_two_optimizers_that_use_the_same_pass(tmp_path: Path) -> None:
    """A model of two parts, each with an optimizer of its own, one of which steps every fourth time."""
    body, head = _players()
    often = torch.optim.Adam(body.parameters(), lr=1e-3)
    seldom = torch.optim.Adam(head.parameters(), lr=1e-3)
    with SummaryWriter(tmp_path) as writer:
        writer.watch(body, often, name="body")
        writer.watch(head, seldom, name="head")
        for step in range(STEPS):
            loss = mse_loss(head(body(torch.randn(32, 4))), torch.randn(32, 1))
            loss.backward()
            often.step()
            often.zero_grad()
            if step % 4 == 3:
                seldom.step()
                seldom.zero_grad()
            writer.add_diagnostics(loss=loss, global_step=step)
    run = read(tmp_path)
    left = run[LEFT_NORM].column("head") if LEFT_NORM in run else np.array([math.nan])
    assert not np.isfinite(left).any(), "its own passes add up"
    assert not findings_if_any(AccumulationNotDivided(), run), "over as many steps of the other"
