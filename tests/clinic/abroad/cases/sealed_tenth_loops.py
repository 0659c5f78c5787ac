"""The tenth lot: averages, schedules, accumulation and held-out data."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytorch_lightning as pl
import torch
from clinic.abroad import sealed
from clinic.abroad.cases.sealed_tenth import take_step
from clinic.abroad.corpora import SIZE, sentences
from clinic.abroad.recipes import for_lightning
from clinic.data import standard, waves
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss
from torch.optim import SGD, Adam, AdamW
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader, TensorDataset
from transformers import get_linear_schedule_with_warmup

from tb_lossdiag import SummaryWriter


def _stream(count: int, noise: float) -> tuple[Tensor, Tensor]:
    """New samples of a function of ten numbers that bends a little, with noise."""
    x = torch.randn(count, 10)
    y = x[:, :5].sum(1) + 0.5 * x[:, 5].tanh()
    return x, (y + noise * torch.randn(count))[:, None]


def _averaged(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Squared error of the average, against the variance of what is to be told."""
    model = nn.Sequential(nn.Linear(10, 48), nn.Tanh(), nn.Linear(48, 1))
    average, beta = deepcopy(model), 0.99
    optimizer = SGD(model.parameters(), lr=0.03)
    x, truth = _stream(1000, 0.0)
    writer.watch(model, optimizer)
    for step in range(1000):
        seen, told = _stream(8, 3.0)
        take_step(writer, optimizer, mse_loss(model(seen), told), step)
        with torch.no_grad():
            for old, new in zip(average.parameters(), model.parameters(), strict=True):
                old.copy_(torch.lerp(old, new, 1 - beta if fixed else beta))
        if step % 50 == 49:
            with torch.no_grad():
                loss = mse_loss(average(x), truth)
            writer.add_diagnostics(loss=loss, phase="validation", global_step=step)
    with torch.no_grad():
        return float((average(x) - truth).square().mean() / truth.var())


@sealed(
    "LD623",
    also=("LD105", "LD601", "LD207"),
    family="regression",
    source="https://github.com/marin-community/levanter/pull/883",
    hard=True,
)
def tenth_an_average_the_wrong_way_round(writer: SummaryWriter) -> None:
    """`beta` stands at the new weights instead of the old ones: the average is the model of this very step."""
    _averaged(writer)


class _Language(nn.Module):
    """A GRU over words."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.rnn = nn.Embedding(SIZE, 48), nn.GRU(48, 96, batch_first=True)
        self.head = nn.Linear(96, SIZE)

    def forward(self, ids: Tensor) -> Tensor:
        logits: Tensor = self.head(self.rnn(self.words(ids[:, :-1]))[0])
        return cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())


def _accumulated(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Loss on new sentences."""
    from accelerate import Accelerator  # noqa: PLC0415

    accelerator = Accelerator(cpu=True, gradient_accumulation_steps=8)
    model = _Language()
    optimizer = AdamW(model.parameters(), lr=1e-3)
    scheduler = get_linear_schedule_with_warmup(optimizer, 10, 150)
    loader = DataLoader(TensorDataset(sentences(4800, 16, seed=6)), batch_size=4, shuffle=True)
    model, optimizer, loader = accelerator.prepare(model, optimizer, loader)
    writer.watch(model, optimizer, scheduler=scheduler)
    step = 0
    for (ids,) in loader:
        with accelerator.accumulate(model):
            loss = model(ids)
            accelerator.backward(loss)
            if accelerator.sync_gradients:
                accelerator.clip_grad_norm_(model.parameters(), 1.0)
                writer.add_diagnostics(loss=loss, global_step=step)
                step += 1
            optimizer.step()
            if accelerator.sync_gradients or not fixed:
                scheduler.step()
            optimizer.zero_grad()
    with torch.no_grad():
        return float(model(sentences(300, 16, seed=9)))


@sealed(
    "LD613",
    "LD607",
    "LD625",
    also=("LD612", "LD602", "LD109", "LD104"),
    family="Accelerate",
    source="https://github.com/starVLA/starVLA/pull/210",
)
def tenth_a_schedule_that_counts_parts_of_steps(writer: SummaryWriter) -> None:
    """`lr_scheduler.step()` in each of eight parts of a step: the rate is 0 after an eighth of the training."""
    _accumulated(writer)


def _probe(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Accuracy on the validation set that is scored during training."""
    count, units = 1500, 10 ** torch.linspace(-1, 2, 40)
    kind = torch.randint(5, (count,))
    centres = torch.randn(5, 40)
    x = (centres[kind] + 1.5 * torch.randn(count, 40) + torch.randn(40)) * units
    train_x, val_x = standard(x[:1000]), x[1000:]
    if fixed:
        val_x = (val_x - x[:1000].mean(0)) / x[:1000].std(0)
    clf = nn.Sequential(nn.Linear(40, 64), nn.ReLU(), nn.Linear(64, 5))
    optimizer = Adam(clf.parameters(), lr=1e-3)
    writer.watch(clf, optimizer)
    step = 0
    for _epoch in range(15):
        for rows in torch.randperm(1000).split(64):
            take_step(writer, optimizer, cross_entropy(clf(train_x[rows]), kind[rows]), step)
            step += 1
        clf.eval()
        with torch.no_grad():
            val = cross_entropy(clf(val_x), kind[1000:])
        writer.add_diagnostics(loss=val, phase="validation", global_step=step)
        clf.train()
    with torch.no_grad():
        return float((clf(val_x).argmax(1) == kind[1000:]).float().mean())


@sealed(
    "LD626",
    also=("LD107", "LD108", "LD510"),
    family="audio",
    source="https://github.com/nttcslab/byol-a/issues/5",
)
def tenth_validation_that_was_not_scaled(writer: SummaryWriter) -> None:
    """`scaler.transform` is called for training and test and was forgotten for validation."""
    _probe(writer)


class _LitLLM(pl.LightningModule):
    """A small language model with a warm-up of ten, as in the tutorial."""

    def __init__(self, *, fixed: bool) -> None:
        super().__init__()
        self.model, self.fixed = _Language(), fixed

    def training_step(self, batch: tuple[Tensor, ...], _index: int) -> Tensor:
        loss: Tensor = self.model(batch[0])
        return loss

    def configure_optimizers(self) -> Any:
        optimizer = AdamW(self.model.parameters(), lr=2e-3, weight_decay=0.0)
        scheduler: Any = LambdaLR(optimizer, lambda step: min(1.0, step / 10))
        if self.fixed:
            scheduler = {"scheduler": scheduler, "interval": "step"}
        return [optimizer], [scheduler]


def _lit(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Loss on new sentences."""
    lit = _LitLLM(fixed=fixed)
    loader = DataLoader(TensorDataset(sentences(4000, 16, seed=2)), batch_size=16, shuffle=True)
    trainer = pl.Trainer(
        max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, callbacks=for_lightning(writer),
    )  # fmt: skip
    trainer.fit(lit, loader)
    with torch.no_grad():
        return float(lit.model(sentences(300, 16, seed=9)))


@sealed(
    "LD612",
    "LD605",
    "LD613",
    "LD607",
    also=("LD104", "LD602"),
    family="Lightning",
    source="https://github.com/Lightning-AI/litgpt/issues/2151",
)
def tenth_a_warm_up_by_epochs(writer: SummaryWriter) -> None:
    """`return [optimizer], [scheduler]`: the warm-up moves at the end of an epoch, and till then the rate is 0 / 10."""
    _lit(writer)


def _influenza(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Squared error of what follows new series, against their variance."""
    data = waves(24, 600)
    layer = nn.TransformerEncoderLayer(32, 4, 64, dropout=0.1, batch_first=True)
    model = nn.Sequential(
        nn.Linear(1, 32), nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), nn.Flatten(),
        nn.Linear(32 * 24, 1),
    )  # fmt: skip
    optimizer = Adam(model.parameters(), lr=1e-3)
    writer.watch(model, optimizer)
    for step in range(300):
        rows = torch.randint(500, (32,))
        if fixed:
            optimizer.zero_grad()
        loss = mse_loss(model(data.x[rows]), data.y[rows, -1])
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
    model.eval()
    with torch.no_grad():
        error = (model(data.x[500:]) - data.y[500:, -1]).square().mean()
    return float(error / data.y[500:, -1].var())


@sealed(
    "LD606",
    also=("LD104", "LD105", "LD601", "LD102", "LD202", "LD111"),
    family="series",
    source="https://github.com/KasperGroesLudvigsen/influenza_transformer/issues/13",
)
def tenth_a_transformer_that_forgets_no_gradient(writer: SummaryWriter) -> None:
    """The training loop of the article has no `optimizer.zero_grad()`."""
    _influenza(writer)
