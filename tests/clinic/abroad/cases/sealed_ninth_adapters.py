"""The ninth lot: PEFT."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from clinic.abroad import sealed
from clinic.abroad.cases.adapters import lora, pretrained
from clinic.abroad.cases.sealed_ninth_lightning import fit
from clinic.abroad.corpora import sentences
from torch import Tensor
from torch.optim import AdamW
from torch.utils.data import DataLoader, TensorDataset

from tb_lossdiag import SummaryWriter


class _Chat(pl.LightningModule):
    """A language model with adapters."""

    def __init__(self, learning_rate: float) -> None:
        super().__init__()
        self.backbone, self.learning_rate = lora(pretrained(100)), learning_rate

    def training_step(self, batch: tuple[Tensor, ...], _index: int) -> Tensor:
        loss: Tensor = self.backbone(input_ids=batch[0], labels=batch[0]).loss
        return loss

    def configure_optimizers(self) -> Any:
        tuned = [p for p in self.parameters() if p.requires_grad]
        return AdamW(tuned, lr=self.learning_rate)


def _chat(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Loss on new sentences that are read from their ends."""
    rows = sentences(800, 16, seed=2).flip(1)
    model = _Chat(3e-3 if fixed else 0.1)
    fit(writer, model, 6, DataLoader(TensorDataset(rows), batch_size=32, shuffle=True))
    new = sentences(100, 16, seed=8).flip(1)
    model.eval()
    with torch.no_grad():
        return float(model.backbone(input_ids=new, labels=new).loss)


@sealed(
    "LD601",
    also=("LD102", "LD103", "LD104", "LD111", "LD633"),
    family="PEFT",
    source="https://github.com/ssbuild/chatglm_finetuning/issues/28",
)
def ninth_adapters_at_too_high_a_rate(writer: SummaryWriter) -> None:
    """LoRA at a rate that somebody recommended: the loss falls a little, and then it rises and stays there."""
    _chat(writer)
