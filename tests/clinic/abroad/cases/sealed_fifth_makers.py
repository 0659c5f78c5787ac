"""The fifth lot: echoes, sharper pictures, codebooks, likenesses."""

from __future__ import annotations

import torch
from clinic.abroad import patient
from clinic.data import flat_digits, square_digits
from clinic.nets import mlp
from torch import Tensor, nn
from torch.nn.functional import (
    avg_pool2d,
    binary_cross_entropy_with_logits,
    l1_loss,
    mse_loss,
    normalize,
)
from torch.optim import Adam

from tb_lossdiag import SummaryWriter


def _spectra(count: int) -> tuple[Tensor, Tensor]:
    """Of a room a short description, and its echo's spectrum, of which the fine grain is left to chance."""
    room = torch.randn(count, 8)
    draw = torch.Generator().manual_seed(5)
    shape = (room @ torch.randn(8, 48, generator=draw) / 3).tanh()
    grain = torch.randn(count, 48).sign() * 0.5
    return room, shape + grain


def _echoes(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """How far the spread of made echoes is from the real one's, as a share of it."""
    rooms, spectra = _spectra(2000)
    enc, d = mlp(16, 96, 96, 48), mlp(56, 96, 1, activation=lambda: nn.LeakyReLU(0.2))
    g_opt, d_opt = (
        Adam(enc.parameters(), 1e-3, (0.5, 0.999)),
        Adam(d.parameters(), 5e-4, (0.5, 0.999)),
    )
    writer.watch(enc, g_opt, name="generator")
    writer.watch(d, d_opt, name="discriminator")
    for step in range(500):
        rows = torch.randint(2000, (64,))
        f, spec = rooms[rows], spectra[rows]
        fake_spec = enc(torch.cat([f, torch.randn(64, 8)], 1))
        seen = fake_spec if fixed else fake_spec.detach()
        d_fake2 = d(torch.cat([seen, f], 1))
        g_loss1 = mse_loss(d_fake2, torch.ones_like(d_fake2))
        g_loss2 = l1_loss(fake_spec, spec)
        g_loss = g_loss1 + 0.5 * g_loss2
        g_opt.zero_grad()
        g_loss.backward()
        writer.add_diagnostics(
            enc, loss=g_loss, loss_terms={"gan": g_loss1, "l1": (g_loss2, 0.5)}, global_step=step
        )
        g_opt.step()
        d_fake, d_real = d(torch.cat([fake_spec.detach(), f], 1)), d(torch.cat([spec, f], 1))
        d_loss = mse_loss(d_fake, torch.zeros_like(d_fake)) + mse_loss(
            d_real, torch.ones_like(d_real)
        )
        d_opt.zero_grad()
        d_loss.backward()
        writer.add_diagnostics(d, loss=d_loss, global_step=step)
        d_opt.step()
    with torch.no_grad():
        made = enc(torch.cat([rooms, torch.randn(2000, 8)], 1))
    real, fake = spectra.std(0).mean(), made.std(0).mean()
    return float((real - fake).abs() / real)


@patient(
    "LD404",
    "LD208",
    family="two players",
    also=("LD709",),
    source="https://github.com/nikhilsinghmus/image2reverb/issues/37",
)
def fifth_a_fake_that_is_detached_for_its_maker(writer: SummaryWriter) -> None:
    """`.detach()` in the generator's own step: what the discriminator says never reaches it, the L1 term alone does."""
    _echoes(writer)


def _sharper(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """How much a discriminator changed while a super-resolution net was trained against it: mean loss on a test."""
    data, held_out = square_digits()
    g_model = nn.Sequential(
        nn.Upsample(scale_factor=2), nn.Conv2d(1, 32, 3, padding=1), nn.LeakyReLU(0.2),
        nn.Conv2d(32, 32, 3, padding=1), nn.LeakyReLU(0.2), nn.Conv2d(32, 1, 3, padding=1),
    )  # fmt: skip
    d_model = nn.Sequential(
        nn.Conv2d(1, 16, 3, 2, 1), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(256, 32),
        nn.LeakyReLU(0.2), nn.Linear(32, 1),
    )  # fmt: skip
    g_optimizer = Adam(g_model.parameters(), 1e-3)
    own = Adam(d_model.parameters(), 1e-3)
    d_optimizer = own if fixed else g_optimizer
    writer.watch(g_model, g_optimizer, name="g")
    writer.watch(d_model, own, name="d")
    adversarial_criterion = nn.BCEWithLogitsLoss()
    for step, (gt, _) in enumerate(data.batches(300, 32)):
        lr = avg_pool2d(gt, 2)
        real_label, fake_label = torch.ones(32, 1), torch.zeros(32, 1)
        for d_parameters in d_model.parameters():
            d_parameters.requires_grad = False
        g_model.zero_grad(set_to_none=True)
        sr = g_model(lr)
        pixel_loss = l1_loss(sr, gt)
        adversarial_loss = adversarial_criterion(d_model(sr), real_label)
        g_loss = pixel_loss + 0.05 * adversarial_loss
        g_loss.backward()
        writer.add_diagnostics(
            g_model, loss=g_loss, global_step=step,
            loss_terms={"pixel": pixel_loss, "adversarial": (adversarial_loss, 0.05)},
        )  # fmt: skip
        g_optimizer.step()
        for d_parameters in d_model.parameters():
            d_parameters.requires_grad = True
        d_model.zero_grad(set_to_none=True)
        d_loss = adversarial_criterion(d_model(gt), real_label)
        d_loss = d_loss + adversarial_criterion(d_model(sr.detach()), fake_label)
        d_loss.backward()
        writer.add_diagnostics(d_model, loss=d_loss, global_step=step)
        d_optimizer.step()
    with torch.no_grad():
        gt = held_out.x
        sr = g_model(avg_pool2d(gt, 2))
        both = torch.cat([d_model(gt), -d_model(sr)])
        return float(binary_cross_entropy_with_logits(both, torch.ones_like(both)))


@patient(
    "LD904",
    "LD605",
    "LD621",
    "LD604",
    "LD603",
    family="two players",
    also=("LD104", "LD109"),
    source="https://github.com/Lornatang/ESRGAN-PyTorch/issues/39",
)
def fifth_one_optimizer_handed_over_twice(writer: SummaryWriter) -> None:
    """`train(..., g_optimizer, g_optimizer)`: the generator steps twice with each gradient, the discriminator never."""
    _sharper(writer)


class _Quantizer(nn.Module):
    """The nearest of 64 codes, straight through; keeps what the codebook's own loss is made of."""

    def __init__(self) -> None:
        super().__init__()
        self.codebook = nn.Embedding(64, 8)
        nn.init.uniform_(self.codebook.weight, -1 / 64, 1 / 64)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        indices = torch.cdist(x, self.codebook.weight).argmin(-1)
        z = self.codebook(indices)
        return x + (z - x).detach(), z, indices


def _codes(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Error of reconstruction."""
    data, held_out = flat_digits()
    encoder, vq, decoder = mlp(64, 96, 32), _Quantizer(), mlp(32, 96, 64)
    model = nn.ModuleList([encoder, vq, decoder])
    optimizer = Adam(model.parameters(), lr=2e-3)
    writer.watch(model, optimizer)
    for step, (frames, _) in enumerate(data.batches(500)):
        optimizer.zero_grad()
        z_e = encoder(frames).view(len(frames), 4, 8)
        z_q, z, _ = vq(z_e)
        recon = decoder(z_q.flatten(1))
        recon_loss = mse_loss(recon, frames)
        codebook_loss = mse_loss(z if fixed else z_q, z_e.detach())
        commit_loss = mse_loss(z_e, z_q.detach())
        loss = recon_loss + codebook_loss + 0.25 * commit_loss
        loss.backward()
        writer.add_diagnostics(
            loss=loss, global_step=step,
            loss_terms={"recon": recon_loss, "codebook": codebook_loss, "commit": (commit_loss, 0.25)},
        )  # fmt: skip
        optimizer.step()
    with torch.no_grad():
        z_q = vq(encoder(held_out.x).view(-1, 4, 8))[0]
        return float(mse_loss(decoder(z_q.flatten(1)), held_out.x))


@patient(
    "LD204",
    "LD205",
    "LD404",
    family="codebooks",
    source="https://github.com/showlab/Olaf-World/issues/8",
)
def fifth_a_codebook_s_loss_past_the_codebook(writer: SummaryWriter) -> None:
    """The codebook's loss is taken of the straight-through output: the codes themselves never get a gradient."""
    _codes(writer)


def _alike(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Share of held-out digits whose nearest neighbour in training is of their class, after SupCon."""
    data, held_out = flat_digits()
    encoder = mlp(64, 96, 32)
    optimizer = Adam(encoder.parameters(), lr=1e-3)
    writer.watch(encoder, optimizer)
    for step, (x, y) in enumerate(data.batches(250, 24)):
        optimizer.zero_grad()
        features = normalize(encoder(x + 0.05 * torch.randn_like(x)), dim=1)
        others = 1 - torch.eye(len(x))
        mask = (y[:, None] == y).float() * others
        logits = features @ features.T / 0.1
        logits = logits - logits.max(1, keepdim=True)[0].detach()
        log_prob = logits - (logits.exp() * others).sum(1, keepdim=True).log()
        pairs = mask.sum(1)
        pairs = torch.where(pairs < 1e-6, 1.0, pairs) if fixed else pairs
        loss = -((mask * log_prob).sum(1) / pairs).mean()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
    with torch.no_grad():
        known, new = (normalize(encoder(part), dim=1) for part in (data.x, held_out.x))
    return float((data.y[(new @ known.T).argmax(1)] == held_out.y).float().mean())


@patient(
    "LD101",
    "LD206",
    family="likenesses",
    source="https://github.com/HobbitLong/SupContrast/pull/142",
)
def fifth_a_sample_without_a_partner(writer: SummaryWriter) -> None:
    """A class that is in the batch once has no pair: its mean is 0 / 0, and all weights become NaN."""
    _alike(writer)
