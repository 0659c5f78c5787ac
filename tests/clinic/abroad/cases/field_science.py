"""The field's own authors: equations, forces, tables of fields, sounds; each fault beside its sound twin.

What is right was written down before any of them was run. Particles came too near each other at first, so that single batches of the sound potential leapt, too.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from clinic.abroad import patient
from torch import Tensor, nn
from torch.autograd import grad
from torch.optim import LBFGS, Adam, AdamW

from tb_lossdiag import SummaryWriter


def _net(inputs: int, outputs: int, activation: type[nn.Module], width: int = 32) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, width), activation(), nn.Linear(width, width), activation(),
        nn.Linear(width, outputs),
    )  # fmt: skip


def _slope(y: Tensor, x: Tensor) -> Tensor:
    return grad(y, x, torch.ones_like(y), create_graph=True)[0]


class _Poisson:
    """u'' = -pi² sin(pi x) on [-1, 1], u = 0 on both ends, as a first PINN is written."""

    def __init__(self, activation: type[nn.Module]) -> None:
        self.net = _net(1, 1, activation)
        self.opt = Adam(self.net.parameters(), lr=2e-3)

    def loss(self) -> tuple[Tensor, dict[str, Tensor]]:
        x = (2 * torch.rand(128, 1) - 1).requires_grad_()
        ends = torch.tensor([[-1.0], [1.0]])
        u_xx = _slope(_slope(self.net(x), x), x)
        pde = (u_xx + math.pi**2 * torch.sin(math.pi * x)).pow(2).mean()
        bc = self.net(ends).pow(2).mean()
        return pde + 100 * bc, {"pde": pde, "bc": 100 * bc}

    def train(self, writer: SummaryWriter, epochs: int) -> None:
        writer.watch(self.net, self.opt)
        for epoch in range(epochs):
            self.opt.zero_grad()
            loss, terms = self.loss()
            loss.backward()
            writer.add_diagnostics(loss=loss, loss_terms=terms, global_step=epoch)
            self.opt.step()


@patient(
    "LD404",
    "LD406",
    "LD205",
    family="equations",
    source="https://github.com/lululxvi/deepxde/issues/80",
)
def field_a_laplacian_of_relus(writer: SummaryWriter) -> None:
    """The net bends nowhere: its second derivative is 0 whatever it learns, and the equation says nothing to it."""
    _Poisson(nn.ReLU).train(writer, 400)


@patient(family="equations", source="https://github.com/lululxvi/deepxde/issues/80")
def field_a_laplacian_of_tanhs(writer: SummaryWriter) -> None:
    """The same equation by a net that bends."""
    _Poisson(nn.Tanh).train(writer, 600)


def _burgers_data() -> tuple[Tensor, Tensor]:
    """A front that flattens: u_t = nu u_xx, nu = 0.3, from its exact solution."""
    x = torch.rand(300, 1) * 2 - 1
    t = torch.rand(300, 1)
    return torch.cat([x, t], 1), torch.exp(-0.3 * math.pi**2 * t) * torch.sin(math.pi * x)


def _inverse(writer: SummaryWriter, *, fixed: bool) -> float:
    """The coefficient that was found; 0.3 is right."""
    net = _net(2, 1, nn.Tanh)
    nu = torch.tensor([1.0], requires_grad=True)
    at, seen = _burgers_data()
    optimizer = Adam([*net.parameters(), nu] if fixed else net.parameters(), lr=5e-3)
    writer.watch(net, optimizer)
    for step in range(500):
        xt = at.clone().requires_grad_()
        u = net(xt)
        first = grad(u.sum(), xt, create_graph=True)[0]
        u_xx = grad(first[:, :1].sum(), xt, create_graph=True)[0][:, :1]
        data = ((u - seen) ** 2).mean()
        physics = ((first[:, 1:] - nu * u_xx) ** 2).mean()
        loss = data + 0.1 * physics
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(
            loss=loss, loss_terms={"data": data, "physics": 0.1 * physics}, global_step=step
        )
        optimizer.step()
    return float(nu.detach())


@patient(
    "LD603",
    "LD624",
    family="equations",
    source="https://github.com/tum-pbs/ConFIG/issues/10",
)
def field_a_coefficient_that_nobody_steps(writer: SummaryWriter) -> None:
    """The diffusivity that is to be found is a tensor beside the net: it gets gradients, and is in no optimizer."""
    _inverse(writer, fixed=False)


@patient(family="equations", source="https://github.com/tum-pbs/ConFIG/issues/10")
def field_a_coefficient_that_is_found(writer: SummaryWriter) -> None:
    """The same, with the coefficient appended to the optimizer's parameters."""
    _inverse(writer, fixed=True)


def _heat(writer: SummaryWriter, *, fixed: bool) -> None:
    """u_t = 0.1 u_xx by LBFGS' closure; the initial values come as a row or as a column."""
    net = _net(2, 1, nn.Tanh, 24)
    x0 = torch.linspace(-1, 1, 100)
    start = torch.stack([x0, torch.zeros(100)], 1)
    u0 = torch.sin(math.pi * x0).reshape(-1, 1) if fixed else torch.sin(math.pi * x0).reshape(1, -1)
    inside = torch.rand(400, 2) * torch.tensor([2.0, 1.0]) - torch.tensor([1.0, 0.0])
    optimizer = LBFGS(net.parameters(), lr=0.5, max_iter=5, line_search_fn="strong_wolfe")
    writer.watch(net, optimizer)

    def loss_of() -> tuple[Tensor, dict[str, Tensor]]:
        at = inside.clone().requires_grad_()
        first = _slope(net(at), at)
        second = _slope(first[:, :1], at)[:, :1]
        f = first[:, 1:] - 0.1 * second
        pde, ic = torch.mean(f**2), torch.mean((net(start) - u0) ** 2)
        return pde + ic, {"pde": pde, "ic": ic}

    for step in range(120):

        def closure() -> Tensor:
            optimizer.zero_grad()
            loss, _ = loss_of()
            loss.backward()
            return loss

        optimizer.step(closure)
        loss, terms = loss_of()
        writer.add_diagnostics(loss=loss, loss_terms=terms, global_step=step)


@patient("LD504", family="equations", source="https://github.com/frohrhofer/PINN_pareto/issues/1")
def field_a_row_of_initial_values(writer: SummaryWriter) -> None:
    """Initial values of [1, 100] against answers of [100, 1]: every point is asked for the values of all."""
    _heat(writer, fixed=False)


@patient(family="equations", source="https://github.com/frohrhofer/PINN_pareto/issues/1")
def field_a_column_of_initial_values(writer: SummaryWriter) -> None:
    """The same, with initial values of [100, 1]."""
    _heat(writer, fixed=True)


class _Potential(nn.Module):
    """Energies of four particles in the plane from their distances, and forces from its slope."""

    def __init__(self, sign: int) -> None:
        super().__init__()
        self.pair, self.sign = _net(1, 1, nn.SiLU), sign

    def forward(self, pos: Tensor) -> tuple[Tensor, Tensor]:
        pos = pos.detach().requires_grad_()
        i, j = torch.triu_indices(4, 4, 1)
        d = (pos[:, i] - pos[:, j]).norm(dim=-1, keepdim=True)
        energy = self.pair(d).sum((1, 2))
        forces = self.sign * grad(energy.sum(), pos, create_graph=True)[0]
        return energy, forces


def _particles(count: int = 800) -> tuple[Tensor, Tensor, Tensor]:
    """Morse-like pairs: places, energies, forces."""
    grid = torch.tensor([[0.0, 0.0], [0.0, 1.2], [1.2, 0.0], [1.2, 1.2]])
    pos = (grid + 0.1 * torch.randn(count, 4, 2)).requires_grad_()
    i, j = torch.triu_indices(4, 4, 1)
    d = (pos[:, i] - pos[:, j]).norm(dim=-1)
    energy = (1 - torch.exp(-2 * (d - 1.0))).pow(2).sum(1)
    forces = -grad(energy.sum(), pos)[0]
    energy = energy.detach()
    scale = energy.std()
    return pos.detach(), (energy - energy.mean()) / scale, forces / scale


def _atoms(writer: SummaryWriter, *, sign: int) -> float:
    """Error of the forces."""
    pos, energy, forces = _particles()
    model = _Potential(sign)
    optimizer = AdamW(model.parameters(), lr=3e-3)
    writer.watch(model, optimizer)
    for step in range(400):
        rows = torch.randint(700, (32,))
        e, f = model(pos[rows])
        loss_e = nn.functional.mse_loss(e, energy[rows])
        loss_f = nn.functional.mse_loss(f, forces[rows])
        loss = loss_e + loss_f
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(
            loss=loss, loss_terms={"energy": loss_e, "forces": loss_f}, global_step=step
        )
        optimizer.step()
    return float(nn.functional.mse_loss(model(pos[700:])[1], forces[700:]))


@patient(
    "LD405",
    "LD104",
    "LD112",
    family="potentials",
    source="https://github.com/torchmd/torchmd-net/issues/116",
)
def field_forces_without_their_minus(writer: SummaryWriter) -> None:
    """The loader gives forces and the model gives slopes: what makes the energy right makes the forces wrong."""
    _atoms(writer, sign=1)


@patient(family="potentials", source="https://github.com/torchmd/torchmd-net/issues/116")
def field_forces_with_their_minus(writer: SummaryWriter) -> None:
    """The same, with forces that are minus the slope."""
    _atoms(writer, sign=-1)


def _flow_fields(count: int = 600) -> tuple[Tensor, Tensor]:
    """Angle, speed and place to velocities near 1 and a pressure near 1000."""
    x = torch.rand(count, 4) * 2 - 1
    u = torch.sin(2 * x[:, 0]) * x[:, 1] + 0.5 * x[:, 2]
    v = torch.cos(2 * x[:, 3]) * x[:, 1] - 0.5 * x[:, 0]
    p = 900 * torch.tanh(x[:, 2] + x[:, 3]) + 300 * torch.sin(5 * x[:, 1] * x[:, 3])
    return x, torch.stack([u, v, p], 1)


def _surrogate(writer: SummaryWriter, *, by_channel: bool) -> list[float]:
    """Share of each channel's variance that is not explained."""
    x, y = _flow_fields()
    y = (y - y.mean(0)) / y.std(0) if by_channel else (y - y.mean()) / y.std()
    model = _net(4, 3, nn.GELU, 64)
    optimizer = Adam(model.parameters(), lr=1e-3)
    writer.watch(model, optimizer)
    for step in range(500):
        rows = torch.randint(500, (64,))
        loss = nn.functional.mse_loss(model(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
    with torch.no_grad():
        left = (model(x[500:]) - y[500:]).pow(2).mean(0) / y[500:].var(0)
    return [float(share) for share in left]


@patient("LD510", "LD401", family="surrogates", source="https://github.com/wandb/senpai/pull/227")
def field_a_pressure_among_velocities(writer: SummaryWriter) -> None:
    """One mean and one deviation for all channels: the pressure's are a thousand times the velocities', which are never learned."""
    _surrogate(writer, by_channel=False)


@patient(family="surrogates", source="https://github.com/wandb/senpai/pull/227")
def field_channels_of_one_size(writer: SummaryWriter) -> None:
    """The same, normalised by channel."""
    _surrogate(writer, by_channel=True)


def _mixtures(count: int) -> tuple[Tensor, Tensor]:
    """Tones in noise, and the tones alone."""
    time = torch.arange(128) / 128
    pitch, phase = torch.rand(count, 1) * 6 + 2, torch.rand(count, 1) * 6.28
    clean = torch.sin(2 * math.pi * pitch * time + phase)
    return clean + 0.7 * torch.randn_like(clean), clean


def _si_snr(estimate: Tensor, target: Tensor) -> Tensor:
    estimate = estimate - estimate.mean(-1, keepdim=True)
    target = target - target.mean(-1, keepdim=True)
    scale = (estimate * target).sum(-1, keepdim=True) / target.pow(2).sum(-1, keepdim=True)
    noise = estimate - scale * target
    ratio = (scale * target).pow(2).sum(-1) / (noise.pow(2).sum(-1) + 1e-8)
    return 10 * torch.log10(ratio + 1e-8).mean()


def _denoise(writer: SummaryWriter, *, sign: int) -> float:
    """Decibels of what is held out."""
    model: Any = nn.Sequential(
        nn.Conv1d(1, 16, 9, padding=4), nn.PReLU(), nn.Conv1d(16, 16, 9, padding=4), nn.PReLU(),
        nn.Conv1d(16, 1, 9, padding=4),
    )  # fmt: skip
    optimizer = Adam(model.parameters(), lr=2e-3)
    writer.watch(model, optimizer)
    for step in range(300):
        noisy, clean = _mixtures(16)
        loss = sign * _si_snr(model(noisy[:, None])[:, 0], clean)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
    noisy, clean = _mixtures(64)
    with torch.no_grad():
        return float(_si_snr(model(noisy[:, None])[:, 0], clean))


@patient("LD110", family="sounds", source="https://github.com/kaituoxu/Conv-TasNet/issues/42")
def field_a_ratio_that_is_made_small(writer: SummaryWriter) -> None:
    """The signal-to-noise ratio itself is the loss: the less of the voice is left, the better."""
    _denoise(writer, sign=1)


@patient(family="sounds", source="https://github.com/kaituoxu/Conv-TasNet/issues/42")
def field_a_ratio_that_is_made_large(writer: SummaryWriter) -> None:
    """Minus the ratio, which falls below nought and on as long as the voice gets clearer."""
    _denoise(writer, sign=-1)
