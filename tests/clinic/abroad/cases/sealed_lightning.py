"""Lightning: two players, layers that are unfrozen later, steps by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from clinic.abroad import patient
from clinic.abroad.cases.lightning_loops import Game, fit
from clinic.data import flat_digits, square_digits
from pytorch_lightning import LightningModule
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as bce
from torch.nn.functional import cross_entropy
from torch.optim import SGD, Adam

from tb_lossdiag import SummaryWriter


class _Truthful(Game):
    """The forger is told how the judge likes the real pictures."""

    def losses(self, real: Tensor) -> tuple[Callable[[], Tensor], Callable[[], Tensor]]:
        _, judge = super().losses(real)

        def forge() -> Tensor:
            self.generator(torch.randn(len(real), 16))
            judged = self.discriminator(real)
            return bce(judged, torch.ones_like(judged))

        return forge, judge


@patient("LD208", "LD204", "LD605", family="Lightning", source="SunnerLi/RecycleGAN issue 2")
def the_forger_is_judged_by_the_truth(writer: SummaryWriter) -> None:
    """The generator's adversarial loss is computed with real pictures: nothing of it reaches the generator."""
    fit(writer, _Truthful(5e-4), flat_digits()[0], max_epochs=12)


class _Thawing(LightningModule):
    """A head over a trunk that is frozen for two epochs; `told` says whether the optimizer learns of it."""

    def __init__(self, *, told: bool) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv2d(1, 12, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(12, 16, 3, padding=1), nn.ReLU(), nn.Flatten(),
        )  # fmt: skip
        self.head = nn.Linear(256, 10)
        self.told = told
        self.trunk.requires_grad_(requires_grad=False)

    def configure_optimizers(self) -> Any:
        return Adam((p for p in self.parameters() if p.requires_grad), lr=1e-3)

    def on_train_epoch_start(self) -> None:
        if self.current_epoch == 2:
            self.trunk.requires_grad_(requires_grad=True)
            if self.told:
                optimizer: Any = self.optimizers()
                optimizer.add_param_group({"params": list(self.trunk.parameters()), "lr": 5e-4})

    def training_step(self, batch: Any, _: int) -> Tensor:
        loss = cross_entropy(self.head(self.trunk(batch[0])), batch[1])
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: Any, _: int) -> None:
        self.log("val_loss", cross_entropy(self.head(self.trunk(batch[0])), batch[1]))


@patient(
    "LD603",
    family="Lightning",
    source="fastai/fastai issue 2133, skorch-dev/skorch issue 261",
)
def a_trunk_that_thaws_behind_the_optimizers_back(writer: SummaryWriter) -> None:
    """The optimizer took what required a gradient when it was made; the trunk was frozen then."""
    training, held_out = square_digits()
    fit(writer, _Thawing(told=False), training, held_out=held_out, max_epochs=12)


@patient(family="Lightning")
def a_trunk_that_thaws_and_is_added(writer: SummaryWriter) -> None:
    """The same, and the trunk is added as a group of its own when it thaws."""
    training, held_out = square_digits()
    fit(writer, _Thawing(told=True), training, held_out=held_out, max_epochs=12)


class _ByHand(LightningModule):
    """Four batches to a step, by hand; gradients are reset where the FAQ had it, or after the step."""

    def __init__(self, *, early: bool) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
        self.early = early

    def configure_optimizers(self) -> Any:
        return SGD(self.parameters(), lr=0.05, momentum=0.9)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        optimizer: Any = self.optimizers()
        last = (batch_idx + 1) % 4 == 0
        if self.early and last:
            optimizer.zero_grad()
        loss = cross_entropy(self.net(batch[0]), batch[1])
        self.manual_backward(loss / 4)
        if last:
            optimizer.step()
            if not self.early:
                optimizer.zero_grad()
        return loss


@patient(
    "LD628",
    "LD616",
    family="Lightning",
    source="pytorch/ignite issue 583, meituan-longcat/LongCat-Image issue 46",
)
def three_of_four_batches_forgotten(writer: SummaryWriter) -> None:
    """`zero_grad` stands before the last of the four backward passes, so the first three count for nothing."""
    fit(writer, _ByHand(early=True), flat_digits()[0], max_epochs=20, size=32)


@patient(family="Lightning")
def four_batches_by_hand(writer: SummaryWriter) -> None:
    """`zero_grad` stands after the step, and the loss is divided."""
    fit(writer, _ByHand(early=False), flat_digits()[0], max_epochs=20, size=32)
