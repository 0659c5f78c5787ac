"""The eighth lot, what is sound: players, codes, keys, voices, mixtures."""

from __future__ import annotations

import copy
import itertools

import torch
from clinic.abroad import patient
from clinic.data import flat_digits, square_digits
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.optim import Adam, AdamW

from tb_lossdiag import SummaryWriter


def _swapped(writer: SummaryWriter) -> float:
    """Share of made points that lie near one of four corners."""
    corners = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    maker = nn.Sequential(
        nn.Linear(4, 64), nn.LeakyReLU(0.2), nn.Linear(64, 64), nn.LeakyReLU(0.2), nn.Linear(64, 2)
    )
    judge = nn.Sequential(
        nn.Linear(2, 64), nn.LeakyReLU(0.2), nn.Linear(64, 64), nn.LeakyReLU(0.2), nn.Linear(64, 1)
    )
    d_optimizer = Adam(judge.parameters(), lr=1e-3, betas=(0.5, 0.99))
    g_optimizer = Adam(maker.parameters(), lr=1e-3, betas=(0.5, 0.99))
    writer.watch(judge, d_optimizer, name="judge")
    writer.watch(maker, g_optimizer, name="maker")
    for step in range(600):
        real = corners[torch.randint(4, (128,))] + 0.1 * torch.randn(128, 2)
        with torch.no_grad():
            made = maker(torch.randn(128, 4))
        both = torch.cat([made, real]) + 0.1 * torch.randn(256, 2)
        labels = torch.cat([torch.ones(128, 1), torch.zeros(128, 1)])
        labels = labels + 0.05 * torch.rand(labels.shape)
        d_loss = F.binary_cross_entropy_with_logits(judge(both), labels)
        d_optimizer.zero_grad()
        d_loss.backward()
        writer.add_diagnostics(judge, loss=d_loss, global_step=step)
        d_optimizer.step()
        misleading = torch.zeros(128, 1)
        g_loss = F.binary_cross_entropy_with_logits(judge(maker(torch.randn(128, 4))), misleading)
        g_optimizer.zero_grad()
        g_loss.backward()
        writer.add_diagnostics(maker, loss=g_loss, global_step=step)
        g_optimizer.step()
    with torch.no_grad():
        made = maker(torch.randn(1000, 4))
    return float((torch.cdist(made, corners).amin(1) < 0.5).float().mean())


@patient(family="games")
def eighth_what_is_made_is_one(writer: SummaryWriter) -> None:
    """Labels the other way round, which was reported as a mistake: made is 1 and real is 0, and the maker wants 0; all agree about it."""
    _swapped(writer)


class _Vanilla(nn.Module):
    """A variational autoencoder that returns its losses."""

    def __init__(self) -> None:
        super().__init__()
        self.enc = nn.Sequential(nn.Linear(64, 96), nn.LeakyReLU(), nn.Linear(96, 16))
        self.dec = nn.Sequential(nn.Linear(8, 96), nn.LeakyReLU(), nn.Linear(96, 64))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        mu, log_var = self.enc(x).chunk(2, 1)
        drawn = self.dec(mu + (0.5 * log_var).exp() * torch.randn_like(mu))
        recons = F.mse_loss(drawn, x)
        kld = (-0.5 * (1 + log_var - mu**2 - log_var.exp()).sum(1)).mean()
        weight = 0.005
        return {"loss": recons + weight * kld, "recons": recons.detach(), "KLD": -kld.detach()}


def _vanilla(writer: SummaryWriter) -> float:
    """Squared error of held-out digits."""
    data, held_out = flat_digits()
    model = _Vanilla()
    optimizer = Adam(model.parameters(), lr=3e-3)
    writer.watch(model, optimizer)
    for step, (x, _) in enumerate(data.batches(400, 64)):
        losses = model(x)
        optimizer.zero_grad()
        losses["loss"].backward()
        extra = {"recons": float(losses["recons"]), "KLD": float(losses["KLD"])}
        writer.add_diagnostics(loss=losses["loss"], extra=extra, global_step=step)
        optimizer.step()
    with torch.no_grad():
        return float(model(held_out.x)["recons"])


@patient(family="autoencoder")
def eighth_a_divergence_written_down_with_a_minus(writer: SummaryWriter) -> None:
    """A VAE logs its divergence with a minus, which was reported as a mistake in the loss; the loss itself has it with a plus."""
    _vanilla(writer)


def _keyed(writer: SummaryWriter) -> float:
    """Share of held-out digits whose nearest training digit is the same one."""
    data, held_out = square_digits()
    query = nn.Sequential(
        nn.Conv2d(1, 24, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(384, 96), nn.BatchNorm1d(96), nn.ReLU(), nn.Linear(96, 32),
    )  # fmt: skip
    key = copy.deepcopy(query).requires_grad_(requires_grad=False)
    queue = F.normalize(torch.randn(256, 32), dim=1)
    optimizer = AdamW(query.parameters(), lr=2e-3)
    writer.watch(query, optimizer)

    def view(x: Tensor) -> Tensor:
        x = torch.roll(x, int(torch.randint(-1, 2, ())), dims=3)
        return x + 0.15 * torch.randn_like(x)

    for step, (x, _) in enumerate(data.batches(350, 64)):
        q = F.normalize(query(view(x)), dim=1)
        with torch.no_grad():
            for mine, its in zip(query.parameters(), key.parameters(), strict=True):
                its.mul_(0.95).add_(mine, alpha=0.05)
            k = F.normalize(key(view(x)), dim=1)
        logits = torch.cat([(q * k).sum(1, keepdim=True), q @ queue.T], 1) / 0.15
        labels = torch.zeros(64, dtype=torch.long)
        loss = F.cross_entropy(logits, labels)
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
        queue = torch.cat([k, queue[:-64]])
    query.eval()
    with torch.no_grad():
        near = F.normalize(query(held_out.x), dim=1) @ F.normalize(query(data.x), dim=1).T
    return float((data.y[near.argmax(1)] == held_out.y).float().mean())


@patient(
    family="contrastive",
)
def eighth_every_label_is_nought(writer: SummaryWriter) -> None:
    """Contrast with a queue: the right key stands first, so that all labels are 0, which was reported as a mistake and is none."""
    _keyed(writer)


def _voices(count: int) -> tuple[Tensor, Tensor]:
    """Two voices, one low and one high, and both at once."""
    time = torch.arange(96.0)
    low = 0.15 + 0.1 * torch.rand(count, 1)
    high = 0.7 + 0.5 * torch.rand(count, 1)
    both = torch.stack([(f * time + 6.28 * torch.rand(count, 1)).sin() for f in (low, high)], 1)
    both = both * (0.5 + torch.rand(count, 2, 1))
    return both.sum(1), both


def _si_snr(said: Tensor, truth: Tensor) -> Tensor:
    """How many decibels of a voice are right, whatever its loudness."""
    truth = truth - truth.mean(-1, keepdim=True)
    said = said - said.mean(-1, keepdim=True)
    part = (said * truth).sum(-1, keepdim=True) / truth.square().sum(-1, keepdim=True) * truth
    noise = said - part
    return 10 * (part.square().sum(-1) / (noise.square().sum(-1) + 1e-6) + 1e-6).log10()


def _apart(said: Tensor, truth: Tensor) -> Tensor:
    """Of both orders the better one."""
    orders = [_si_snr(said[:, list(o)], truth).mean(1) for o in itertools.permutations(range(2))]
    return torch.stack(orders).amax(0)


def _separate(writer: SummaryWriter) -> float:
    """Decibels of new voices."""
    net = nn.Sequential(
        nn.Conv1d(1, 32, 17, padding=8), nn.PReLU(), nn.Conv1d(32, 32, 17, padding=8), nn.PReLU(),
        nn.Conv1d(32, 2, 17, padding=8),
    )  # fmt: skip
    optimizer = Adam(net.parameters(), lr=2e-3)
    writer.watch(net, optimizer)
    for step in range(250):
        mixed, voices = _voices(16)
        loss = -_apart(net(mixed[:, None]), voices).mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
    mixed, voices = _voices(200)
    with torch.no_grad():
        return float(_apart(net(mixed[:, None]), voices).mean())


@patient(family="speech")
def eighth_decibels_below_nought(writer: SummaryWriter) -> None:
    """Two voices are parted in whatever order; the loss is minus their decibels, goes from nought down to -26."""
    _separate(writer)


def _deep_ar(writer: SummaryWriter) -> float:
    """Mean negative log likelihood of new series, each scaled by its own mean."""

    def demand(count: int) -> Tensor:
        level = (2 + 1.5 * torch.randn(count, 1)).exp()
        wave = (torch.arange(40.0) * 0.6283 + 6.28 * torch.rand(count, 1)).sin()
        return level * (0.3 * wave + 0.08 * torch.randn(count, 40)).exp()

    rnn, out = nn.GRU(1, 40, batch_first=True), nn.Linear(40, 2)
    model = nn.ModuleList([rnn, out])
    optimizer = Adam(model.parameters(), lr=3e-3)
    writer.watch(model, optimizer)

    def surprise(series: Tensor) -> Tensor:
        scaled = series / series[:, :20].mean(1, keepdim=True)
        mean, raw = out(rnn(scaled[:, :-1, None])[0]).chunk(2, 2)
        deviation = F.softplus(raw[..., 0]) + 1e-3
        likely: Tensor = torch.distributions.Normal(mean[..., 0], deviation).log_prob(scaled[:, 1:])
        return -likely.mean()

    train = demand(600)
    for step, rows in enumerate(torch.randint(600, (300, 32))):
        loss = surprise(train[rows])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
    with torch.no_grad():
        return float(surprise(demand(200)))


@patient(family="series")
def eighth_demand_of_any_size(writer: SummaryWriter) -> None:
    """DeepAR: series from one to a thousand, each divided by its own mean; mean and deviation are foretold, and the loss goes below nought."""
    _deep_ar(writer)
