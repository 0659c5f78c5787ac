"""Plain loops, instrumented as the README's first block."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from tb_lossdiag import SummaryWriter

Terms = Mapping[str, Tensor | tuple[Tensor, float]]
Losses = Callable[[], Tensor | tuple[Tensor, Terms]]


def train(
    writer: SummaryWriter,
    model: nn.Module,
    optimizer: Optimizer,
    losses: Losses,
    steps: int,
    *,
    scheduler: Any = None,
    after: Callable[[], object] = lambda: None,
    validate: Callable[[], Tensor] | None = None,
    every: int = 25,
) -> None:
    """Reset, loss of the next batch (and its terms, where the loop knows some), backward, record, step."""
    writer.watch(model, optimizer)
    for step in range(steps):
        optimizer.zero_grad()
        made = losses()
        loss, terms = made if isinstance(made, tuple) else (made, None)
        loss.backward()
        writer.add_diagnostics(loss=loss, loss_terms=terms, global_step=step)
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
        after()
        if validate is not None and step % every == every - 1:
            writer.add_diagnostics(
                loss=_validated(model, validate), phase="validation", global_step=step
            )


def _validated(model: nn.Module, validate: Callable[[], Tensor]) -> Tensor:
    model.eval()
    with torch.no_grad():
        loss = validate()
    model.train()
    return loss
