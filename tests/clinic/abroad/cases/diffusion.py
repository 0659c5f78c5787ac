"""Denoising diffusion on handwritten digits."""

from __future__ import annotations

from copy import deepcopy
from typing import Literal

import torch
from clinic.abroad import patient
from clinic.abroad.loops import train
from clinic.data import flat_digits
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from torch.optim import AdamW
from torch.optim.lr_scheduler import CosineAnnealingLR

from tb_lossdiag import SummaryWriter

TIMES = 200
KEPT = (1 - torch.linspace(1e-4, 0.04, TIMES)).cumprod(0)
Target = Literal["noise", "velocity", "image"]


class Denoiser(nn.Module):
    """Residual layers over 64 pixels that know how noisy they are."""

    def __init__(self, *, last: nn.Module | None = None, timed: bool = True) -> None:
        super().__init__()
        self.time = nn.Sequential(nn.Embedding(TIMES, 64), nn.Linear(64, 128), nn.SiLU())
        self.enter = nn.Linear(64, 128)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(128), nn.Linear(128, 256), nn.SiLU(), nn.Linear(256, 128))
            for _ in range(3)
        )
        self.leave = nn.Linear(128, 64)
        self.last = last or nn.Identity()
        self.timed = timed

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        h = self.enter(x)
        if self.timed:
            h = h + self.time(t)
        for block in self.blocks:
            h = h + block(h)
        answer: Tensor = self.last(self.leave(h))
        return answer


def noisy(x: Tensor, noise: Tensor, t: Tensor) -> Tensor:
    """An image after t steps of noise."""
    kept = KEPT[t].unsqueeze(1)
    return kept.sqrt() * x + (1 - kept).sqrt() * noise


def aim(x: Tensor, noise: Tensor, t: Tensor, target: Target) -> Tensor:
    """What is to be predicted."""
    kept = KEPT[t].unsqueeze(1)
    if target == "velocity":
        return kept.sqrt() * noise - (1 - kept).sqrt() * x
    return noise if target == "noise" else x


def denoise(
    writer: SummaryWriter,
    model: Denoiser,
    target: Target = "noise",
    *,
    scale: float = 2.0,
    shift: float = -1.0,
    again: bool = False,
    averaged: bool = False,
    steps: int = 400,
) -> None:
    """Train; `again` draws the noise of the target a second time, `averaged` keeps a moving average."""
    training, _ = flat_digits()
    images = training.x * scale + shift
    average = deepcopy(model).requires_grad_(requires_grad=False)

    def of() -> Tensor:
        x = images[torch.randint(len(images), (64,))]
        t = torch.randint(TIMES, (64,))
        noise = torch.randn_like(x)
        answer = model(noisy(x, noise, t), t)
        return mse_loss(answer, aim(x, torch.randn_like(x) if again else noise, t, target))

    def follow() -> None:
        if averaged:
            for kept, new in zip(average.parameters(), model.parameters(), strict=True):
                kept.lerp_(new.detach(), 0.01)

    optimizer = AdamW(model.parameters(), lr=2e-3)
    schedule = CosineAnnealingLR(optimizer, steps)
    train(writer, model, optimizer, of, steps, scheduler=schedule, after=follow)


@patient(family="diffusion")
def noise_is_predicted(writer: SummaryWriter) -> None:
    """Its loss is noisy, and flat soon."""
    denoise(writer, Denoiser())


@patient(family="diffusion")
def velocity_is_predicted_and_averaged(writer: SummaryWriter) -> None:
    """With a moving average of the weights beside it."""
    denoise(writer, Denoiser(), "velocity", averaged=True)


@patient(family="diffusion")
def the_image_is_predicted(writer: SummaryWriter) -> None:
    """The third of the usual targets."""
    denoise(writer, Denoiser(), "image")


@patient(
    "LD521",
    family="diffusion",
    hint=True,
    source="facebookresearch/DiT issue 17, huggingface/diffusers issue 3604",
)
def a_denoiser_that_is_told_the_time_is_tuned(writer: SummaryWriter) -> None:
    """It is sound and could do it before: its curve is flat, and as noisy as the times that are drawn."""
    model = Denoiser()
    training, _ = flat_digits()
    images = training.x * 2 - 1

    def of() -> Tensor:
        x, t = images[torch.randint(len(images), (64,))], torch.randint(TIMES, (64,))
        noise = torch.randn_like(x)
        return mse_loss(model(noisy(x, noise, t), t), noise)

    first = AdamW(model.parameters(), lr=2e-3, weight_decay=0.0)
    for _ in range(1500):
        first.zero_grad()
        of().backward()
        first.step()
    train(writer, model, AdamW(model.parameters(), lr=1e-4, weight_decay=0.0), of, 400)


@patient("LD510", family="diffusion", source="VSehwag/minimal-diffusion issue 1")
def images_from_0_to_255_are_noised(writer: SummaryWriter) -> None:
    """Images are not brought to -1 to 1, so noise of size 1 hardly shows."""
    denoise(writer, Denoiser(), scale=255.0, shift=0.0)


@patient(
    "LD104",
    family="diffusion",
    source="beresandras/clear-diffusion-keras issue 4, PRBonn/LiDiff issue 27",
)
def the_targets_noise_is_drawn_again(writer: SummaryWriter) -> None:
    """The target is another noise than the one that was added: there is nothing to learn."""
    denoise(writer, Denoiser(), again=True)


@patient(
    "LD511", family="diffusion", source="Janspiry/Palette-Image-to-Image-Diffusion-Models issue 96"
)
def noise_through_a_sigmoid(writer: SummaryWriter) -> None:
    """The network ends in an activation from 0 to 1, noise runs from -3 to 3."""
    denoise(writer, Denoiser(last=nn.Sigmoid()))


@patient("LD204", family="diffusion", hard=True, source="arXiv 2006.11239, section 3.2")
def the_time_is_forgotten(writer: SummaryWriter) -> None:
    """The embedding of the time is made and never added."""
    denoise(writer, Denoiser(timed=False))
