"""Histograms of gradients: from a watched training through both loaders, and the weights are those of a training without them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from integration.loaders import LOADERS, Open

from helpers.tiny_trainings import backward, model
from tb_lossdiag import SummaryWriter
from tb_lossdiag.quantities import HISTOGRAM, HISTOGRAM_EDGES, unpacked_shares
from tb_lossdiag.reader import Reader

STEPS = 40


def train(log_dir: Path | None) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Weights after the training, and the gradients of its first step."""
    net = model()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
    writer = None if log_dir is None else SummaryWriter(log_dir)
    if writer is not None:
        writer.watch(net, optimizer)
    first: dict[str, torch.Tensor] = {}
    for step in range(STEPS):
        loss = backward(net, step)
        first = first or {
            n: p.grad.clone() for n, p in net.named_parameters() if p.grad is not None
        }
        if writer is not None:
            writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
    if writer is not None:
        writer.close()
    return net.state_dict(), first


@pytest.mark.parametrize("loader", LOADERS.values(), ids=LOADERS)
def test_they_come_back_and_change_nothing(loader: Open, tmp_path: Path) -> None:
    weights, gradients = train(tmp_path / "run")
    bare, _ = train(None)
    assert all(torch.equal(weights[name], bare[name]) for name in bare)
    reader = Reader(loader(str(tmp_path)))
    run = reader.read(reader.listings()["run"])
    tables = [run[quantity] for quantity in HISTOGRAM]
    assert tables[0].columns == tuple(gradients)
    assert tables[0].steps.tolist() == [0, 1, 2, 4, 8, 16, 32]
    shares = unpacked_shares(np.stack([table.values[0] for table in tables], axis=1))
    for row, gradient in zip(shares, gradients.values(), strict=True):
        sizes = np.abs(gradient.numpy().ravel())
        counts = np.histogram(sizes[sizes > 0], [*HISTOGRAM_EDGES, np.inf])[0]
        expected = [(sizes == 0).mean(), *(counts / sizes.size)]
        np.testing.assert_allclose(row, expected, rtol=0.02, atol=1e-6)
