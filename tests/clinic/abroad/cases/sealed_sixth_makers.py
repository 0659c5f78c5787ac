"""The sixth lot: makers of pictures and paths, and codes that are to be few."""

from __future__ import annotations

import torch
from clinic.abroad import patient
from clinic.case import NO_CODE
from torch import Tensor, nn
from torch.optim import Adam

from tb_lossdiag import SummaryWriter


def _rays(count: int) -> tuple[Tensor, Tensor]:
    """Points float32[count, 24, 2] along vertical rays through a scene, and what is seen on white."""
    x = 2 * torch.rand(count, 1, 1) - 1
    z = torch.linspace(-1, 1, 24).view(1, 24, 1).expand(count, 24, 1)
    points = torch.cat([x.expand(count, 24, 1), z], 2)
    inside = (points[..., 0].abs() < 0.25) & (points[..., 1].abs() < 0.25)
    colour = 0.5 + 0.4 * (12 * points[..., 0]).sin()
    seen = _rendered(8.0 * inside.float(), colour, 2 / 24)
    return points, seen


def _rendered(sigma: Tensor, colour: Tensor, delta: float) -> Tensor:
    """Colour along rays, on a white background."""
    alpha = 1 - (-sigma * delta).exp()
    ones = torch.ones_like(alpha[:, :1])
    trans = torch.cumprod(torch.cat([ones, 1 - alpha + 1e-10], 1), 1)[:, :-1]
    weights = alpha * trans
    return (weights * colour).sum(1) + 1 - weights.sum(1)


class _Field(nn.Module):
    """Density and colour of points, from their Fourier features."""

    def __init__(self, *, fixed: bool) -> None:
        super().__init__()
        self.fixed = fixed
        self.net = nn.Sequential(
            nn.Linear(24, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2)
        )
        for values in self.net[-1].parameters():
            nn.init.constant_(values[:1], -0.02)  # thin at first

    def forward(self, points: Tensor) -> tuple[Tensor, Tensor]:
        waves = points[..., None] * (3.14 * 2.0 ** torch.arange(6))
        raw = self.net(torch.cat([waves.sin(), waves.cos()], -1).flatten(-2))
        density = nn.functional.softplus(raw[..., 0] - 1) if self.fixed else raw[..., 0].relu()
        return density, raw[..., 1].sigmoid()


def _scene(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Error of new views of a small thing before a white wall."""
    model = _Field(fixed=fixed)
    optimizer = Adam(model.parameters(), lr=1e-2)
    writer.watch(model, optimizer)
    for step in range(500):
        points, seen = _rays(64)
        sigma, colour = model(points)
        loss = nn.functional.mse_loss(_rendered(sigma, colour, 2 / 24), seen)
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
    points, seen = _rays(400)
    with torch.no_grad():
        sigma, colour = model(points)
        return float(nn.functional.mse_loss(_rendered(sigma, colour, 2 / 24), seen))


@patient(
    "LD701",
    "LD205",
    "LD705",
    family="fields",
    also=(
        "LD104",
        "LD523",
        "LD504",
    ),
    source="https://github.com/NVlabs/eg3d/issues/7, https://github.com/chenhsuanlin/bundle-adjusting-NeRF/issues/42",
)
def sixth_an_empty_scene(writer: SummaryWriter) -> None:
    """The density is a ReLU and most of the scene is white: it begins, or soon is, below nought everywhere, and no gradient is left."""
    _scene(writer)


def _activations(count: int) -> Tensor:
    """Activations of a model: four of ninety directions at a time, far from the origin."""
    draw = torch.Generator().manual_seed(11)
    directions = nn.functional.normalize(torch.randn(90, 24, generator=draw), dim=1)
    chosen = torch.rand(count, 90).topk(4, 1).indices
    strength = torch.zeros(count, 90).scatter(1, chosen, 0.5 + torch.rand(count, 4))
    return strength @ directions + 0.7 * torch.ones(24)


class _Crosscode(nn.Module):
    """A sparse autoencoder that keeps the largest latents; those idle for long try at what is left over."""

    def __init__(self) -> None:
        super().__init__()
        self.W_enc = nn.Parameter(0.2 * torch.randn(24, 128))
        self.W_dec = nn.Parameter(self.W_enc.detach().T.clone())
        self.b_enc, self.b_dec = nn.Parameter(torch.zeros(128)), nn.Parameter(torch.zeros(24))
        self.idle: Tensor
        self.register_buffer("idle", torch.zeros(128))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        pre = x @ self.W_enc + self.b_enc
        top = pre.topk(4, 1)
        z = torch.zeros_like(pre).scatter(1, top.indices, top.values.relu())
        recon = z @ self.W_dec + self.b_dec
        self.idle = torch.where((z > 0).any(0), 0.0, self.idle + 1)
        dead = self.idle > 10
        if not bool(dead.any()):
            return recon, 0.0 * recon.sum()
        spare = pre.masked_fill(~dead, -1e9).topk(min(16, int(dead.sum())), 1)
        revived = torch.zeros_like(pre).scatter(1, spare.indices, spare.values.relu())
        left = (x - recon).detach()
        return recon, (revived @ self.W_dec - left).pow(2).sum(1).mean()


def _codes(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Share of the variance of new activations that four latents leave unexplained."""
    model = _Crosscode()
    optimizer = Adam(model.parameters(), lr=1e-2)
    writer.watch(model, optimizer)
    lambda_aux = 1 / 2
    for step in range(700):
        x = _activations(256)
        recon, aux_loss = model(x)
        reconstruction_loss = (recon - x).pow(2).sum(1).mean()
        loss = reconstruction_loss + lambda_aux * aux_loss
        optimizer.zero_grad()
        (loss if fixed else reconstruction_loss).backward()
        writer.add_diagnostics(
            loss=loss,
            loss_terms={"reconstruction": reconstruction_loss, "aux": (aux_loss, lambda_aux)},
            global_step=step,
        )
        optimizer.step()
    x = _activations(2000)
    with torch.no_grad():
        return float((model(x)[0] - x).pow(2).mean() / x.var(0).mean())


@patient(
    "LD410",
    "LD404",
    family="codes",
    also=(
        "LD205",
        "LD714",
    ),
    source="https://github.com/oclivegriffin/crosscode/pull/3",
)
def sixth_idle_codes_that_nobody_revives(writer: SummaryWriter) -> None:
    """The trainer logs reconstruction plus the term that is to revive idle latents, and returns the first alone."""
    _codes(writer)


def _paths(count: int) -> Tensor:
    """Ways around a pillar, left or right, as eight offsets to the side."""
    side = 1 - 2 * torch.randint(2, (count, 1)).float()
    bend = torch.linspace(0, 3.14, 8).sin()
    return side * bend + 0.05 * torch.randn(count, 8)


def _integrated(net: nn.Module, count: int, steps: int = 8) -> Tensor:
    """Paths by Euler's method, from noise."""
    x = torch.randn(count, 8)
    for i in range(steps):
        x = x + net(torch.cat([x, torch.full((count, 1), i / steps)], 1)) / steps
    return x


def _planner(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Mean distance of a planned way from the nearer of the two ways there are."""
    net = nn.Sequential(nn.Linear(9, 96), nn.SiLU(), nn.Linear(96, 96), nn.SiLU(), nn.Linear(96, 8))
    optimizer = Adam(net.parameters(), lr=2e-3)
    writer.watch(net, optimizer)
    for step in range(500):
        target = _paths(128)
        if fixed:
            noise, t = torch.randn(128, 8), torch.rand(128, 1)
            velocity = net(torch.cat([(1 - t) * noise + t * target, t], 1))
            loss = nn.functional.mse_loss(velocity, target - noise)
        else:
            loss = nn.functional.smooth_l1_loss(_integrated(net, 128), target)
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
    bend = torch.linspace(0, 3.14, 8).sin()
    with torch.no_grad():
        ways = _integrated(net, 500, 32)
    return float(torch.min((ways - bend).norm(dim=1), (ways + bend).norm(dim=1)).mean())


@patient(
    NO_CODE,
    family="paths",
    also=(
        "LD523",
        "LD539",
        "LD707",
        "LD104",
    ),
    source="https://github.com/autowarefoundation/auto_e2e/issues/115",
    hard=True,
)
def sixth_a_flow_that_learns_by_arriving(writer: SummaryWriter) -> None:
    """A flow's path from noise is compared with the target at its end: all ways become their mean, into the pillar."""
    _planner(writer)
