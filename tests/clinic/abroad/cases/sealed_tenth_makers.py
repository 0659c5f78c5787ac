"""The tenth lot: makers of pictures, and a forecaster."""

from __future__ import annotations

import torch
from clinic.abroad import sealed
from clinic.abroad.cases.sealed_tenth import take_step
from clinic.data import flat_digits
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from torch.optim import Adam

from tb_lossdiag import SummaryWriter


def _unlike(made: Tensor, real: Tensor) -> float:
    """How far the means and covariances of two sets of pictures are from each other, against the real ones' variance."""
    means = (made.mean(0) - real.mean(0)).square().sum()
    spread = (made.T.cov() - real.T.cov()).square().sum().sqrt()
    return float((means + spread) / real.var(0).sum())


def _gan(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Distance of what is made from held-out digits."""
    data, held_out = flat_digits()
    generator = nn.Sequential(
        nn.Linear(32, 128), nn.BatchNorm1d(128), nn.ReLU(), nn.Linear(128, 64), nn.Tanh()
    )
    discriminator = nn.Sequential(
        nn.Linear(64, 128), nn.LeakyReLU(0.2), nn.Linear(128, 1), nn.Sigmoid()
    )
    criterion = nn.BCELoss()
    optimizer_g = Adam(generator.parameters(), lr=2e-3, betas=(0.5, 0.999))
    optimizer_d = Adam(discriminator.parameters(), lr=2e-3, betas=(0.5, 0.999))
    writer.watch(generator, optimizer_g, name="generator")
    writer.watch(discriminator, optimizer_d, name="discriminator")
    real_label, fake_label = torch.ones(64, 1), torch.zeros(64, 1)
    for step, (x, _) in enumerate(data.batches(500)):
        if fixed:
            discriminator.zero_grad()
        err_real = criterion(discriminator(2 * x - 1), real_label)
        err_real.backward()
        fake = generator(torch.randn(64, 32))
        err_fake = criterion(discriminator(fake.detach()), fake_label)
        err_fake.backward()
        writer.add_diagnostics(discriminator, loss=err_real + err_fake, global_step=step)
        optimizer_d.step()
        generator.zero_grad()
        err_g = criterion(discriminator(fake), real_label)
        err_g.backward()
        writer.add_diagnostics(generator, loss=err_g, global_step=step)
        optimizer_g.step()
    generator.eval()
    with torch.no_grad():
        return _unlike((generator(torch.randn(1000, 32)) + 1) / 2, held_out.x)


@sealed(
    "LD606",
    "LD631",
    also=("LD709", "LD602", "LD202", "LD103", "LD102", "LD608", "LD105"),
    family="generators",
    source="https://github.com/Adversarial-Deep-Learning/code-soup/issues/69",
)
def tenth_a_judge_whose_gradients_pile_up(writer: SummaryWriter) -> None:
    """`generator.zero_grad()` is called in each step and `discriminator.zero_grad()` in none: all it was ever told is added up."""
    _gan(writer)


def _patches(count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Contexts of 32 values, the eight that follow, and the size of the wave, from 0.05 to 50, about a level near a thousand."""
    size = 10 ** torch.linspace(-1.3, 1.7, count)[torch.randperm(count), None]
    pace, phase = 0.2 + 0.4 * torch.rand(count, 1), 6.28 * torch.rand(count, 1)
    wave = (pace * torch.arange(40) + phase).sin() + 0.05 * torch.randn(count, 40)
    values = 1000 + 50 * torch.randn(count, 1) + size * wave
    return values[:, :32], values[:, 32:], size


def _statistics(x: Tensor, *, fixed: bool) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each patch; 1 where there is nearly none."""
    mean = x.mean(1, keepdim=True)
    if fixed:
        var = (x - mean).square().mean(1, keepdim=True)
    else:
        var = x.square().mean(1, keepdim=True) - mean.square()
    sigma = var.clamp(min=0).sqrt()
    return mean, torch.where(sigma < 1e-6, 1.0, sigma)


def _forecast(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Squared error of new calm series, against their variance."""
    x, y, _ = _patches(3000)
    net = nn.Sequential(
        nn.Linear(32, 96), nn.SiLU(), nn.Linear(96, 96), nn.SiLU(), nn.Linear(96, 8)
    )
    optimizer = Adam(net.parameters(), lr=2e-3)
    writer.watch(net, optimizer)
    for step in range(600):
        rows = torch.randint(len(x), (64,))
        mean, sigma = _statistics(x[rows], fixed=fixed)
        loss = mse_loss(net((x[rows] - mean) / sigma), (y[rows] - mean) / sigma)
        take_step(writer, optimizer, loss, step)
    x, y, size = _patches(600)
    calm = size[:, 0] < 0.5
    mean, sigma = _statistics(x, fixed=fixed)
    with torch.no_grad():
        error = net((x - mean) / sigma) * sigma + mean - y
    return float((error / size)[calm].square().mean() / 0.5)


@sealed(
    "LD510",
    "LD508",
    also=("LD103", "LD203", "LD105"),
    family="series",
    source="https://github.com/huggingface/transformers/pull/42099, https://github.com/vincent05r/FinCast-fts/pull/8",
    hard=True,
)
def tenth_a_variance_that_cancels_out(writer: SummaryWriter) -> None:
    """The variance of a patch is the mean of its squares less its squared mean, in float32: of calm series nothing right is left."""
    _forecast(writer)
