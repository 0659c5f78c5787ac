"""The sixth lot: Lightning."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from clinic.abroad import patient
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


def _fit(writer: SummaryWriter, model: pl.LightningModule, epochs: int, loaders: list[Any]) -> None:
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


@patient(
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


@patient(
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


class _Coded(pl.LightningModule):
    """A digit is drawn again from eight numbers; optimised by hand, in two parts of a step."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 8))
        self.decoder = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 64), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        drawn: Tensor = self.decoder(self.encoder(x))
        return drawn

    def training_step(self, batch: Batch, index: int) -> None:
        x = batch[0]
        dirty = x * (torch.rand_like(x) > 0.2)
        loss = nn.functional.binary_cross_entropy(self(dirty), x.flatten(1)) / 2
        self.manual_backward(loss)
        if index % 2:
            optimizer: Any = self.optimizers()
            self.clip_gradients(optimizer, gradient_clip_val=1.0)
            optimizer.step()
            optimizer.zero_grad()

    def configure_optimizers(self) -> Any:
        return AdamW(self.parameters(), lr=3e-3)


def _coded(writer: SummaryWriter) -> float:
    """Error of held-out digits that are drawn again, against their variance."""
    data, held_out = square_digits()
    model = _Coded()
    loader = DataLoader(TensorDataset(data.x, data.y), batch_size=16, shuffle=True, drop_last=True)
    _fit(writer, model, 8, [loader])
    with torch.no_grad():
        drawn = model(held_out.x)
    x = held_out.x.flatten(1)
    return float((drawn - x).square().mean() / x.var(0).mean())


@patient(
    family="lightning",
    source="https://lightning.ai/docs/pytorch/stable/model/manual_optimization.html",
)
def sixth_parts_added_up_by_hand(writer: SummaryWriter) -> None:
    """A denoising autoencoder under manual optimisation: the gradient is reset after every second batch, halves being added."""
    _coded(writer)
