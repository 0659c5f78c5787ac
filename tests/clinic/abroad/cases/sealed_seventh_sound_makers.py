"""The seventh lot, what is sound: makers and judges, noise, densities, codes, twins."""

from __future__ import annotations

import copy
from itertools import pairwise

import torch
from clinic.abroad import patient
from clinic.data import flat_digits, square_digits
from torch import Tensor, nn
from torch.optim import Adam, AdamW

from tb_lossdiag import SummaryWriter


def _mlp(*sizes: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), nn.SiLU()]
    return nn.Sequential(*layers[:-1])


def _ring(count: int) -> Tensor:
    """Points on a ring of eight heaps."""
    place = torch.randint(8, (count,)) * 0.785
    return torch.stack([place.cos(), place.sin()], 1) * 2 + 0.08 * torch.randn(count, 2)


def _hinged(writer: SummaryWriter) -> float:
    """Share of made points that lie on the ring."""
    maker, judge = _mlp(8, 96, 96, 2), _mlp(2, 96, 96, 1)
    g_opt = Adam(maker.parameters(), lr=5e-4, betas=(0.0, 0.9))
    d_opt = Adam(judge.parameters(), lr=1e-3, betas=(0.0, 0.9))
    writer.watch(maker, g_opt, name="generator")
    writer.watch(judge, d_opt, name="discriminator")
    average = copy.deepcopy(maker)
    for step in range(1200):
        real, fake = _ring(128), maker(torch.randn(128, 8))
        d_loss = (1 - judge(real)).relu().mean() + (1 + judge(fake.detach())).relu().mean()
        d_opt.zero_grad()
        d_loss.backward()
        writer.add_diagnostics(judge, loss=d_loss, global_step=step)
        d_opt.step()
        g_loss = -judge(fake).mean()
        g_opt.zero_grad()
        g_loss.backward()
        writer.add_diagnostics(maker, loss=g_loss, global_step=step)
        g_opt.step()
        with torch.no_grad():
            for kept, new in zip(average.parameters(), maker.parameters(), strict=True):
                kept.lerp_(new, 0.02)
    with torch.no_grad():
        radius = average(torch.randn(1000, 8)).norm(dim=1)
    return float(((radius - 2).abs() < 0.4).float().mean())


@patient(family="adversarial", source="https://arxiv.org/abs/1802.05957")
def seventh_a_hinge_that_swings(writer: SummaryWriter) -> None:
    """A GAN with hinge loss: both losses swing about for good, neither falls, and 99 % of the made points lie on the ring."""
    _hinged(writer)


class _Velocity(nn.Module):
    """Tells v from a noisy point and its time."""

    def __init__(self) -> None:
        super().__init__()
        self.net = _mlp(3, 128, 128, 2)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        v: Tensor = self.net(torch.cat([x, t], 1))
        return v


def _velocities(writer: SummaryWriter) -> float:
    """Share of drawn points that lie on the ring."""
    model = _Velocity()
    ema = copy.deepcopy(model).requires_grad_(requires_grad=False)
    optimizer = AdamW(model.parameters(), lr=2e-3)
    writer.watch(model, optimizer)
    for step in range(1500):
        x, noise, t = _ring(256), torch.randn(256, 2), torch.rand(256, 1)
        loss = nn.functional.mse_loss(model((1 - t) * noise + t * x, t), x - noise)
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
        for kept, new in zip(ema.parameters(), model.parameters(), strict=True):
            kept.lerp_(new.detach(), 0.01)
    x = torch.randn(1000, 2)
    for part in range(50):
        x = x + ema(x, torch.full((1000, 1), part / 50)) / 50
    return float(((x.norm(dim=1) - 2).abs() < 0.4).float().mean())


@patient(family="diffusion", source="https://arxiv.org/abs/2210.02747")
def seventh_a_flow_whose_loss_stands_still(writer: SummaryWriter) -> None:
    """Flow matching: what is foretold can't be known, so that the loss stands near 1.9 almost from the start; 98 % of the draws lie on the ring."""
    _velocities(writer)


class _Coupling(nn.Module):
    """One half scales and shifts the other."""

    def __init__(self, *, swap: bool) -> None:
        super().__init__()
        self.net, self.swap = _mlp(1, 48, 2), swap
        last = self.net[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        a, b = x.flip(1).chunk(2, 1) if self.swap else x.chunk(2, 1)
        scale, shift = self.net(a).chunk(2, 1)
        scale = 2 * scale.tanh()
        made = torch.cat([a, b * scale.exp() + shift], 1)
        return (made.flip(1) if self.swap else made), scale[:, 0]


def _density(writer: SummaryWriter) -> float:
    """Negative log likelihood of new points."""
    flow = nn.ModuleList(_Coupling(swap=bool(i % 2)) for i in range(6))
    optimizer = Adam(flow.parameters(), lr=2e-3)
    writer.watch(flow, optimizer)

    def nll(x: Tensor) -> Tensor:
        total = torch.zeros(len(x))
        for layer in flow:
            x, logdet = layer(x)
            total = total + logdet
        return (0.5 * x.square().sum(1) + 1.838 - total).mean()

    def points(count: int) -> Tensor:
        a = torch.randn(count, 1)
        return 0.1 * torch.cat([a, a.square() - 1 + 0.2 * torch.randn(count, 1)], 1)

    for step in range(700):
        loss = nll(points(128))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(flow.parameters(), 5.0)
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
    with torch.no_grad():
        return float(nll(points(2000)))


@patient(family="densities", source="https://arxiv.org/abs/1605.08803")
def seventh_a_density_of_small_things(writer: SummaryWriter) -> None:
    """A flow on points within 0.1: the likelihood of what is so dense is above 1, so that the loss goes far below nought, to -3.3 of -3.4, and stops."""
    _density(writer)


def _annealed(writer: SummaryWriter) -> float:
    """Squared error of held-out digits that are drawn again, against their variance."""
    data, held_out = flat_digits()
    encoder, decoder = _mlp(64, 128, 16), _mlp(8, 128, 64)
    model = nn.ModuleDict({"encoder": encoder, "decoder": decoder})
    optimizer = Adam(model.parameters(), lr=2e-3)
    writer.watch(model, optimizer)
    for step, (x, _) in enumerate(data.batches(600)):
        mean, logvar = encoder(x).chunk(2, 1)
        drawn = decoder(mean + (0.5 * logvar).exp() * torch.randn_like(mean))
        rec = 10 * (drawn - x).square().sum(1).mean()
        kl = (0.5 * (mean**2 + logvar.exp() - 1 - logvar)).mean(0).clamp(min=0.25).sum()
        beta = min(1.0, step / 300)
        loss = rec + beta * kl
        optimizer.zero_grad()
        loss.backward()
        terms = {"rec": rec, "kl": (kl, beta)}
        writer.add_diagnostics(loss=loss, loss_terms=terms, global_step=step)
        optimizer.step()
    x = held_out.x
    with torch.no_grad():
        error = (decoder(encoder(x).chunk(2, 1)[0]) - x).square().mean()
    return float(error / x.var(0).mean())


@patient(family="codes", source="https://arxiv.org/abs/1606.04934")
def seventh_a_divergence_that_is_let_rise(writer: SummaryWriter) -> None:
    """A VAE with free bits and a weight of the divergence that grows from 0: the divergence rises at first, as it may; eight numbers keep 73 % of a digit."""
    _annealed(writer)


def _twins(writer: SummaryWriter) -> float:
    """Accuracy of nearest neighbours among the features of held-out digits."""
    data, held_out = square_digits()
    net = nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(512, 128), nn.BatchNorm1d(128), nn.ReLU(),
        nn.Linear(128, 128), nn.BatchNorm1d(128, affine=False),
    )  # fmt: skip
    predictor = nn.Sequential(nn.Linear(128, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 128))
    both = nn.ModuleList([net, predictor])
    optimizer = torch.optim.SGD(both.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)
    writer.watch(both, optimizer)

    def view(x: Tensor) -> Tensor:
        x = x.roll((int(torch.randint(-1, 2, ())), int(torch.randint(-1, 2, ()))), (2, 3))
        return x * (torch.rand_like(x) > 0.1) + 0.1 * torch.randn_like(x)

    for step, (x, _) in enumerate(data.batches(400, 128)):
        z = [net(view(x)), net(view(x))]
        likeness = [
            nn.functional.cosine_similarity(predictor(z[i]), z[1 - i].detach()) for i in (0, 1)
        ]
        loss = -0.5 * torch.stack(likeness).mean(1).sum()
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
    net.eval()
    with torch.no_grad():
        known, new = (nn.functional.normalize(net(s.x), dim=1) for s in (data, held_out))
    return float((data.y[(new @ known.T).argmax(1)] == held_out.y).float().mean())


@patient(family="contrastive", source="https://arxiv.org/abs/2011.10566")
def seventh_twins_without_strangers(writer: SummaryWriter) -> None:
    """SimSiam: two views against each other with a stopped gradient; the loss is a negative cosine and ends near -0.7; 92 % have a neighbour of their kind."""
    _twins(writer)
