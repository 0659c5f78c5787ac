"""Real little trainings that several tests record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from tb_lossdiag import SummaryWriter
from tb_lossdiag.reader import Reader, open_folder
from tb_lossdiag.run import Run


def model(seed: int = 0, width: int = 8) -> nn.Sequential:
    """Two linear layers."""
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, width), nn.ReLU(), nn.Linear(width, 2))


def backward(net: nn.Module, step: int = 0) -> torch.Tensor:
    """Fill the gradients from a batch that depends on the step alone; returns the loss."""
    batch = torch.randn(16, 4, generator=torch.Generator().manual_seed(step))
    net.zero_grad()
    loss: torch.Tensor = net(batch).pow(2).mean()
    loss.backward()
    return loss.detach()


def record(log_dir: Path, steps: range, **writer: Any) -> None:
    """A run with gradients, terms, clipping, learning rate and validation."""
    net = model()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    with SummaryWriter(log_dir, **writer) as out:
        for step in steps:
            loss = backward(net, step)
            out.clip_grad_norm_(net.parameters(), 0.5)
            terms = {"fit": loss, "penalty": (0.1 * loss, 0.5)}
            out.add_diagnostics(
                net, optimizer=optimizer, loss=1.05 * loss, loss_terms=terms, global_step=step
            )
            optimizer.step()
            if step % 10 == 0:
                out.add_diagnostics(loss=loss, phase="validation", global_step=step)


def read(logdir: Path) -> Run:
    reader = Reader(open_folder(str(logdir)))
    (listing,) = reader.listings().values()
    return reader.read(listing)
