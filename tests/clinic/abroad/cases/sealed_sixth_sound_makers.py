"""The sixth lot, what is sound: densities, flows, equations, code books, pictures that are trained themselves."""

from __future__ import annotations

import math

import torch
from clinic.abroad import patient
from clinic.data import flat_digits, square_digits
from torch import Tensor, nn
from torch.optim import Adam, AdamW

from tb_lossdiag import SummaryWriter


class _Coupling(nn.Module):
    """Half of the numbers scale and move the other half."""

    def __init__(self, *, turned: bool) -> None:
        super().__init__()
        self.turned = turned
        self.net = nn.Sequential(nn.Linear(2, 48), nn.Tanh(), nn.Linear(48, 4))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        a, b = x.chunk(2, 1)
        if self.turned:
            a, b = b, a
        scale, shift = self.net(a).chunk(2, 1)
        scale = 1.5 * scale.tanh()
        b = b * scale.exp() + shift
        return torch.cat([b, a] if self.turned else [a, b], 1), scale.sum(1)


def _density(writer: SummaryWriter) -> float:
    """Negative log likelihood of new points, which lie so close together that it is far below nought."""

    def points(count: int) -> Tensor:
        t = 6.28 * torch.rand(count, 1)
        ring = torch.cat([t.sin(), t.cos(), (2 * t).sin(), (2 * t).cos()], 1)
        return 0.05 * ring + 0.005 * torch.randn(count, 4)

    layers = nn.ModuleList(_Coupling(turned=bool(i % 2)) for i in range(6))
    optimizer = Adam(layers.parameters(), lr=2e-3)
    writer.watch(layers, optimizer)
    loss = torch.zeros(())
    for step in range(500):
        z, log_det = points(128), torch.zeros(128)
        for layer in layers:
            z, more = layer(z)
            log_det = log_det + more
        log_prob = -0.5 * (z.square() + math.log(2 * math.pi)).sum(1) + log_det
        loss = -log_prob.mean()
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        nn.utils.clip_grad_norm_(layers.parameters(), 5.0)
        optimizer.step()
    return float(loss)


@patient(
    family="densities",
    source="https://github.com/bayesiains/nflows/issues/76, https://github.com/vislearn/FrEIA/issues/16",
)
def sixth_a_likelihood_below_nought(writer: SummaryWriter) -> None:
    """A flow on points that lie close together: the loss falls far below nought, as it should."""
    _density(writer)


def _velocity(writer: SummaryWriter) -> float:
    """Mean distance of drawn points from the ring that they are to lie on; time 1 is noise."""
    net = nn.Sequential(nn.Linear(3, 96), nn.SiLU(), nn.Linear(96, 96), nn.SiLU(), nn.Linear(96, 2))
    optimizer = AdamW(net.parameters(), lr=2e-3)
    writer.watch(net, optimizer)
    for step in range(600):
        angle = 6.28 * torch.rand(128, 1)
        actions = torch.cat([angle.sin(), angle.cos()], 1)
        noise, time = torch.randn(128, 2), torch.rand(128, 1)
        x_t = time * noise + (1 - time) * actions
        loss = nn.functional.mse_loss(net(torch.cat([x_t, time], 1)), noise - actions)
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
    x = torch.randn(500, 2)
    with torch.no_grad():
        for i in range(20):
            x = x - net(torch.cat([x, torch.full((500, 1), 1 - i / 20)], 1)) / 20
    return float((x.norm(dim=1) - 1).abs().mean())


@patient(family="flows", source="https://github.com/sii-research/tau-0-vla/issues/7")
def sixth_a_flow_whose_noise_is_at_one(writer: SummaryWriter) -> None:
    """Flow matching from time 1 to 0, its velocity noise minus data: the loss stays about where the noise leaves it."""
    _velocity(writer)


def _equation(writer: SummaryWriter) -> float:
    """Largest error of the solution of u' = -3 u + 3 cos x, u(0) = 0, on the same forty points at every step."""
    net = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))
    optimizer = Adam(net.parameters(), lr=5e-3)
    x = torch.linspace(0, 3, 40).unsqueeze(1).requires_grad_()
    writer.watch(net, optimizer)
    for step in range(600):
        u = net(x)
        u_x = torch.autograd.grad(u.sum(), x, create_graph=True)[0]
        residual = (u_x + 3 * u - 3 * x.cos()).square().mean()
        start = net(torch.zeros(1, 1)).square().mean()
        loss = residual + 10 * start
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(
            loss=loss,
            loss_terms={"residual": residual, "start": (start, 10.0)},
            global_step=step,
        )
        optimizer.step()
    with torch.no_grad():
        right = 0.9 * x.cos() + 0.3 * x.sin() - 0.9 * (-3 * x).exp()
        return float((net(x) - right).abs().max())


@patient(family="equations", source="https://github.com/nanditadoloi/PINN/issues/3")
def sixth_a_residual_of_a_sum(writer: SummaryWriter) -> None:
    """`autograd.grad(u.sum(), x)` was reported as a mistake and is none; the same points come at every step."""
    _equation(writer)


class _Book(nn.Module):
    """A code book of running means: it has no gradient, and needs none."""

    def __init__(self, codes: int, size: int) -> None:
        super().__init__()
        self.embed: Tensor
        self.size: Tensor
        self.total: Tensor
        self.register_buffer("embed", torch.randn(codes, size))
        self.register_buffer("size", torch.ones(codes))
        self.register_buffer("total", self.embed.clone())

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        index = torch.cdist(z, self.embed).argmin(1)
        quantised = self.embed[index]
        if self.training:
            chosen = nn.functional.one_hot(index, len(self.embed)).float()
            with torch.no_grad():
                self.size.mul_(0.95).add_(chosen.sum(0), alpha=0.05)
                self.total.mul_(0.95).add_(chosen.T @ z, alpha=0.05)
                self.embed.copy_(self.total / (self.size[:, None] + 1e-5))
        commitment = nn.functional.mse_loss(z, quantised.detach())
        return z + (quantised - z).detach(), commitment


class _Quantised(nn.Module):
    """An autoencoder of digits with four codes each."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 32))
        self.book = _Book(32, 8)
        self.decoder = nn.Sequential(nn.Linear(32, 96), nn.ReLU(), nn.Linear(96, 64), nn.Sigmoid())

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        z, commitment = self.book(self.encoder(x).view(-1, 8))
        return self.decoder(z.view(-1, 32)), commitment


def _book(writer: SummaryWriter) -> float:
    """Error of held-out digits that are drawn from their codes, against their variance."""
    data, held_out = flat_digits()
    model = _Quantised()
    optimizer = Adam(model.parameters(), lr=2e-3)
    writer.watch(model, optimizer)
    for step, (x, _) in enumerate(data.batches(500)):
        drawn, commitment = model(x)
        error = nn.functional.mse_loss(drawn, x)
        loss = error + 0.05 * commitment
        optimizer.zero_grad()
        loss.backward()
        terms = {"error": error, "commitment": (commitment, 0.05)}
        writer.add_diagnostics(loss=loss, loss_terms=terms, global_step=step)
        optimizer.step()
    model.eval()
    with torch.no_grad():
        drawn = model(held_out.x)[0]
    return float((drawn - held_out.x).square().mean() / held_out.x.var(0).mean())


@patient(
    family="code books", source="https://github.com/lucidrains/vector-quantize-pytorch/issues/20"
)
def sixth_a_book_of_running_means(writer: SummaryWriter) -> None:
    """The codes of an autoencoder are running means in buffers: "no way of training the codebook", and yet it is trained."""
    _book(writer)


class _Picture(nn.Module):
    """A picture that is to be made."""

    def __init__(self) -> None:
        super().__init__()
        self.pixels = nn.Parameter(0.1 * torch.randn(10, 1, 8, 8))

    def forward(self) -> Tensor:
        return self.pixels.sigmoid()


def _pictures(writer: SummaryWriter) -> float:
    """Share of the pictures that a frozen classifier takes for what they were made to be."""
    data, _ = square_digits()
    judge = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(256, 10)
    )
    before = Adam(judge.parameters(), lr=3e-3)
    for x, y in data.batches(200):
        before.zero_grad()
        nn.functional.cross_entropy(judge(x), y).backward()
        before.step()
    judge.eval().requires_grad_(requires_grad=False)
    picture, wanted = _Picture(), torch.arange(10)
    optimizer = Adam(picture.parameters(), lr=3e-2)
    writer.watch(picture, optimizer)
    for step in range(250):
        drawn = picture()
        score = nn.functional.cross_entropy(judge(drawn), wanted)
        rough = (drawn[..., 1:] - drawn[..., :-1]).square().mean()
        loss = score + 0.3 * rough
        optimizer.zero_grad()
        loss.backward()
        terms = {"score": score, "rough": (rough, 0.3)}
        writer.add_diagnostics(loss=loss, loss_terms=terms, global_step=step)
        optimizer.step()
    return float((judge(picture()).argmax(1) == wanted).float().mean())


@patient(family="pictures", source="https://arxiv.org/abs/1312.6034")
def sixth_pictures_for_a_judge(writer: SummaryWriter) -> None:
    """Activation maximisation: the pixels are trained and the classifier is frozen; there is no data at all."""
    _pictures(writer)
