"""The seventh lot: Lightning."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from clinic.abroad import patient
from clinic.abroad.recipes import for_lightning
from clinic.data import square_digits
from pytorch_lightning.callbacks import BaseFinetuning
from torch import Tensor, nn
from torch.optim import Adam, AdamW
from torch.utils.data import DataLoader, TensorDataset

from tb_lossdiag import SummaryWriter

Batch = tuple[Tensor, ...]


def _fit(
    writer: SummaryWriter, model: pl.LightningModule, epochs: int, loaders: list[Any], *more: Any
) -> None:
    trainer = pl.Trainer(
        max_epochs=epochs, accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0,
        callbacks=[*for_lightning(writer), *more],
    )  # fmt: skip
    trainer.fit(model, *loaders)


class _Coded(pl.LightningModule):
    """A variational autoencoder, optimised by hand, four batches to a step."""

    accumulate = 4

    def __init__(self, *, fixed: bool) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.fixed = fixed
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 16))
        self.decoder = nn.Sequential(nn.Linear(8, 96), nn.ReLU(), nn.Linear(96, 64))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean, logvar = self.encoder(x).chunk(2, 1)
        code = mean + (0.5 * logvar).exp() * torch.randn_like(mean)
        kl = 0.5 * (mean**2 + logvar.exp() - 1 - logvar).sum(1).mean()
        return self.decoder(code), kl

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        opt: Any = self.optimizers()
        drawn, kl = self(batch[0])
        rec = (drawn - batch[0].flatten(1)).square().sum(1).mean()
        loss = (rec + 0.05 * kl) / self.accumulate
        if not self.fixed:
            opt.zero_grad()
        self.manual_backward(loss)
        if (batch_idx + 1) % self.accumulate == 0:
            opt.step()
            if self.fixed:
                opt.zero_grad()

    def configure_optimizers(self) -> Any:
        return Adam(self.parameters(), lr=2e-3)


def _coded(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Squared error of held-out pictures that are drawn again."""
    data, held_out = square_digits()
    loader = DataLoader(TensorDataset(data.x), batch_size=4, shuffle=True, drop_last=True)
    model = _Coded(fixed=fixed)
    _fit(writer, model, 4, [loader])
    with torch.no_grad():
        return float((model(held_out.x)[0] - held_out.x.flatten(1)).square().sum(1).mean())


@patient("LD628", family="lightning", source="https://github.com/gaozhihan/PreDiff/issues/32")
def seventh_reset_outside_the_if(writer: SummaryWriter) -> None:
    """Under manual optimisation the step is taken after four batches, but `opt.zero_grad()` is called with each: the last one alone counts."""
    _coded(writer)


def _captions(y: Tensor, x: Tensor) -> Tensor:
    """Words of a picture: what it shows, how heavy it is."""
    weight = (x.mean((1, 2, 3)) * 20).long().clamp(0, 9)
    return torch.stack([y, 10 + weight], 1)


class _CLIP(pl.LightningModule):
    """Pictures and captions in one space."""

    def __init__(self, *, fixed: bool) -> None:
        super().__init__()
        self.fixed = fixed
        self.image = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
            nn.Linear(256, 128), nn.LayerNorm(128), nn.ReLU(), nn.Linear(128, 64),
        )  # fmt: skip
        self.words, self.text = nn.Embedding(20, 64), nn.GRU(64, 64, batch_first=True)
        self.project = nn.Linear(64, 64)
        self.logit_scale = nn.Parameter(torch.tensor(1 / 0.07).log())

    def forward(self, image: Tensor, text: Tensor) -> Tensor:
        i, t = self.image(image), self.project(self.text(self.words(text))[0][:, -1])
        if self.fixed:
            i, t = nn.functional.normalize(i, dim=1), nn.functional.normalize(t, dim=1)
        logits: Tensor = i @ t.T * self.logit_scale.exp()
        return logits

    def training_step(self, batch: Batch, _index: int) -> Tensor:
        logits = self(*batch)
        truth = torch.arange(len(logits))
        both = [nn.functional.cross_entropy(one, truth) for one in (logits, logits.T)]
        return torch.stack(both).mean()

    def configure_optimizers(self) -> Any:
        return AdamW(self.parameters(), lr=2e-3, weight_decay=0.2)


def _paired(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Share of held-out pictures whose digit is told by the captions."""
    data, held_out = square_digits()
    dataset = TensorDataset(data.x, _captions(data.y, data.x))
    model = _CLIP(fixed=fixed)
    loader = DataLoader(dataset, batch_size=32, shuffle=True, drop_last=True)
    _fit(writer, model, 8, [loader])
    caption = _captions(torch.arange(10), torch.full((10, 1, 1, 1), 0.3))
    with torch.no_grad():
        return float((model(held_out.x, caption).argmax(1) == held_out.y).float().mean())


@patient(
    "LD520",
    also=("LD508", "LD712"),
    family="lightning",
    source="https://github.com/Zasder3/train-CLIP/pull/3",
)
def seventh_pairs_of_any_length(writer: SummaryWriter) -> None:
    """CLIP without `normalize`: products of vectors of any length are scaled by 1 / 0.07, as if they were cosines."""
    _paired(writer)


class _Tuned(pl.LightningModule):
    """A backbone that was trained before, and a new head."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.Flatten(),
        )  # fmt: skip
        self.head = nn.Linear(512, 10)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.backbone(x))
        return logits

    def training_step(self, batch: Batch, _index: int) -> Tensor:
        return nn.functional.cross_entropy(self(batch[0]), batch[1])

    def validation_step(self, batch: Batch, _index: int) -> None:
        self.log("val_loss", nn.functional.cross_entropy(self(batch[0]), batch[1]))

    def configure_optimizers(self) -> Any:
        return Adam([p for p in self.parameters() if p.requires_grad], lr=2e-3)


class _Thaw(BaseFinetuning):
    """The head alone for three epochs, then all of it."""

    def freeze_before_training(self, pl_module: Any) -> None:
        self.freeze(pl_module.backbone)

    def finetune_function(self, pl_module: Any, epoch: int, optimizer: Any) -> None:
        if epoch == 3:
            self.unfreeze_and_add_param_group(pl_module.backbone, optimizer)


def _tuned(writer: SummaryWriter) -> float:
    """Accuracy on held-out pictures whose colours are the other way round."""
    data, held_out = square_digits()
    model = _Tuned()
    optimizer = Adam(model.parameters(), lr=2e-3)
    for x, y in data.batches(150):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    model.head.reset_parameters()
    train = DataLoader(TensorDataset(1 - data.x, data.y), batch_size=32, shuffle=True)
    valid = DataLoader(TensorDataset(1 - held_out.x, held_out.y), batch_size=256)
    _fit(writer, model, 7, [train, valid], _Thaw())
    model.eval()
    with torch.no_grad():
        return float((model(1 - held_out.x).argmax(1) == held_out.y).float().mean())


@patient(family="lightning")
def seventh_a_backbone_that_joins_later(writer: SummaryWriter) -> None:
    """`BaseFinetuning`: a frozen backbone is thawed after three epochs and put into the optimizer in a group of its own; 98 % are told."""
    _tuned(writer)
