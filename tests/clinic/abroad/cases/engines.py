"""Reinforcement learning whose answers come from an engine of its own, logged as verl logs it: nobody watches, the log alone is judged."""

from __future__ import annotations

from copy import deepcopy

import torch
from clinic.abroad import patient
from clinic.abroad.cases.policies import Actor, Grid, roll
from torch import Tensor
from torch.optim import Adam

from tb_lossdiag import SummaryWriter


def rounded(actor: Actor) -> Actor:
    """The engine: the actor with the weights that bfloat16 leaves of it."""
    engine = deepcopy(actor)
    with torch.no_grad():
        for weight in engine.parameters():
            weight.copy_(weight.bfloat16().float())
    return engine


def disagreement(engine: Tensor, trainer: Tensor) -> dict[str, float]:
    """What verl logs of the log-probabilities that both give to what the engine did."""
    ahead = trainer - engine
    weights = ahead.exp()
    return {
        "rollout_corr/k3_kl": float((weights - ahead - 1).mean()),
        "rollout_corr/rollout_is_eff_sample_size": float(weights.mean() ** 2 / (weights**2).mean()),
    }


def by_engine(writer: SummaryWriter, *, refreshed: int, rounds: int = 60) -> None:
    """Policy gradients from walks of the engine, whose weights are brought up to date every so many rounds; 0 for never."""
    actor = Actor()
    optimizer = Adam(actor.parameters(), lr=3e-3)
    grid, engine = Grid(16), rounded(actor)
    for step in range(rounds):
        if refreshed and step % refreshed == 0:
            engine = rounded(actor)
        walked = roll(engine, grid)
        chances, value = actor(walked.seen)
        likely = chances.log_prob(walked.action)
        gain = walked.returns - value.detach()
        gain = (gain - gain.mean()) / (gain.std() + 1e-8)
        loss = -(likely * gain).mean() + 0.5 * (value - walked.returns).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        logged = {
            "critic/score/mean": walked.reward,
            "actor/entropy": float(chances.entropy().mean()),
            **disagreement(walked.log_prob, likely.detach()),
        }
        for tag, number in logged.items():
            writer.add_scalar(tag, number, step)


@patient(family="reinforcement")
def an_engine_that_rounds(writer: SummaryWriter) -> None:
    """Other digits, the same policy."""
    by_engine(writer, refreshed=1)


@patient(
    "LDR08",
    family="reinforcement",
    source="verl-project/verl docs/algo/rollout_corr.md, arXiv 2605.14220",
)
def an_engine_that_never_hears_of_the_training(writer: SummaryWriter) -> None:
    """Its weights stay those of the first step."""
    by_engine(writer, refreshed=0)
