"""The ninth lot: sentences that are embedded."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch
from clinic.abroad import sealed
from clinic.abroad.corpora import SIZE, sentences
from clinic.abroad.recipes import folder
from torch import Tensor, nn
from torch.optim import AdamW
from transformers import BertConfig, BertModel

from tb_lossdiag import SummaryWriter


def _bert() -> BertModel:
    config = BertConfig(
        vocab_size=SIZE, hidden_size=48, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=96, max_position_embeddings=32,
    )  # fmt: skip
    return BertModel(config, add_pooling_layer=False)


def _similar(count: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Two sentences, of which every other pair shares its words."""
    rows = sentences(count, 12, seed=seed)
    score = (torch.arange(count) % 2).float()
    other = sentences(count, 12, seed=seed + 50)
    order = torch.rand(count, 12).argsort(1)
    return rows, torch.where(score[:, None] > 0, rows.gather(1, order), other), score


class _CosineLoss(nn.Module):
    """Holds the model it embeds with, as sentence-transformers' losses do."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, one: Tensor, two: Tensor, score: Tensor) -> Tensor:
        parts = (self.model(input_ids=ids).last_hidden_state.mean(1) for ids in (one, two))
        cosine = nn.functional.cosine_similarity(*parts)
        return nn.functional.mse_loss(cosine, score)


def _session(
    writer: SummaryWriter, model: Any, steps: range, checkpoint: dict[str, Any], *, fixed: bool
) -> float:
    """Train for a while; the last loss."""
    one, two, score = _similar(1000, 3)
    loss_module = _CosineLoss(model)
    if checkpoint:
        model = deepcopy(model)
        model.load_state_dict(checkpoint["model"])
        if fixed:
            loss_module.model = model
    optimizer = AdamW(model.parameters(), lr=1e-3)
    if checkpoint:
        optimizer.load_state_dict(checkpoint["optimizer"])
    writer.watch(model, optimizer)
    last = []
    for step in steps:
        rows = torch.randint(1000, (16,))
        loss = loss_module(one[rows], two[rows], score[rows])
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
        last.append(float(loss))
    checkpoint.update(model=model.state_dict(), optimizer=optimizer.state_dict())
    return sum(last[-20:]) / 20


def _resumed(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Loss at the end of the second session."""
    place, checkpoint = folder(writer), {}  # type: str, dict[str, Any]
    last = 0.0
    for steps in (range(150), range(150, 300)):
        with SummaryWriter(place) as own:
            last = _session(own, _bert(), steps, checkpoint, fixed=fixed)
    return last


@sealed(
    "LD604",
    "LD605",
    "LD204",
    "LD208",
    also=("LD104", "LD113"),
    family="resumed",
    source="https://github.com/huggingface/sentence-transformers/pull/2648",
)
def ninth_a_loss_that_kept_the_old_model(writer: SummaryWriter) -> None:
    """The checkpoint is loaded into a model of its own, and the loss goes on with the untrained one that it was made with."""
    _resumed(writer)
