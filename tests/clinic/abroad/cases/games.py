"""Plain loops of two players: the usual losses of a GAN, each watched with an optimizer of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from clinic.abroad import patient
from clinic.data import flat_digits
from clinic.nets import discriminator, generator
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss, relu
from torch.optim import Adam, Optimizer, RMSprop

from tb_lossdiag import SummaryWriter


class Losses(NamedTuple):
    """Of a judge that sees real and forged pictures, and of the forger."""

    judge: Callable[[Tensor, Tensor], Tensor]
    forge: Callable[[Tensor], Tensor]


def _bce(judged: Tensor, truth: float) -> Tensor:
    return binary_cross_entropy_with_logits(judged, torch.full_like(judged, truth))


def _square(judged: Tensor, truth: float) -> Tensor:
    return mse_loss(judged, torch.full_like(judged, truth))


ENTROPY = Losses(lambda real, fake: _bce(real, 1) + _bce(fake, 0), lambda fake: _bce(fake, 1))
SQUARES = Losses(
    lambda real, fake: (_square(real, 1) + _square(fake, 0)) / 2, lambda fake: _square(fake, 1)
)
HINGE = Losses(
    lambda real, fake: relu(1 - real).mean() + relu(1 + fake).mean(), lambda f: -f.mean()
)
WASSERSTEIN = Losses(lambda real, fake: fake.mean() - real.mean(), lambda fake: -fake.mean())


@dataclass
class Play:
    """How a game is played.

    Attributes:
        losses: of both.
        rate: of the forger.
        judges_rate: of the judge.
        turns: of the judge for each of the forger.
        width: of the judge.
        bound: of the judge's weights, after each of its turns; 0 for none.
        penalty: on the norm of the judge's gradient at its inputs.
        shown: what the forger shows the judge on its own turn.
        adam: rather than RMSprop.
    """

    losses: Losses = ENTROPY
    rate: float = 1e-3
    judges_rate: float = 5e-4
    turns: int = 1
    width: int = 64
    bound: float = 0.0
    penalty: float = 0.0
    shown: Callable[[Tensor], Tensor] = lambda made: made
    adam: bool = True


def _steep(judge: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    mixed = torch.lerp(fake, real, torch.rand(len(real), 1)).requires_grad_()
    (slope,) = torch.autograd.grad(judge(mixed).sum(), mixed, create_graph=True)
    steep: Tensor = (slope.norm(dim=1) - 1).pow(2).mean()
    return steep


def _optimizer(model: nn.Module, rate: float, *, adam: bool) -> Optimizer:
    if adam:
        return Adam(model.parameters(), lr=rate, betas=(0.5, 0.999))
    return RMSprop(model.parameters(), lr=rate)


def play(writer: SummaryWriter, how: Play, steps: int = 300) -> None:
    """The judge's turns, then the forger's; each loss is recorded as a term of the step."""
    images = flat_digits()[0].x
    made, judge = generator(), discriminator(how.width)
    rates = ((made, how.rate), (judge, how.judges_rate))
    ours, its = (_optimizer(m, rate, adam=how.adam) for m, rate in rates)
    writer.watch(made, ours, name="generator")
    writer.watch(judge, its, name="discriminator")
    against = torch.zeros(())
    for step in range(steps):
        for _ in range(how.turns):
            real = images[torch.randint(len(images), (64,))]
            fake = made(torch.randn(64, 16)).detach()
            against = how.losses.judge(judge(real), judge(fake))
            if how.penalty:
                against = against + how.penalty * _steep(judge, real, fake)
            its.zero_grad()
            against.backward()
            its.step()
            if how.bound:
                with torch.no_grad():
                    for weight in judge.parameters():
                        weight.clamp_(-how.bound, how.bound)
        loss = how.losses.forge(judge(how.shown(made(torch.randn(64, 16)))))
        ours.zero_grad()
        loss.backward()
        ours.step()
        writer.add_diagnostics(
            loss_terms={"generator": loss, "discriminator": against}, global_step=step
        )


@patient(family="adversarial")
def a_game_of_entropies(writer: SummaryWriter) -> None:
    """The usual losses."""
    play(writer, Play())


@patient(family="adversarial")
def a_game_of_squares(writer: SummaryWriter) -> None:
    """Least squares: the judge's loss goes down to a small part of its start, and both go on."""
    play(writer, Play(SQUARES))


@patient(family="adversarial")
def a_game_with_a_hinge(writer: SummaryWriter) -> None:
    """The forger's loss has no bound below or above."""
    play(writer, Play(HINGE))


@patient(family="adversarial")
def a_critic_with_a_penalty(writer: SummaryWriter) -> None:
    """WGAN-GP: five turns of the critic, and a loss whose sign means nothing."""
    play(writer, Play(WASSERSTEIN, rate=5e-4, turns=5, penalty=10.0), 150)


@patient(family="adversarial")
def a_critic_between_bounds(writer: SummaryWriter) -> None:
    """WGAN: the weights are clipped."""
    play(writer, Play(WASSERSTEIN, rate=5e-4, turns=3, bound=0.05, adam=False), 200)


@patient(
    "LD601",
    "LD704",
    "LD110",
    "LD709",
    "LD608",
    family="adversarial",
    source="torchgan/torchgan PR 42, charlesyou999648/GAN-CIRCLE issue 2",
)
def a_critic_without_a_bound(writer: SummaryWriter) -> None:
    """Neither clipped nor penalised: the critic's scores grow without end."""
    play(writer, Play(WASSERSTEIN, rate=5e-4, judges_rate=5e-3, turns=5), 250)


@patient(
    "LD709",
    family="adversarial",
    source="simontomaskarlsson/GAN-MRI issue 11, BadourAlBahar/pose-with-style issue 23",
)
def a_judge_of_many_turns(writer: SummaryWriter) -> None:
    """Ten turns and a wide network: the judge is always right."""
    play(writer, Play(judges_rate=2e-3, turns=10, width=256), 150)


@patient(
    "LD204",
    "LD208",
    "LD605",
    "LD205",
    family="adversarial",
    source="nikhilsinghmus/image2reverb issue 37, wangle53/CSA-CDGAN issue 5",
)
def what_is_shown_was_cut_off(writer: SummaryWriter) -> None:
    """The forgeries are detached on the forger's own turn, too: it learns nothing."""
    play(writer, Play(shown=lambda made: made.detach()))


@patient(
    "LD411",
    "LD709",
    family="adversarial",
    hard=True,
    source="Zeleni9/pytorch-wgan PR 53, https-deeplearning-ai/GANs-Public issue 1",
)
def a_forger_that_wants_to_be_caught(writer: SummaryWriter) -> None:
    """Its loss has the judge's sign: both want forgeries to be told."""
    play(writer, Play(Losses(ENTROPY.judge, lambda fake: _bce(fake, 0))))
