"""The ninth lot: masks, makers and judges, two domains, hardest triplets."""

from __future__ import annotations

from typing import Any

import torch
from clinic.abroad import sealed
from clinic.abroad.cases.sealed_ninth import take_step
from clinic.data import square_digits
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, softplus
from torch.optim import SGD, Adam, RMSprop

from tb_lossdiag import SummaryWriter


class UNet(nn.Module):
    """Once down and once up, with a bridge."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(1, 12, 3, padding=1), nn.BatchNorm2d(12), nn.ReLU())
        self.low = nn.Sequential(nn.Conv2d(12, 24, 3, padding=1), nn.BatchNorm2d(24), nn.ReLU())
        self.up, self.last = nn.ConvTranspose2d(24, 12, 2, 2), nn.Conv2d(24, classes, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        high = self.down(x)
        low = self.up(self.low(nn.functional.max_pool2d(high, 2)))
        logits: Tensor = self.last(torch.cat([high, low], 1))
        return logits


def _livers(count: int, blank: float = 0.0) -> tuple[Tensor, Tensor]:
    """Noisy pictures of 24 x 24 with a small bright spot, and where it is; a share has none."""
    grid = torch.cartesian_prod(torch.arange(24.0), torch.arange(24.0)).view(1, 24, 24, 2)
    centre, radius = 4 + 16 * torch.rand(count, 1, 1, 2), 1.5 + 1.5 * torch.rand(count, 1, 1)
    mask = ((grid - centre).norm(dim=3) < radius).float()[:, None]
    mask = mask * (torch.rand(count, 1, 1, 1) >= blank)
    return 0.8 * mask + 0.35 * torch.randn_like(mask), mask


def _overlap(found: Tensor, truth: Tensor) -> float:
    return float(2 * (found * truth).sum() / (found.sum() + truth.sum() + 1e-6))


def _anomalies(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Overlap with the spots of new pictures."""
    x, mask = _livers(300, 0.0 if fixed else 0.9)
    net = UNet(2)
    optimizer = SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    writer.watch(net, optimizer)
    for step, rows in enumerate(torch.randint(300, (300, 8))):
        loss = cross_entropy(net(x[rows]), mask[rows, 0].long())
        take_step(writer, optimizer, loss, step)
    net.eval()
    new, truth = _livers(60)
    with torch.no_grad():
        return _overlap(net(new).argmax(1, keepdim=True).float(), truth)


@sealed(
    "LD509",
    also=("LD523",),
    family="segmentation",
    source="https://github.com/open-mmlab/mmsegmentation/issues/2579",
)
def ninth_pictures_without_an_anomaly(writer: SummaryWriter) -> None:
    """Nine of ten pictures show nothing, the others a small spot: two classes, of which the model names the first one everywhere."""
    _anomalies(writer)


def _judge(*last: nn.Module) -> nn.Sequential:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(144, 128), nn.LeakyReLU(0.2), nn.Linear(128, 1), *last
    )


def _maker() -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(16, 128),
        nn.ReLU(),
        nn.Linear(128, 144),
        nn.Sigmoid(),
        nn.Unflatten(1, (1, 12, 12)),
    )


def _framed(x: Tensor, *, bare: bool) -> Tensor:
    """Digits of 8 x 8 before a background of 12 x 12, or before none."""
    behind = torch.zeros(len(x), 1, 12, 12) if bare else 0.3 + 0.1 * torch.rand(len(x), 1, 12, 12)
    behind[:, :, 2:10, 2:10] = x
    return behind


def posed(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """The discriminator's loss over the last fifty steps."""
    data, _ = square_digits()
    generator, discriminator = _maker(), _judge()
    inside = nn.functional.pad(torch.ones(1, 1, 8, 8), (2, 2, 2, 2))
    g_optim = Adam(generator.parameters(), lr=1e-3, betas=(0.0, 0.99))
    d_optim = Adam(discriminator.parameters(), lr=1e-3, betas=(0.0, 0.99))
    writer.watch(generator, g_optim, name="generator")
    writer.watch(discriminator, d_optim, name="discriminator")
    last = []
    for step, (x, _) in enumerate(data.batches(400, 32)):
        fake = generator(torch.randn(32, 16)) * inside
        real_pred, fake_pred = discriminator(_framed(x, bare=fixed)), discriminator(fake.detach())
        d_loss = softplus(-real_pred).mean() + softplus(fake_pred).mean()
        d_optim.zero_grad()
        d_loss.backward()
        writer.add_diagnostics(discriminator, loss=d_loss, global_step=step)
        d_optim.step()
        g_loss = softplus(-discriminator(fake)).mean()
        g_optim.zero_grad()
        g_loss.backward()
        writer.add_diagnostics(generator, loss=g_loss, global_step=step)
        g_optim.step()
        last.append(float(d_loss))
    return sum(last[-50:]) / 50


@sealed(
    "LD709",
    family="adversarial",
    source="https://github.com/BadourAlBahar/pose-with-style/issues/23",
)
def ninth_real_ones_have_a_background(writer: SummaryWriter) -> None:
    """What is made is masked and what is real keeps its background: the discriminator needs no more than that, its loss is a thousandth."""
    posed(writer)


def _turned(count: int) -> tuple[Tensor, Tensor]:
    """Pictures of a bright bar on the left of a dark one, and masks of both and of what is behind."""
    top, length = torch.randint(0, 5, (count, 2)), torch.randint(4, 8, (count, 2))
    mask = torch.zeros(count, 3, 12, 12)
    for row in range(count):
        for bar in range(2):
            first = int(top[row, bar])
            mask[row, 1 + bar, first : first + int(length[row, bar]), 2 + 5 * bar : 5 + 5 * bar] = 1
    mask[:, 0] = 1 - mask.sum(1)
    return (mask * torch.tensor([0.1, 1.0, 0.5]).view(1, 3, 1, 1)).sum(1, keepdim=True), mask


def _monet(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Share of pixels whose slot is told on new scenes."""
    x, mask = _turned(400)
    net = nn.ModuleDict({"vae": _Component()})
    optimizer = RMSprop(net.parameters(), lr=1e-3)
    writer.watch(net, optimizer)
    for step, rows in enumerate(torch.randint(400, (400, 16))):
        image, slots, kl = net["vae"](x[rows])
        truth = mask[rows] if fixed else mask[rows].permute(0, 1, 3, 2)
        rec = (image - x[rows]).square().sum((1, 2, 3)).mean()
        mask_loss = -(truth * slots.log_softmax(1)).sum((1, 2, 3)).mean()
        terms: dict[str, Any] = {"rec": rec, "kl": (kl, 0.5), "mask": (mask_loss, 0.5)}
        loss = rec + 0.5 * kl + 0.5 * mask_loss
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, loss_terms=terms, global_step=step)
        optimizer.step()
    x, mask = _turned(100)
    with torch.no_grad():
        return float((net["vae"](x)[1].argmax(1) == mask.argmax(1)).float().mean())


class _Component(nn.Module):
    """Codes a scene, and draws it and its masks again."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Flatten(), nn.Linear(144, 128), nn.ReLU(), nn.Linear(128, 32)
        )
        self.decoder = nn.Sequential(nn.Linear(16, 128), nn.ReLU(), nn.Linear(128, 4 * 144))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mean, logvar = self.encoder(x).chunk(2, 1)
        code = mean + (0.5 * logvar).exp() * torch.randn_like(mean)
        kl = 0.5 * (mean**2 + logvar.exp() - 1 - logvar).sum(1).mean()
        drawn = self.decoder(code).view(-1, 4, 12, 12)
        return drawn[:, :1], drawn[:, 1:], kl


@sealed("LD546", "LD545", family="scenes", source="https://github.com/stelzner/monet/issues/1")
def ninth_masks_that_are_transposed(writer: SummaryWriter) -> None:
    """A term compares the masks that are drawn again with the true ones, of which width and height have changed places."""
    _monet(writer)
