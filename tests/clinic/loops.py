"""The training loops that most cases share: what a user writes, plus `watch` and one `add_diagnostics`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from clinic.data import Batches, Samples
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import Optimizer

from tb_lossdiag import SummaryWriter

Loss = Callable[[Any, Tensor], Tensor]
Terms = Mapping[str, Tensor | tuple[Tensor, float]]


def fit(
    writer: SummaryWriter,
    model: nn.Module,
    optimizer: Optimizer,
    batches: Batches,
    loss_of: Loss = cross_entropy,
    *,
    validation: Samples | None = None,
    every: int = 20,
    scheduler: Any = None,
    max_norm: float | None = None,
) -> None:
    """Train as usual: reset, forward, backward, step, and a validation now and then."""
    writer.watch(model, optimizer, scheduler=scheduler)
    for step, (x, y) in enumerate(batches):
        optimizer.zero_grad()
        loss = loss_of(model(x), y)
        loss.backward()
        if max_norm is not None:
            writer.clip_grad_norm_(model.parameters(), max_norm)
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
        writer.add_diagnostics(loss=loss, global_step=step)
        if validation is not None and step % every == 0:
            writer.add_diagnostics(
                loss=validate(model, validation, loss_of), phase="validation", global_step=step
            )


def validate(model: nn.Module, samples: Samples, loss_of: Loss = cross_entropy) -> Tensor:
    """Loss over all samples, in eval mode; leaves the model in train mode."""
    model.eval()
    with torch.no_grad():
        loss = loss_of(model(samples.x), samples.y)
    model.train()
    return loss


def fit_terms(
    writer: SummaryWriter,
    model: nn.Module,
    optimizer: Optimizer,
    batches: Batches,
    terms_of: Callable[[Any, Tensor, Tensor], Terms],
    *,
    total_of: Callable[[Terms], Tensor] | None = None,
    decompose: bool = False,
) -> None:
    """Train on a sum of terms, given what the model makes of x, x and y."""
    writer.watch(model, optimizer, decompose=10 if decompose else 0)
    for step, (x, y) in enumerate(batches):
        optimizer.zero_grad()
        terms = terms_of(model(x), x, y)
        loss = (total_of or total)(terms)
        if decompose:
            writer.decompose(terms)
        loss.backward()
        optimizer.step()
        writer.add_diagnostics(loss=loss, loss_terms=terms, global_step=step)


def total(terms: Terms) -> Tensor:
    """Sum of weight x value."""
    parts = [t[0] * t[1] if isinstance(t, tuple) else t for t in terms.values()]
    return torch.stack(parts).sum()
