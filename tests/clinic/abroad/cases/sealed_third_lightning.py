"""The third lot, through Lightning: a pretrained trunk that stays in `eval()`, a schedule that looks at the validation."""

from __future__ import annotations

from typing import Any

import torch
from clinic.abroad import patient
from clinic.abroad.cases.lightning_loops import Classifier, fit
from clinic.data import flat_digits, square_digits
from clinic.nets import VAE, cnn
from pytorch_lightning import LightningModule
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy
from torch.optim import SGD, Adam
from torch.optim.lr_scheduler import ReduceLROnPlateau

from tb_lossdiag import SummaryWriter


def _pretrained() -> nn.Module:
    """A trunk with dropout that has seen the smaller digits, as libraries hand it over: in `eval()`."""
    trunk = nn.Sequential(
        nn.Linear(64, 96), nn.ReLU(), nn.Dropout(0.3), nn.Linear(96, 96), nn.ReLU(), nn.Dropout(0.3)
    )
    head = nn.Linear(96, 5)
    optimizer = Adam([*trunk.parameters(), *head.parameters()], 2e-3)
    digits, _ = flat_digits()
    small = digits.y < 5
    for _ in range(100):
        rows = torch.randint(int(small.sum()), (64,))
        optimizer.zero_grad()
        cross_entropy(head(trunk(digits.x[small][rows])), digits.y[small][rows]).backward()
        optimizer.step()
    return trunk.eval()


class _Tuned(LightningModule):
    """A new head over a pretrained trunk; `told` puts all into `train()` when the training begins."""

    def __init__(self, *, told: bool) -> None:
        super().__init__()
        self.trunk, self.head, self.told = _pretrained(), nn.Linear(96, 10), told

    def on_train_start(self) -> None:
        if self.told:
            self.train()

    def training_step(self, batch: Any, _: int) -> Tensor:
        loss = cross_entropy(self.head(self.trunk(batch[0])), batch[1])
        self.log("train_loss", loss)
        return loss

    def configure_optimizers(self) -> Any:
        return Adam(self.parameters(), 1e-3)


@patient(
    "LD703",
    family="Lightning",
    source="https://github.com/Lightning-AI/pytorch-lightning/issues/20105, "
    "https://github.com/Lightning-AI/pytorch-lightning/issues/20986",
)
def a_trunk_that_came_in_eval(writer: SummaryWriter) -> None:
    """A pretrained trunk is handed over in `eval()`, and nothing puts it into `train()`."""
    fit(writer, _Tuned(told=False), flat_digits()[0], max_epochs=10)


@patient(family="Lightning")
def a_trunk_that_is_put_in_train(writer: SummaryWriter) -> None:
    """`self.train()` when the training starts."""
    fit(writer, _Tuned(told=True), flat_digits()[0], max_epochs=10)


def _on_a_plateau(module: nn.Module) -> Any:
    optimizer = SGD(module.parameters(), 0.05, momentum=0.9)
    scheduler = ReduceLROnPlateau(optimizer, factor=0.3, patience=2)
    return {
        "optimizer": optimizer,
        "lr_scheduler": {"scheduler": scheduler, "monitor": "val_loss"},
    }


@patient(family="Lightning")
def the_rate_falls_when_nothing_is_gained(writer: SummaryWriter) -> None:
    """`ReduceLROnPlateau` on the validation loss, once an epoch."""
    training, held_out = square_digits()
    fit(writer, Classifier(cnn(), _on_a_plateau), training, held_out=held_out, max_epochs=14)


class _Annealed(LightningModule):
    """A variational autoencoder whose divergence is weighed from 0 to 1, twice over."""

    def __init__(self) -> None:
        super().__init__()
        self.net = VAE()

    def training_step(self, batch: Any, _: int) -> Tensor:
        code = self.net(batch[0])
        image = binary_cross_entropy_with_logits(code.image, batch[0], reduction="sum")
        image, divergence = image / len(batch[0]), code.divergence()
        weight = min(1.0, (self.global_step % 150) / 75)
        loss: Tensor = image + weight * divergence
        self.log_dict({"train_loss": loss, "image": image, "divergence": divergence})
        return loss

    def configure_optimizers(self) -> Any:
        return Adam(self.parameters(), 2e-3)


@patient(family="Lightning")
def a_divergence_annealed_in_cycles(writer: SummaryWriter) -> None:
    """The loss rises while the divergence's weight does, and falls back when it begins anew."""
    fit(writer, _Annealed(), flat_digits()[0], max_epochs=14)
