"""Looking inside a mixture of experts and its attention leaves a training as it is, bit for bit."""

from __future__ import annotations

from pathlib import Path

import torch
from clinic.cases.inside_transformers import Mixture, Reader
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from helpers.tiny_trainings import read
from tb_lossdiag import SummaryWriter
from tb_lossdiag.quantities import ATTENTION_SCORE, CALL_LOG_NORM, ROUTER_MOST


class Both(nn.Module):
    """Reads rows, then asks experts."""

    def __init__(self) -> None:
        super().__init__()
        self.reader, self.mixture = Reader(norm=False), Mixture()

    def forward(self, x: Tensor) -> Tensor:
        said: Tensor = self.reader(x) + self.mixture(x.flatten(1))
        return said


def train(folder: Path | None) -> nn.Module:
    torch.manual_seed(0)
    model = Both()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    writer = None if folder is None else SummaryWriter(str(folder))
    if writer is not None:
        writer.watch(model, optimizer)
    for _ in range(20):
        loss = cross_entropy(model(torch.randn(32, 8, 8)), torch.randint(10, (32,)))
        optimizer.zero_grad()
        loss.backward()
        if writer is not None:
            writer.record_router("told", [1, 2, 3, 4])
            writer.add_diagnostics(loss=loss)
        optimizer.step()
    if writer is not None:
        writer.close()
    return model


def test_the_training_is_the_same(tmp_path: Path) -> None:
    watched, alone = train(tmp_path), train(None)
    for one, other in zip(watched.parameters(), alone.parameters(), strict=True):
        assert torch.equal(one, other)
    run = read(tmp_path)
    assert set(run[ROUTER_MOST].columns) == {"mixture.topk()", "told"}
    assert len(run[ROUTER_MOST]) < 10  # at check-ups alone
    assert run[ATTENTION_SCORE].columns == ("reader.scaled_dot_product_attention()",)
    assert run[CALL_LOG_NORM].columns == ("cross_entropy",)
