"""A model whose parts are called one by one, as a script's is before anybody knows its root: the batch is what the first part is given."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from helpers.tiny_trainings import read
from tb_lossdiag import SummaryWriter
from tb_lossdiag.quantities import BATCH_NUMBER, EQUAL_SAMPLES


def train(folder: Path, seed: int, batch: Tensor) -> list[float]:
    """Two steps; numbers of the batches as they were seen."""
    torch.manual_seed(seed)
    model = nn.ModuleDict({"body": nn.Linear(20, 24), "head": nn.Linear(24, 3)})
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with SummaryWriter(folder) as writer:
        writer.watch(model, optimizer)
        for step in range(2):
            optimizer.zero_grad()
            loss = model["head"](torch.tanh(model["body"](batch))).square().mean()
            loss.backward()
            writer.add_diagnostics(loss=loss, global_step=step)
            optimizer.step()
    run = read(folder)
    assert (run[EQUAL_SAMPLES].values == 0).all()
    return [float(value) for value in run[BATCH_NUMBER].values[:, 0]]


def test_the_batch_of_parts_is_that_of_the_first(tmp_path: Path) -> None:
    batch = torch.randn(16, 20)
    one, other = train(tmp_path / "one", 0, batch), train(tmp_path / "other", 1, batch)
    assert len(set(one)) == 1
    assert one == other
