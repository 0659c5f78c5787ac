"""Where a loss' gradient arrives: at the model, or beside it."""

from __future__ import annotations

import math

import torch
from clinic.case import case
from clinic.data import flat_digits
from clinic.nets import mlp
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, mse_loss
from torch.optim import SGD, Adam

from tb_lossdiag import SummaryWriter


def _ring() -> Tensor:
    """Points near a circle."""
    angle = 2 * math.pi * torch.rand(128)
    return torch.stack([angle.cos(), angle.sin()], 1) + 0.1 * torch.randn(128, 2)


def _told_from_noise(writer: SummaryWriter, *, detached: bool) -> None:
    """A density is learned by telling data from noise; what it sums to is estimated beside it."""
    energy, log_z = mlp(2, 64, 64, 1), nn.Parameter(torch.zeros(1))
    optimizer = Adam([*energy.parameters(), log_z], lr=3e-3)
    writer.watch(energy, optimizer)
    for step in range(400):
        noise = 1.5 * torch.randn(128, 2)
        x = torch.cat([_ring(), noise])
        e = energy(x)[:, 0]
        if detached:
            e = e.detach()
        log_noise = -(x**2).sum(1) / (2 * 1.5**2) - math.log(2 * math.pi * 1.5**2)
        real = torch.cat([torch.ones(128), torch.zeros(128)])
        loss = binary_cross_entropy_with_logits(-e - log_z - log_noise, real)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        writer.add_diagnostics(loss=loss, global_step=step)


@case("LD208", family="densities", also=("LD104",))
def energies_that_are_detached(writer: SummaryWriter) -> None:
    _told_from_noise(writer, detached=True)


@case(family="densities")
def a_normaliser_is_learned_beside_the_energies(writer: SummaryWriter) -> None:
    _told_from_noise(writer, detached=False)


@case("LD208", family="MLP", also=("LD104", "LD523"))
def a_scale_of_copied_logits(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model, scale = mlp(64, 64, 10), nn.Parameter(torch.ones(1))
    optimizer = SGD(model.parameters(), lr=0.1)
    optimizer.add_param_group({"params": [scale], "lr": 0.01})
    writer.watch(model, optimizer)
    for step, (x, y) in enumerate(training.batches(300)):
        logits = model(x).data
        loss = cross_entropy(logits * scale, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        writer.add_diagnostics(loss=loss, global_step=step)


@case(family="MLP")
def two_models_of_one_optimizer_take_turns(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    encoder, predictor = mlp(64, 32, 8), mlp(8, 32, 64)
    reader = nn.Linear(8, 10)
    optimizer = Adam(
        [*encoder.parameters(), *predictor.parameters(), *reader.parameters()], lr=1e-3
    )
    writer.watch(encoder, optimizer)
    for step, (x, y) in enumerate(training.batches(400)):
        code = encoder(x)
        told = cross_entropy(reader(code.detach()), y)
        loss = mse_loss(predictor(code), x) if step % 2 else told
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        writer.add_diagnostics(loss_terms={"read" if step % 2 else "class": loss}, global_step=step)


def _turns(
    writer: SummaryWriter, *, detached: bool = False, together: bool = False, frozen: bool = False
) -> None:
    """A maker that is judged and compared, and its judge. `together`: both give their terms in one call."""
    maker, judge = mlp(10, 64, 8), mlp(8, 64, 1, activation=lambda: nn.LeakyReLU(0.2))
    making, judging = Adam(maker.parameters(), 1e-3), Adam(judge.parameters(), 1e-3)
    writer.watch(maker, making, name="maker")
    writer.watch(judge, judging, name="judge")
    mixing = torch.randn(6, 8) / 2
    yes, no = torch.ones(64, 1), torch.zeros(64, 1)
    for step in range(400):
        given = torch.randn(64, 6)
        real = (given @ mixing).tanh() + 0.3 * torch.randn(64, 8).sign()
        made = maker(torch.cat([given, torch.randn(64, 4)], 1))
        judge.requires_grad_(not frozen)
        shown = made.detach() if detached else made
        terms: dict[str, Tensor] = {
            "adversarial": binary_cross_entropy_with_logits(judge(shown), yes),
            "distance": (made - real).abs().mean(),
        }
        making.zero_grad()
        (terms["adversarial"] + terms["distance"]).backward()
        if not together:
            writer.add_diagnostics(loss_terms=terms, global_step=step)
        making.step()
        judge.requires_grad_(True)
        told = {
            "real": binary_cross_entropy_with_logits(judge(real), yes),
            "made": binary_cross_entropy_with_logits(judge(made.detach()), no),
        }
        judging.zero_grad()
        (told["real"] + told["made"]).backward()
        writer.add_diagnostics(loss_terms={**terms, **told} if together else told, global_step=step)
        judging.step()


@case("LD404", family="GAN")
def made_is_detached_before_it_is_judged(writer: SummaryWriter) -> None:
    _turns(writer, detached=True)


@case("LD404", family="GAN")
def made_is_detached_and_all_terms_are_given_together(writer: SummaryWriter) -> None:
    _turns(writer, detached=True, together=True)


@case(family="GAN")
def made_is_judged_and_compared(writer: SummaryWriter) -> None:
    _turns(writer)


@case(family="GAN")
def terms_of_both_players_are_given_together(writer: SummaryWriter) -> None:
    _turns(writer, together=True)


@case(family="GAN")
def the_judge_is_frozen_while_the_maker_learns(writer: SummaryWriter) -> None:
    _turns(writer, frozen=True, together=True)


def _control(writer: SummaryWriter, *, detached: bool) -> None:
    """An actor climbs what its critic says of its actions, and pays for large ones."""
    actor, critic = mlp(3, 64, 2), mlp(5, 64, 1)
    acting, judging = Adam(actor.parameters(), 1e-3), Adam(critic.parameters(), 3e-3)
    writer.watch(actor, acting, name="actor")
    writer.watch(critic, judging, name="critic")
    goal = torch.randn(3, 2)
    for step in range(500):
        state, tried = torch.randn(64, 3), 2 * torch.randn(64, 2)
        earned = -(tried - (state @ goal).tanh()).square().sum(1, keepdim=True)
        value = mse_loss(critic(torch.cat([state, tried], 1)), earned)
        judging.zero_grad()
        value.backward()
        judging.step()
        action = actor(state)
        judged = action.detach() if detached else action
        gain, effort = -critic(torch.cat([state, judged], 1)).mean(), action.square().mean()
        acting.zero_grad()
        (gain + 0.01 * effort).backward()
        acting.step()
        terms = {"gain": gain, "effort": (effort, 0.01), "critic": value}
        writer.add_diagnostics(loss_terms=terms, global_step=step)


@case("LD404", family="actor-critic")
def an_actor_whose_actions_are_detached(writer: SummaryWriter) -> None:
    _control(writer, detached=True)


@case(family="actor-critic")
def an_actor_that_climbs_its_critic(writer: SummaryWriter) -> None:
    _control(writer, detached=False)


@case(family="codebooks")
def one_pass_for_two_optimizers(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    codec = nn.ModuleDict({"encoder": mlp(64, 64, 16), "decoder": mlp(16, 64, 64)})
    book = nn.Embedding(32, 16)
    nn.init.normal_(book.weight, std=0.1)
    first, second = Adam(codec.parameters(), 1e-3), Adam(book.parameters(), 1e-2)
    writer.watch(codec, first, name="codec")
    writer.watch(book, second, name="book")
    for step, (x, _) in enumerate(training.batches(400)):
        code = codec["encoder"](x)
        chosen = book(torch.cdist(code, book.weight).argmin(1))
        picture = mse_loss(codec["decoder"](code + (chosen - code).detach()), x)
        book_of, held = mse_loss(chosen, code.detach()), mse_loss(code, chosen.detach())
        terms = {"picture": picture, "book": book_of, "commitment": (held, 0.25)}
        loss = picture + book_of + 0.25 * held
        first.zero_grad()
        second.zero_grad()
        loss.backward()
        first.step()
        second.step()
        writer.add_diagnostics(loss=loss, loss_terms=terms, global_step=step)
