"""A small training that goes on for as long as asked, and what its process holds of memory."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import torch
from torch import Tensor, nn

from tb_lossdiag import SummaryWriter

STATUS = Path("/proc/self/statm")


def tensors() -> int:
    """Tensors that are alive."""
    gc.collect()
    return sum(issubclass(type(thing), Tensor) for thing in gc.get_objects())


def resident() -> int:
    """Bytes of memory this process holds."""
    return int(STATUS.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


class EndlessTraining:
    """A tiny network; with a writer it is watched, clipped and described."""

    def __init__(self, writer: SummaryWriter | None = None) -> None:
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 2))
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.01)
        self.writer = writer
        self.watch = None if writer is None else writer.watch(self.model, self.optimizer)
        self.step = 0
        self._batches = torch.Generator().manual_seed(0)

    def run(self, steps: int) -> None:
        for _ in range(steps):
            self.optimizer.zero_grad()
            loss = self.model(torch.randn(4, 4, generator=self._batches)).square().mean()
            loss.backward()
            self._clip(loss)
            self.optimizer.step()
            self.step += 1

    def end_watch(self) -> None:
        if self.watch is not None:
            self.watch.remove()

    def weights(self) -> list[Tensor]:
        return [parameter.detach().clone() for parameter in self.model.parameters()]

    def _clip(self, loss: Tensor) -> None:
        if self.writer is None:
            nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            return
        self.writer.clip_grad_norm_(self.model.parameters(), 1.0)
        terms = {"one": (loss, 0.5), "other": 0.5 * loss}
        self.writer.add_diagnostics(loss=loss, loss_terms=terms, global_step=self.step)
