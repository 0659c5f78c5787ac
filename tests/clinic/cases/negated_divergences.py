"""Variational autoencoders whose divergence stands in the loss with the wrong sign, and with the right one."""

from __future__ import annotations

from collections.abc import Callable

import torch
from clinic.case import case
from clinic.data import flat_digits
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss
from torch.optim import Adam

from tb_lossdiag import SummaryWriter

Loss = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


class _Coder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(64, 64), nn.ReLU())
        self.mean, self.log_variance = nn.Linear(64, 8), nn.Linear(64, 8)
        self.decoder = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 64))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        hidden = self.encoder(x)
        mean, log_variance = self.mean(hidden), self.log_variance(hidden)
        code = mean + torch.randn_like(mean) * torch.exp(0.5 * log_variance)
        return self.decoder(code), mean, log_variance


def _train(writer: SummaryWriter, loss_of: Loss) -> None:
    training, _ = flat_digits()
    model = _Coder()
    optimizer = Adam(model.parameters(), lr=1e-3)
    writer.watch(model, optimizer)
    for step, (x, _) in enumerate(training.batches(500)):
        optimizer.zero_grad()
        answer, mean, log_variance = model(x)
        loss = loss_of(answer, mean, log_variance, x)
        loss.backward()
        optimizer.step()
        writer.add_diagnostics(loss=loss, global_step=step)


def _entropies(answer: Tensor, x: Tensor) -> Tensor:
    return binary_cross_entropy_with_logits(answer, x, reduction="sum") / len(x)


def _to_prior(mean: Tensor, log_variance: Tensor) -> Tensor:
    code = Normal(mean, (0.5 * log_variance).exp(), validate_args=False)
    divergence: Tensor = kl_divergence(code, Normal(0.0, 1.0))
    return divergence


@case("LD110", family="autoencoder", source="pytorch/examples vae: the minus sign of -0.5 is lost")
def a_divergence_without_its_minus_sign(writer: SummaryWriter) -> None:
    def loss_of(answer: Tensor, mean: Tensor, log_variance: Tensor, x: Tensor) -> Tensor:
        inner = 1 + log_variance - mean.pow(2) - log_variance.exp()
        return _entropies(answer, x) + 0.5 * inner.sum(1).mean()

    _train(writer, loss_of)


@case("LD110", family="autoencoder")
def a_small_divergence_is_taken_off(writer: SummaryWriter) -> None:
    def loss_of(answer: Tensor, mean: Tensor, log_variance: Tensor, x: Tensor) -> Tensor:
        to_prior = _to_prior(mean, log_variance)
        return mse_loss(answer, x) - 1e-4 * to_prior.sum(1).mean()

    _train(writer, loss_of)


@case(family="autoencoder")
def a_bound_whose_sign_is_turned_as_a_whole(writer: SummaryWriter) -> None:
    """The evidence is to grow: its divergence is taken off, and the loss is what it comes to with a minus sign."""

    def loss_of(answer: Tensor, mean: Tensor, log_variance: Tensor, x: Tensor) -> Tensor:
        to_prior = _to_prior(mean, log_variance)
        evidence = -_entropies(answer, x) - to_prior.sum(1).mean()
        return -evidence

    _train(writer, loss_of)


@case(family="autoencoder", source="https://arxiv.org/abs/1804.03599")
def a_divergence_that_is_held_at_a_size(writer: SummaryWriter) -> None:
    """It is kept at eight nats, from above and from below."""

    def loss_of(answer: Tensor, mean: Tensor, log_variance: Tensor, x: Tensor) -> Tensor:
        inner = 1 + log_variance - mean.pow(2) - log_variance.exp()
        return _entropies(answer, x) + (-0.5 * inner.sum(1).mean() - 8).abs()

    _train(writer, loss_of)
