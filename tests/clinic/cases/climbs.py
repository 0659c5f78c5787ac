"""Losses that only rise: one by a sign, the others because what is asked gets harder."""

from __future__ import annotations

import torch
from clinic.case import case
from clinic.data import Batches, Samples, flat_digits, waves
from clinic.loops import Terms, fit, fit_terms
from clinic.nets import VAE, Code, Recurrent, mlp
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss
from torch.optim import SGD, Adam

from tb_lossdiag import SummaryWriter

_STEPS = 400


@case("LD104", "LD102", family="MLP", also=("LD602",))
def small_steps_uphill(writer: SummaryWriter) -> None:
    """`maximize=True` was left in, and the rate is small: the loss rises by a few hundredths."""
    training, _ = flat_digits()
    model = mlp(64, 64, 10)
    fit(writer, model, SGD(model.parameters(), lr=3e-3, maximize=True), training.batches(_STEPS))


@case(family="autoencoder")
def a_divergence_that_weighs_more_and_more(writer: SummaryWriter) -> None:
    """An autoencoder that was trained without it: the sum rises with the weight."""
    training, _ = flat_digits()
    model = VAE()
    optimizer = Adam(model.parameters(), lr=1e-3)
    for x, _ in training.batches(600):
        optimizer.zero_grad()
        mse_loss(model(x).image, x, reduction="none").sum(1).mean().backward()
        optimizer.step()
    weights = iter(torch.linspace(1e-3, 0.3, _STEPS + 1).tolist())

    def terms(code: Code, x: Tensor, _: Tensor) -> Terms:
        recon = mse_loss(code.image, x, reduction="none").sum(1).mean()
        return {"recon": recon, "kl": (code.divergence(), next(weights))}

    fit_terms(writer, model, optimizer, training.batches(_STEPS), terms)


@case(family="MLP")
def a_trained_model_under_growing_noise(writer: SummaryWriter) -> None:
    """What it reads gets noisier all along."""
    training, _ = flat_digits()
    model = mlp(64, 64, 10)
    optimizer = Adam(model.parameters(), lr=1e-3)
    _trained(model, optimizer, training)

    def noisier() -> Batches:
        for step, (x, y) in enumerate(training.batches(_STEPS)):
            yield x + 1.5 * step / _STEPS * torch.randn_like(x), y

    fit(writer, model, optimizer, noisier())


@case(family="RNN")
def a_forecaster_that_is_given_its_own_forecasts(writer: SummaryWriter) -> None:
    """Scheduled sampling (Bengio et al. 2015): more and more of what it reads is what it said itself."""
    data = waves()
    model = Recurrent(nn.GRU, inputs=1, outputs=1, each=True)
    optimizer = Adam(model.parameters(), lr=2e-3)
    _trained(model, optimizer, data, mse_loss)

    def sampled() -> Batches:
        for step, (x, y) in enumerate(data.batches(_STEPS)):
            with torch.no_grad():
                said = torch.cat([x[:, :1], model(x)[:, :-1]], 1)
            own = torch.rand_like(x) < step / _STEPS
            yield torch.where(own, said, x), y

    fit(writer, model, optimizer, sampled(), mse_loss)


def _trained(
    model: nn.Module, optimizer: torch.optim.Optimizer, data: Samples, loss_of: object = None
) -> None:
    """Before anybody records."""
    loss = loss_of if callable(loss_of) else cross_entropy
    for x, y in data.batches(400):
        optimizer.zero_grad()
        loss(model(x), y).backward()
        optimizer.step()
