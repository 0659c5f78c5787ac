"""The eighth lot: Lightning."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from clinic.abroad import patient
from clinic.abroad.recipes import for_lightning
from clinic.data import flat_digits, square_digits
from pytorch_lightning.callbacks import StochasticWeightAveraging
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.optim import SGD, Adam
from torch.utils.data import DataLoader, TensorDataset

from tb_lossdiag import SummaryWriter

Batch = tuple[Tensor, ...]


def _trainer(writer: SummaryWriter, epochs: int, *callbacks: Any, **more: Any) -> pl.Trainer:
    return pl.Trainer(
        max_epochs=epochs, accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0,
        callbacks=[*for_lightning(writer), *callbacks], **more,
    )  # fmt: skip


class LitDigits(pl.LightningModule):
    """As the guide has it."""

    def __init__(self, *, fixed: bool = False) -> None:
        super().__init__()
        self.fixed = fixed
        self.layer_1, self.layer_2 = nn.Linear(64, 128), nn.Linear(128, 256)
        self.layer_3 = nn.Linear(256, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer_2(self.layer_1(x).relu()).relu()
        logps: Tensor = self.layer_3(x).log_softmax(1)
        return logps

    def training_step(self, batch: Batch, _: int) -> Tensor:
        x, y = batch
        return F.nll_loss(self(x), y)

    def validation_step(self, batch: Batch, _: int) -> None:
        x, y = batch
        self.log("val_loss", F.nll_loss(self(x), y))

    def configure_optimizers(self) -> Any:
        module = self if self.fixed else LitDigits()
        return Adam(module.parameters(), lr=1e-3)


def _lit(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Accuracy on held-out digits."""
    data, held_out = flat_digits()
    train = DataLoader(TensorDataset(data.x, data.y), batch_size=32, shuffle=True)
    valid = DataLoader(TensorDataset(held_out.x, held_out.y), batch_size=256)
    model = LitDigits(fixed=fixed)
    _trainer(writer, 5).fit(model, train, valid)
    with torch.no_grad():
        return float((model(held_out.x).argmax(1) == held_out.y).float().mean())


@patient(
    "LD604",
    also=("LD603", "LD605", "LD104"),
    family="lightning",
    source="https://github.com/Lightning-AI/pytorch-lightning/pull/10822",
)
def eighth_the_parameters_of_a_second_module(writer: SummaryWriter) -> None:
    """`configure_optimizers` returns `Adam(LitDigits().parameters())`: a module that is made there is to be trained, and not this one."""
    _lit(writer)


class _Averaged(pl.LightningModule):
    """Convolutions, trained by plain descent."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Dropout(0.2), nn.Linear(256, 10),
        )  # fmt: skip

    def training_step(self, batch: Batch, _: int) -> Tensor:
        x, y = batch
        return F.cross_entropy(self.net(x), y, label_smoothing=0.1)

    def validation_step(self, batch: Batch, _: int) -> None:
        x, y = batch
        self.log("val_loss", F.cross_entropy(self.net(x), y))

    def configure_optimizers(self) -> Any:
        return SGD(self.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)


def _averaged(writer: SummaryWriter) -> float:
    """Accuracy of the average on held-out digits."""
    data, held_out = square_digits()
    train = DataLoader(TensorDataset(data.x, data.y), batch_size=16, shuffle=True)
    valid = DataLoader(TensorDataset(held_out.x, held_out.y), batch_size=256)
    model = _Averaged()
    average = StochasticWeightAveraging(swa_lrs=0.02, swa_epoch_start=5, annealing_epochs=2)
    more = {"accumulate_grad_batches": 2, "gradient_clip_val": 1.0}
    _trainer(writer, 8, average, **more).fit(model, train, valid)
    model.eval()
    with torch.no_grad():
        return float((model.net(held_out.x).argmax(1) == held_out.y).float().mean())


@patient(family="lightning")
def eighth_weights_that_are_averaged_at_last(writer: SummaryWriter) -> None:
    """Two batches a step, clipped, smoothed labels, and the mean of the last epochs' weights put in place at the end, whose statistics are counted anew."""
    _averaged(writer)


class _Coupled(pl.LightningModule):
    """A classifier and the noise that fools it, in turns, each with an optimizer of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.net = nn.Sequential(nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 10))
        self.noise = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.Tanh())

    def training_step(self, batch: Batch, _: int) -> None:
        x, y = batch
        optimizers: Any = self.optimizers()
        good, bad = optimizers
        self.toggle_optimizer(bad)
        fooled = -F.cross_entropy(self.net(x + 0.1 * self.noise(x)), y)
        bad.zero_grad()
        self.manual_backward(fooled)
        bad.step()
        self.untoggle_optimizer(bad)
        self.toggle_optimizer(good)
        with torch.no_grad():
            strange = x + 0.1 * self.noise(x)
        loss = F.cross_entropy(self.net(torch.cat([x, strange])), torch.cat([y, y]))
        good.zero_grad()
        self.manual_backward(loss)
        good.step()
        self.untoggle_optimizer(good)

    def configure_optimizers(self) -> Any:
        return Adam(self.net.parameters(), lr=2e-3), Adam(self.noise.parameters(), lr=1e-3)


def _coupled(writer: SummaryWriter) -> float:
    """Accuracy on held-out digits with the noise that was learnt."""
    data, held_out = flat_digits()
    model = _Coupled()
    loader = DataLoader(TensorDataset(data.x, data.y), batch_size=32, shuffle=True)
    _trainer(writer, 6).fit(model, loader)
    with torch.no_grad():
        strange = held_out.x + 0.1 * model.noise(held_out.x)
        return float((model.net(strange).argmax(1) == held_out.y).float().mean())


@patient(family="lightning")
def eighth_a_noise_that_learns_to_fool(writer: SummaryWriter) -> None:
    """Two optimizers in turns, each toggled: one lowers what the other raises, so that one of the losses goes below nought and up again."""
    _coupled(writer)
