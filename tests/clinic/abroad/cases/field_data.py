"""The field's own authors: shops, series that remember, tables with gaps; each fault beside its sound twin.

What is right was written down before any of them was run.
"""

from __future__ import annotations

from typing import Any

import torch
from clinic.abroad import patient
from clinic.abroad.recipes import for_lightning
from torch import Tensor, nn
from torch.optim import Adam

from tb_lossdiag import SummaryWriter

BUYERS, THINGS = 200, 150


def _bought(count: int = 6000) -> tuple[Tensor, Tensor]:
    """Who bought what: each buyer likes a third of all things."""
    buyers = torch.randint(BUYERS, (count,))
    things = 3 * torch.randint(THINGS // 3, (count,)) + buyers % 3
    return buyers, things


def _shop(writer: SummaryWriter, *, negatives: bool) -> None:
    """NCF through Lightning, by what was bought, and by as many things that were not."""
    import pytorch_lightning as pl  # noqa: PLC0415
    from torch.utils.data import DataLoader, TensorDataset  # noqa: PLC0415

    class NCF(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.user, self.item = nn.Embedding(BUYERS, 16), nn.Embedding(THINGS, 16)
            self.mlp = nn.Sequential(nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 1))

        def forward(self, user: Tensor, item: Tensor) -> Tensor:
            scores: Tensor = self.mlp(torch.cat([self.user(user), self.item(item)], 1))
            return scores

        def training_step(self, batch: list[Tensor], _: int) -> Tensor:
            user, item, label = batch
            return nn.functional.binary_cross_entropy_with_logits(self(user, item)[:, 0], label)

        def configure_optimizers(self) -> Any:
            return Adam(self.parameters(), lr=3e-3)

    buyers, things = _bought()
    labels = torch.ones(len(buyers))
    if negatives:
        buyers = torch.cat([buyers, buyers])
        things = torch.cat([things, torch.randint(THINGS, things.shape)])
        labels = torch.cat([labels, torch.zeros(len(labels))])
    callbacks = for_lightning(writer)
    trainer = pl.Trainer(
        max_epochs=4 if negatives else 8, callbacks=callbacks, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, accelerator="cpu",
    )  # fmt: skip
    trainer.fit(
        NCF(), DataLoader(TensorDataset(buyers, things, labels), batch_size=128, shuffle=True)
    )


@patient(
    "LD506",
    "LD509",
    "LD523",
    "LD705",
    family="shops",
    source="https://github.com/PreferredAI/cornac/issues/254",
)
def field_only_what_was_bought(writer: SummaryWriter) -> None:
    """Implicit feedback without negatives: every label is 1, and yes to everything is all that can be learned."""
    _shop(writer, negatives=False)


@patient(family="shops", source="https://github.com/PreferredAI/cornac/issues/254")
def field_what_was_bought_and_what_was_not(writer: SummaryWriter) -> None:
    """The same, with as many things drawn at random that count as not bought."""
    _shop(writer, negatives=True)


class _Remembering(nn.Module):
    """An LSTM that goes on from the state that it was left in."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.head = nn.LSTM(1, 32, batch_first=True), nn.Linear(32, 1)
        self.hidden: tuple[Tensor, Tensor] | None = None

    def forward(self, x: Tensor) -> Tensor:
        out, (h, c) = self.lstm(x, self.hidden)
        self.hidden = (h.detach(), c.detach())
        answer: Tensor = self.head(out)
        return answer


def _series(rows: int = 16, length: int = 20 * 300) -> Tensor:
    """Sixteen long series of two slow waves and some noise."""
    time = torch.arange(length)
    rate, phase = torch.rand(rows, 1) * 0.1 + 0.05, torch.rand(rows, 1) * 6
    wave = torch.sin(rate * time + phase) + 0.5 * torch.sin(0.31 * rate * time)
    return wave + 0.1 * torch.randn(rows, length)


def _remembered(writer: SummaryWriter, *, in_order: bool) -> None:
    """Windows of long series: the next of each, or any of any."""
    series = _series()
    model = _Remembering()
    optimizer = Adam(model.parameters(), lr=3e-3)
    writer.watch(model, optimizer)
    for step in range(290):
        starts = torch.full((16,), 20 * step) if in_order else torch.randint(20 * 299, (16,))
        who = torch.arange(16) if in_order else torch.randint(16, (16,))
        window = torch.stack([series[i, s : s + 21] for i, s in zip(who, starts, strict=True)])
        x, y = window[:, :-1, None], window[:, 1:, None]
        loss = nn.functional.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()


@patient(
    "LD718",
    family="series",
    source="https://github.com/tensorflow/tensorflow/issues/40067",
)
def field_a_memory_of_other_series(writer: SummaryWriter) -> None:
    """The state is handed on from batch to batch, and batches are shuffled: each window begins with what another one left."""
    _remembered(writer, in_order=False)


@patient(family="series", source="https://github.com/tensorflow/tensorflow/issues/40067")
def field_a_memory_of_its_own_series(writer: SummaryWriter) -> None:
    """The same, where each batch goes on where the last one ended, as truncated backpropagation has it."""
    _remembered(writer, in_order=True)


def _patients(count: int = 2000) -> tuple[Tensor, Tensor]:
    """Eight measurements, standardised, a tenth of which were not taken, and whether somebody fell ill."""
    x = torch.randn(count, 8)
    risk = x[:, 0] * 1.5 + x[:, 1] * x[:, 2] - x[:, 3]
    y = (risk + 0.5 * torch.randn(count) > 0).float()
    return torch.where(torch.rand(count, 8) < 0.1, torch.nan, x), y


def _ward(writer: SummaryWriter, *, filled: float) -> float:
    """Accuracy on held-out patients."""
    x, y = _patients()
    gone = x.isnan()
    x = x.nan_to_num(filled)
    if filled == 0:
        x = torch.cat([x, gone.float()], 1)
    model = nn.Sequential(
        nn.Linear(x.size(1), 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 1)
    )
    optimizer = Adam(model.parameters(), lr=1e-3)
    writer.watch(model, optimizer)
    for step in range(400):
        rows = torch.randint(1600, (64,))
        loss = nn.functional.binary_cross_entropy_with_logits(model(x[rows])[:, 0], y[rows])
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
    with torch.no_grad():
        return float(((model(x[1600:])[:, 0] > 0).float() == y[1600:]).float().mean())


@patient(
    "LD510",
    family="tables",
    source="https://github.com/meteofrance/py4cast/pull/166",
)
def field_a_gap_of_minus_nine_thousand(writer: SummaryWriter) -> None:
    """What was not measured is -9999, after the rest was standardised: a tenth of all numbers outweighs the others."""
    _ward(writer, filled=-9999.0)


@patient(family="tables", source="https://github.com/meteofrance/py4cast/pull/166")
def field_a_gap_that_is_said(writer: SummaryWriter) -> None:
    """What was not measured is the mean, and a column beside it says so."""
    _ward(writer, filled=0.0)
