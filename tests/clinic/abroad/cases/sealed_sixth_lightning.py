"""The sixth lot: Lightning."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from clinic.abroad import sealed
from clinic.abroad.recipes import for_lightning
from clinic.case import NO_CODE
from clinic.data import square_digits
from torch import Tensor, nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader, Dataset, TensorDataset

from tb_lossdiag import SummaryWriter

Batch = tuple[Tensor, Tensor]


def _convolutions() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(512, 10),
    )  # fmt: skip


class _Classifier(pl.LightningModule):
    """Digits, with a rate that warms up and then stays."""

    def __init__(self, interval: str, warmup_steps: int, lr: float) -> None:
        super().__init__()
        self.net, self.interval = _convolutions(), interval
        self.warmup_steps, self.lr = warmup_steps, lr

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.net(x)
        return logits

    def training_step(self, batch: Batch, _index: int) -> Tensor:
        loss = nn.functional.cross_entropy(self(batch[0]), batch[1])
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: Batch, _index: int) -> None:
        self.log("val_loss", nn.functional.cross_entropy(self(batch[0]), batch[1]))

    def configure_optimizers(self) -> Any:
        optimizer = AdamW(self.parameters(), lr=self.lr)
        schedule = LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / self.warmup_steps))
        return [optimizer], [{"scheduler": schedule, "interval": self.interval}]


def _fit(writer: SummaryWriter, model: _Classifier, epochs: int, loaders: list[Any]) -> None:
    trainer = pl.Trainer(
        max_epochs=epochs, accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0,
        callbacks=for_lightning(writer),
    )  # fmt: skip
    trainer.fit(model, *loaders)


def _right(model: nn.Module, x: Tensor, y: Tensor) -> float:
    model.eval()
    with torch.no_grad():
        return float((model(x).argmax(1) == y).float().mean())


def _warm(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Accuracy on held-out digits."""
    data, held_out = square_digits()
    train = DataLoader(TensorDataset(data.x, data.y), batch_size=32, shuffle=True)
    valid = DataLoader(TensorDataset(held_out.x, held_out.y), batch_size=256)
    model = _Classifier("step" if fixed else "epoch", 100, 2e-3)
    _fit(writer, model, 5, [train, valid])
    return _right(model, held_out.x, held_out.y)


@sealed(
    "LD613",
    "LD607",
    family="lightning",
    also=(
        "LD602",
        "LD109",
        "LD612",
        "LD104",
    ),
    source="https://github.com/ace-step/ACE-Step/pull/198",
)
def sixth_a_warm_up_of_a_hundred_epochs(writer: SummaryWriter) -> None:
    """The schedule's `interval` is left at "epoch": a warm-up of 100 steps has got to its fifth when all is over."""
    _warm(writer)


class _Shifted(Dataset[Batch]):
    """Digits on a larger ground, each somewhere else, by a generator of the worker's."""

    def __init__(self, x: Tensor, y: Tensor, *, anew: bool) -> None:
        self.x, self.y, self.anew, self.draws = x, y, anew, 0

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, index: int) -> Batch:
        self.draws += 1
        seed = self.draws if self.anew else 0
        draw = torch.Generator().manual_seed(1000 * seed + index)
        down, right = torch.randint(9, (2,), generator=draw).tolist()
        ground = torch.zeros(1, 16, 16)
        ground[:, down : down + 8, right : right + 8] = self.x[index]
        return ground, self.y[index]


class _Augmented(_Classifier):
    """For digits on a larger ground."""

    def __init__(self) -> None:
        super().__init__("step", 10, 2e-3)
        self.net[-1] = nn.Linear(32 * 64, 10)


def _augment(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Accuracy on held-out digits in new places."""
    data, held_out = square_digits()
    dataset = _Shifted(data.x[:500], data.y[:500], anew=fixed)
    test = DataLoader(_Shifted(held_out.x, held_out.y, anew=True), batch_size=512)
    model = _Augmented()
    _fit(writer, model, 25, [DataLoader(dataset, batch_size=50, shuffle=True), test])
    x, y = next(iter(test))
    return _right(model, x, y)


@sealed(
    NO_CODE,
    family="lightning",
    also=(
        "LD107",
        "LD108",
        "LD809",
        "LD626",
    ),
    source="https://github.com/Lightning-AI/pytorch-lightning/issues/20412, https://github.com/albumentations-team/AlbumentationsX/issues/266",
    hard=True,
)
def sixth_the_same_augmentation_each_epoch(writer: SummaryWriter) -> None:
    """The generator of the augmentation is seeded alike at each epoch: every picture is always moved to the same place."""
    _augment(writer)
