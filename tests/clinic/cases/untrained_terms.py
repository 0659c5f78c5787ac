"""A term of the logged loss that no backward pass brings, and terms that come another way."""

from __future__ import annotations

import torch
from clinic.case import case
from clinic.data import flat_digits
from clinic.nets import mlp
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from torch.optim import Adam

from tb_lossdiag import SummaryWriter


class _Codes(nn.Module):
    """Digits as eight of 32 learned codes; hands out how far the encoder is from the codes it chose, both ways."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = mlp(64, 64, 64), mlp(64, 64, 64)
        self.codes = nn.Parameter(torch.randn(32, 8) / 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        encoded = self.encoder(x).unflatten(1, (8, 8))
        chosen = self.codes[torch.cdist(encoded, self.codes).argmin(2)]
        commitment = 0.25 * mse_loss(encoded, chosen.detach())
        near = mse_loss(chosen, encoded.detach()) + commitment
        return self.decoder((encoded + (chosen - encoded).detach()).flatten(1)), near


def _compressed(writer: SummaryWriter, way: str) -> None:
    """The term of the codes is logged with the loss; it is trained by that way, if by any."""
    training, _ = flat_digits()
    model = _Codes()
    optimizer = Adam(model.parameters(), lr=1e-3)
    writer.watch(model, optimizer)
    for step, (x, _) in enumerate(training.batches(300)):
        optimizer.zero_grad()
        rebuilt, near = model(x)
        data = mse_loss(rebuilt, x)
        loss = data + near
        (loss if way == "whole" else data).backward(retain_graph=True)
        if way == "a pass of its own":
            near.backward()
        if way == "by hand":
            parameters = list(model.parameters())
            by_hand = torch.autograd.grad(near, parameters, allow_unused=True)
            for parameter, more in zip(parameters, by_hand, strict=True):
                if more is not None:
                    parameter.grad = more if parameter.grad is None else parameter.grad + more
        writer.add_diagnostics(loss=loss, loss_terms={"data": data, "near": near}, global_step=step)
        optimizer.step()


@case("LD410", family="codebooks")
def codes_that_are_logged_alone(writer: SummaryWriter) -> None:
    """`loss = data + near` goes into the log, and `data.backward()` is called."""
    _compressed(writer, "not at all")


@case(family="codebooks")
def codes_with_a_pass_of_their_own(writer: SummaryWriter) -> None:
    _compressed(writer, "a pass of its own")


@case(family="codebooks")
def codes_whose_gradient_is_put_in_by_hand(writer: SummaryWriter) -> None:
    _compressed(writer, "by hand")


class _Means(nn.Module):
    """Digits as eight of 32 codes, which follow the mean of what chose them; they begin close together, as in van den Oord et al. 2017."""

    codes: Tensor
    size: Tensor
    total: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = mlp(64, 64, 64), mlp(64, 64, 64)
        self.register_buffer("codes", (2 * torch.rand(32, 8) - 1) / 32)
        self.register_buffer("size", torch.ones(32))
        self.register_buffer("total", self.codes.clone())

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        encoded = self.encoder(x).unflatten(1, (8, 8))
        with torch.no_grad():
            chosen = torch.cdist(encoded, self.codes).argmin(2).flatten()
            own = nn.functional.one_hot(chosen, 32).float()
            self.size.lerp_(own.sum(0), 0.2)
            self.total.lerp_(own.T @ encoded.flatten(0, 1), 0.2)
        codes = self.codes[chosen].view_as(encoded)
        self.codes = self.total / (self.size[:, None] + 1e-5)
        commitment = mse_loss(encoded, codes)
        return self.decoder((encoded + (codes - encoded).detach()).flatten(1)), commitment


@case(family="codebooks")
def codes_that_begin_close_together(writer: SummaryWriter) -> None:
    """At first one code is as good as another; a few steps later they are as far apart as what they stand for."""
    training, _ = flat_digits()
    model = _Means()
    optimizer = Adam(model.parameters(), lr=1e-3)
    writer.watch(model, optimizer)
    for step, (x, _) in enumerate(training.batches(300)):
        optimizer.zero_grad()
        rebuilt, commitment = model(x)
        loss = mse_loss(rebuilt, x) + 0.25 * commitment
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
