"""Two optimizers of which one does what is the other's: left gradients, a maker that helps its judge."""

from __future__ import annotations

import torch
from clinic.case import case
from clinic.nets import mlp
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss
from torch.optim import Adam

from tb_lossdiag import SummaryWriter

_YES, _NO = torch.ones(64, 1), torch.zeros(64, 1)


def _ring() -> Tensor:
    """Points near a circle."""
    angle = 6.28 * torch.rand(64)
    return torch.stack([angle.cos(), angle.sin()], 1) + 0.05 * torch.randn(64, 2)


def _game(writer: SummaryWriter, label: Tensor, *, reset: str = "before", steps: int = 600) -> None:
    """A ring of points. `label`: what the maker wants to hear; `reset`: where the judge's gradients are reset."""
    maker, judge = mlp(8, 32, 2), mlp(2, 32, 1, activation=lambda: nn.LeakyReLU(0.2))
    making, judging = (Adam(n.parameters(), lr=1e-3, betas=(0.5, 0.9)) for n in (maker, judge))
    writer.watch(judge, judging, name="D")
    writer.watch(maker, making, name="G")
    for step in range(steps):
        made = maker(torch.randn(64, 8))
        if reset == "before":
            judging.zero_grad()
        judge.requires_grad_(True)
        judged = binary_cross_entropy_with_logits(judge(_ring()), _YES)
        judged = judged + binary_cross_entropy_with_logits(judge(made.detach()), _NO)
        judged.backward()
        judging.step()
        judge.requires_grad_(reset != "frozen")
        if reset != "before":
            judging.zero_grad()
        making.zero_grad()
        fooled = binary_cross_entropy_with_logits(judge(made), label)
        fooled.backward()
        making.step()
        writer.add_diagnostics(loss_terms={"D": judged, "G": fooled}, global_step=step)


@case("LD631", family="GAN")
def reset_after_the_judges_step_only(writer: SummaryWriter) -> None:
    _game(writer, _YES, reset="after")


@case(family="GAN")
def judge_is_frozen_in_the_makers_turn(writer: SummaryWriter) -> None:
    _game(writer, _YES, reset="frozen")


@case("LD411", family="GAN")
def maker_wants_to_be_found_out(writer: SummaryWriter) -> None:
    _game(writer, _NO, steps=700)


def _turns(writer: SummaryWriter, *, judge_last: bool, forgotten: float = 0.0) -> None:
    """Each player gives its own loss and its own terms at a step, as two calls; the judge's penalty may be left out of its loss."""
    maker, judge = mlp(8, 32, 2), mlp(2, 32, 1, activation=lambda: nn.LeakyReLU(0.2))
    making, judging = (Adam(n.parameters(), lr=1e-3, betas=(0.5, 0.9)) for n in (maker, judge))
    for step in range(400):
        made = maker(torch.randn(64, 8))
        judging.zero_grad()
        real = binary_cross_entropy_with_logits(judge(_ring()), _YES)
        fake = binary_cross_entropy_with_logits(judge(made.detach()), _NO)
        size = judge(made.detach()).square().mean()
        judged = real + fake + 0.5 * size * (1 - forgotten)
        judged.backward()
        terms = {"real": real, "fake": fake, "size": (size, 0.5)}
        judging.step()
        making.zero_grad()
        fooled = binary_cross_entropy_with_logits(judge(made), _YES)
        near = (made.square().sum(1) - 1).square().mean()
        (fooled + 0.1 * near).backward()
        making.step()
        of_maker = None if judge_last else {"fooled": fooled, "near": (near, 0.1)}
        calls = [(judged, terms), (fooled + 0.1 * near, of_maker)]
        for loss, parts in reversed(calls) if judge_last else calls:
            writer.add_diagnostics(loss=loss, loss_terms=parts, global_step=step)


@case(family="GAN")
def each_player_says_its_own_terms(writer: SummaryWriter) -> None:
    _turns(writer, judge_last=False)


@case(family="GAN")
def the_judge_says_its_terms_last(writer: SummaryWriter) -> None:
    _turns(writer, judge_last=True)


@case("LD403", family="GAN")
def the_judge_forgets_a_term(writer: SummaryWriter) -> None:
    _turns(writer, judge_last=True, forgotten=1.0)


def _pursuit(writer: SummaryWriter, *, reset_first: bool) -> None:
    """An actor moves towards a place, a critic learns what its moves are worth."""
    actor, critic = mlp(2, 32, 2), mlp(4, 32, 1)
    acting, judging = Adam(actor.parameters(), lr=1e-3), Adam(critic.parameters(), lr=1e-3)
    writer.watch(critic, judging, name="critic")
    writer.watch(actor, acting, name="actor")
    for step in range(500):
        place = torch.randn(64, 2)
        tried = actor(place).detach() + 0.3 * torch.randn(64, 2)
        reward = -(place - tried).square().sum(1, keepdim=True)
        if reset_first:
            judging.zero_grad()
        value = mse_loss(critic(torch.cat([place, tried], 1)), reward)
        value.backward()
        judging.step()
        if not reset_first:
            judging.zero_grad()
        acting.zero_grad()
        policy = -critic(torch.cat([place, actor(place)], 1)).mean()
        policy.backward()
        acting.step()
        writer.add_diagnostics(loss_terms={"value": value, "policy": policy}, global_step=step)


@case("LD631", family="RL")
def critic_keeps_what_the_actor_asks(writer: SummaryWriter) -> None:
    _pursuit(writer, reset_first=False)


@case(family="RL")
def actor_and_critic_in_turns(writer: SummaryWriter) -> None:
    _pursuit(writer, reset_first=True)


def _soft_pursuit(writer: SummaryWriter, *, reset: bool) -> None:
    """The same with an entropy, whose weight has an optimizer of its own and its step right after the actor's."""
    actor, critic, weight = mlp(2, 32, 2), mlp(4, 32, 1), nn.Linear(1, 1, bias=False)
    steps = {
        name: Adam(model.parameters(), lr=1e-3)
        for name, model in {"critic": critic, "actor": actor, "weight": weight}.items()
    }
    for name, model in {"critic": critic, "actor": actor, "weight": weight}.items():
        writer.watch(model, steps[name], name=name)
    for step in range(500):
        place, noise = torch.randn(64, 2), 0.3 * torch.randn(64, 2)
        tried = actor(place).detach() + noise
        value = mse_loss(
            critic(torch.cat([place, tried], 1)), -(place - tried).square().sum(1, keepdim=True)
        )
        if reset:
            steps["critic"].zero_grad()
        value.backward()
        steps["critic"].step()
        if not reset:
            steps["critic"].zero_grad()
        steps["actor"].zero_grad()
        policy = -critic(torch.cat([place, actor(place) + noise], 1)).mean()
        policy.backward()
        steps["actor"].step()
        steps["weight"].zero_grad()
        spread = noise.square().mean().view(1, 1)
        entropy = (weight(torch.ones(1, 1)).exp() * (spread - 0.1).detach()).mean()
        entropy.backward()
        steps["weight"].step()
        writer.add_diagnostics(loss_terms={"value": value, "policy": policy}, global_step=step)


@case(family="RL")
def three_optimizers_that_reset_before_their_passes(writer: SummaryWriter) -> None:
    """As in minimalRL's sac.py: the pass for the entropy's weight comes between what the actor left in the critic and the reset."""
    _soft_pursuit(writer, reset=True)


@case("LD631", family="RL")
def three_optimizers_and_a_reset_too_early(writer: SummaryWriter) -> None:
    _soft_pursuit(writer, reset=False)


@case(family="multi-task")
def the_head_steps_seldom(writer: SummaryWriter) -> None:
    """Two optimizers of one loss, of which one adds up four passes on purpose."""
    body, head = mlp(8, 32, 16), mlp(16, 16, 1)
    often, seldom = Adam(body.parameters(), lr=1e-3), Adam(head.parameters(), lr=3e-3)
    writer.watch(body, often, name="body")
    writer.watch(head, seldom, name="head")
    for step in range(800):
        x = torch.randn(64, 8)
        loss = mse_loss(head(body(x)), x.prod(1, keepdim=True).sign() + x[:, :1])
        loss.backward()
        often.step()
        often.zero_grad()
        if step % 4 == 3:
            seldom.step()
            seldom.zero_grad()
        writer.add_diagnostics(loss=loss, global_step=step)


@case(family="GAN", source="https://github.com/eriklindernoren/PyTorch-GAN (infogan)")
def codes_that_the_judge_reads_back(writer: SummaryWriter) -> None:
    """What the maker is given, the judge is asked for: two numbers of its code."""
    maker, judge = mlp(8, 64, 2), mlp(2, 64, 3, activation=lambda: nn.LeakyReLU(0.2))
    making, judging = (Adam(n.parameters(), lr=1e-3, betas=(0.5, 0.9)) for n in (maker, judge))
    reading = Adam([*maker.parameters(), *judge.parameters()], lr=1e-3)
    writer.watch(maker, making, name="maker")
    writer.watch(judge, judging, name="judge")
    for step in range(400):
        making.zero_grad()
        fooled = binary_cross_entropy_with_logits(judge(maker(torch.randn(64, 8)))[:, :1], _YES)
        fooled.backward()
        making.step()
        judging.zero_grad()
        judged = binary_cross_entropy_with_logits(judge(_ring())[:, :1], _YES)
        made = maker(torch.randn(64, 8)).detach()
        judged = judged + binary_cross_entropy_with_logits(judge(made)[:, :1], _NO)
        judged.backward()
        judging.step()
        reading.zero_grad()
        code = torch.randn(64, 8)
        read = mse_loss(judge(maker(code))[:, 1:], code[:, :2])
        read.backward()
        reading.step()
        terms = {"maker": fooled, "judge": judged, "read": read}
        writer.add_diagnostics(loss_terms=terms, global_step=step)
