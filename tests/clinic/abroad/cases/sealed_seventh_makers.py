"""The seventh lot: judges and makers, derivatives, diffusion, frozen statistics."""

from __future__ import annotations

import torch
from clinic.abroad import patient
from clinic.case import NO_CODE
from clinic.data import square_digits
from torch import Tensor, nn
from torch.optim import SGD, Adam

from tb_lossdiag import SummaryWriter

bce = nn.functional.binary_cross_entropy_with_logits


def _judge() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(16, 32, 3, 2, 1),
        nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(128, 1),
    )  # fmt: skip


def _maker() -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(16, 128), nn.ReLU(), nn.Unflatten(1, (32, 2, 2)),
        nn.ConvTranspose2d(32, 16, 4, 2, 1), nn.ReLU(),
        nn.ConvTranspose2d(16, 1, 4, 2, 1), nn.Sigmoid(),
    )  # fmt: skip


def _sharpness(made: Tensor, real: Tensor) -> float:
    """How far the mean and the spread of pixels are from those of real pictures."""
    mean = (made.mean(0) - real.mean(0)).abs().mean()
    return float(mean + (made.std(0) - real.std(0)).abs().mean())


def _adversarial(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """How unlike real ones the made pictures are."""
    data, held_out = square_digits()
    maker, judge = _maker(), _judge()
    opt_ae = Adam(maker.parameters(), lr=1e-3, betas=(0.5, 0.9))
    opt_disc = Adam(judge.parameters(), lr=1e-3, betas=(0.5, 0.9))
    writer.watch(maker, opt_ae, name="generator")
    writer.watch(judge, opt_disc, name="discriminator")
    for step, (x, _) in enumerate(data.batches(300, 32)):
        fake = maker(torch.randn(32, 16))
        logits = judge(fake)
        g_loss = bce(logits, torch.ones_like(logits))
        opt_ae.zero_grad()
        g_loss.backward()
        writer.add_diagnostics(maker, loss=g_loss, global_step=step)
        opt_ae.step()
        logits_real, logits_fake = judge(x), judge(fake.detach())
        real_loss = bce(logits_real, torch.ones_like(logits_real))
        target = torch.zeros_like(logits_fake) if fixed else torch.ones_like(logits_fake)
        d_loss = 0.5 * (real_loss + bce(logits_fake, target))
        opt_disc.zero_grad()
        d_loss.backward()
        writer.add_diagnostics(judge, loss=d_loss, global_step=step)
        opt_disc.step()
    with torch.no_grad():
        return _sharpness(maker(torch.randn(300, 16)), held_out.x)


@patient(
    "LD411",
    "LD506",
    also=("LD709",),
    family="adversarial",
    source="https://github.com/SerezD/vqvae-vqgan-pytorch-lightning/issues/3",
)
def seventh_a_judge_to_whom_all_is_real(writer: SummaryWriter) -> None:
    """The discriminator's target of made pictures is `ones_like` as well: it says yes to everything, and the maker is content."""
    _adversarial(writer)


def _penalty(judge: nn.Module, x: Tensor, fake: Tensor, *, fixed: bool) -> Tensor:
    eta = torch.rand(len(x), 1, 1, 1)
    between = (eta * x + (1 - eta) * fake).requires_grad_()
    out = judge(between)
    gradients = torch.autograd.grad(out, between, torch.ones_like(out), create_graph=True)[0]
    gradients = gradients.flatten(1) if fixed else gradients
    penalty: Tensor = ((gradients.norm(2, dim=1) - 1) ** 2).mean()
    return penalty


def _wasserstein(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """How unlike real ones the made pictures are."""
    data, held_out = square_digits()
    maker, judge = _maker(), _judge()
    g_optimizer = Adam(maker.parameters(), lr=1e-3, betas=(0.5, 0.999))
    d_optimizer = Adam(judge.parameters(), lr=1e-3, betas=(0.5, 0.999))
    writer.watch(maker, g_optimizer, name="generator")
    writer.watch(judge, d_optimizer, name="critic")
    for step, (x, _) in enumerate(data.batches(400, 32)):
        fake = maker(torch.randn(32, 16))
        penalty = _penalty(judge, x, fake.detach(), fixed=fixed)
        real, made = judge(x).mean(), judge(fake.detach()).mean()
        d_loss = made - real + 10 * penalty
        d_optimizer.zero_grad()
        d_loss.backward()
        terms = {"wasserstein": made - real, "penalty": (penalty, 10.0)}
        writer.add_diagnostics(judge, loss=d_loss, loss_terms=terms, global_step=step)
        d_optimizer.step()
        if step % 3 == 2:
            g_loss = -judge(fake).mean()
            g_optimizer.zero_grad()
            g_loss.backward()
            writer.add_diagnostics(maker, loss=g_loss, global_step=step)
            g_optimizer.step()
    with torch.no_grad():
        return _sharpness(maker(torch.randn(300, 16)), held_out.x)


@patient(
    NO_CODE,
    family="adversarial",
    source="https://github.com/Zeleni9/pytorch-wgan/issues/40",
    hard=True,
)
def seventh_a_slope_for_each_pixel(writer: SummaryWriter) -> None:
    """WGAN-GP's `gradients.norm(2, dim=1)` of pictures: each pixel's slope is driven to 1, and not that of the picture."""
    _wasserstein(writer)


def _slopes(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Squared error of the derivative at new points."""

    def points(count: int) -> tuple[Tensor, Tensor, Tensor]:
        x = torch.randn(count, 3)
        y = (5 * x.sin() + 3 * x.cos()).sum(1, keepdim=True)
        return x, y, (5 * x.cos() - 3 * x.sin()).sum(1, keepdim=True)

    net = nn.Sequential(nn.Linear(3, 64), nn.Tanh(), nn.Linear(64, 1))
    optimizer = Adam(net.parameters(), lr=3e-3)
    writer.watch(net, optimizer)
    x, y, z = points(256)
    x.requires_grad_()
    for step in range(500):
        optimizer.zero_grad()
        output = net(x)
        grad_x = torch.autograd.grad(output.sum(), x, retain_graph=True, create_graph=fixed)[0]
        loss_y = nn.functional.mse_loss(output, y)
        loss_z = nn.functional.mse_loss(grad_x.sum(1, keepdim=True), z)
        loss = loss_y + loss_z
        loss.backward()
        writer.add_diagnostics(loss=loss, loss_terms={"y": loss_y, "z": loss_z}, global_step=step)
        optimizer.step()
    x, y, z = points(500)
    x.requires_grad_()
    slope = torch.autograd.grad(net(x).sum(), x)[0].sum(1, keepdim=True)
    return float(nn.functional.mse_loss(slope, z))


@patient("LD404", family="derivatives", source="https://github.com/pytorch/pytorch/issues/31984")
def seventh_a_derivative_that_is_a_number(writer: SummaryWriter) -> None:
    """A loss of the net's derivative, by `grad(…, retain_graph=True)`: without `create_graph` it is a constant, and only the value is learnt."""
    _slopes(writer)


class _Denoiser(nn.Module):
    """Of actions, given what is seen."""

    def __init__(self) -> None:
        super().__init__()
        self.time = nn.Embedding(50, 16)
        self.net = nn.Sequential(
            nn.Linear(2 + 16 + 4, 96), nn.Mish(), nn.Linear(96, 96), nn.Mish(), nn.Linear(96, 2)
        )

    def forward(self, x: Tensor, t: Tensor, cond: Tensor) -> Tensor:
        out: Tensor = self.net(torch.cat([x, self.time(t), cond], 1))
        return out


def _actions(count: int) -> tuple[Tensor, Tensor]:
    """What is seen, and one of two good actions."""
    cond = torch.randn(count, 4)
    side = torch.randint(2, (count, 1)) * 2.0 - 1
    return cond, torch.cat([side * (0.5 + 0.3 * cond[:, :1].tanh()), 0.6 * cond[:, 1:2].tanh()], 1)


def _diffused(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Squared error of the action that is foretold halfway."""
    alpha = torch.cumprod(1 - torch.linspace(1e-3, 0.15, 50), 0)
    network = _Denoiser()
    optimizer = Adam(network.parameters(), lr=2e-3)
    writer.watch(network, optimizer)

    def noisy(x: Tensor, t: Tensor) -> Tensor:
        kept = alpha[t][:, None]
        return kept.sqrt() * x + (1 - kept).sqrt() * torch.randn_like(x)

    for step in range(600):
        cond, x_start = _actions(128)
        t = torch.randint(50, (128,))
        x_noisy = noisy(x_start, t)
        x_recon = network(x_noisy, t, cond)
        loss = nn.functional.mse_loss(x_recon, x_start if fixed else x_noisy)
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
    cond, x_start = _actions(1000)
    t = torch.full((1000,), 10)
    with torch.no_grad():
        return float(nn.functional.mse_loss(network(noisy(x_start, t), t, cond), x_start))


@patient("LD526", family="diffusion", source="https://github.com/irom-princeton/dppo/issues/14")
def seventh_noise_that_is_to_stay(writer: SummaryWriter) -> None:
    """A diffusion policy that foretells the clean action is scored against the noisy one, `mse_loss(x_recon, x_noisy)`: it learns to copy."""
    _diffused(writer)


def _pretrained(steps: int) -> nn.Sequential:
    """Convolutions with normalised batches that know the digits, and no head."""
    data, _ = square_digits()
    net = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.Flatten(),
    )  # fmt: skip
    head = nn.Linear(512, 10)
    optimizer = Adam([*net.parameters(), *head.parameters()], lr=2e-3)
    for x, y in data.batches(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(head(net(x)), y).backward()
        optimizer.step()
    return net


def _probe(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """How far the means that the frozen layers keep have wandered."""
    backbone = _pretrained(150)
    norm = backbone[1]
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_mean is not None
    before = norm.running_mean.clone()
    backbone.requires_grad_(requires_grad=False)
    model = nn.Sequential(backbone, nn.Linear(512, 10))
    data, held_out = square_digits()
    optimizer = SGD(model[1].parameters(), lr=0.02, momentum=0.9)
    writer.watch(model, optimizer)
    model.train()
    for step, (x, y) in enumerate(data.batches(400, 8)):
        if fixed:
            backbone.eval()
        loss = nn.functional.cross_entropy(model(1 - x), y)
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
        if step % 50 == 49:
            model.eval()
            with torch.no_grad():
                valid = nn.functional.cross_entropy(model(1 - held_out.x), held_out.y)
            model.train()
            writer.add_diagnostics(loss=valid, phase="validation", global_step=step)
    return float((norm.running_mean - before).abs().mean())


@patient(
    NO_CODE,
    also=("LD622", "LD706"),
    family="fine-tuning",
    source="https://github.com/kdexd/virtex/issues/16",
    hard=True,
)
def seventh_frozen_but_for_its_statistics(writer: SummaryWriter) -> None:
    """A linear probe of a frozen backbone: `model.train()` lets its normalisation go on counting, eight strange pictures at a time."""
    _probe(writer)
