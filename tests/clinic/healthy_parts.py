"""What the healthy trainings share: a loop as users write it, and small data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from tb_lossdiag import SummaryWriter
from tb_lossdiag.demo.digits import Split, digits

Batch = tuple[Tensor, Tensor]
Losses = Callable[[Tensor, Tensor], Tensor]


def fit(
    writer: SummaryWriter,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batches: Iterable[Batch],
    loss_of: Losses,
    *,
    scheduler: Any = None,
    between: Callable[[], object] | None = None,
    validate: Callable[[], Tensor] | None = None,
) -> None:
    """The usual loop; `between` runs between backward and step, `validate` every 25 steps in eval mode."""
    writer.watch(model, optimizer, scheduler=scheduler)
    for step, (inputs, targets) in enumerate(batches):
        optimizer.zero_grad()
        loss = loss_of(inputs, targets)
        loss.backward()
        if between is not None:
            between()
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
        writer.add_diagnostics(loss=loss, global_step=step)
        if validate is not None and step % 25 == 24:
            validation(writer, model, validate, step)


def validation(
    writer: SummaryWriter, model: nn.Module, measure: Callable[[], Tensor], step: int
) -> None:
    """Record the validation loss, in eval mode and without gradients."""
    model.eval()
    with torch.no_grad():
        loss = measure()
    model.train()
    writer.add_diagnostics(loss=loss, phase="validation", global_step=step)


def classify(
    writer: SummaryWriter,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    steps: int = 400,
    *,
    size: int = 64,
    train: int = 1400,
    smoothing: float = 0.0,
    **more: Any,
) -> None:
    """Train a classifier on the digits, with validation."""
    training, held_out = digits(train)

    def loss_of(images: Tensor, labels: Tensor) -> Tensor:
        return cross_entropy(model(images), labels, label_smoothing=smoothing)

    def validate() -> Tensor:
        return loss_of(held_out.images, held_out.labels)

    batches = training.batches(steps, size)
    fit(writer, model, optimizer, batches, loss_of, validate=validate, **more)


def mlp(hidden: int = 64, inputs: int = 64, outputs: int = 10) -> nn.Sequential:
    """One hidden layer of ReLU."""
    return nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, outputs))


def curve(rows: int = 1000, inputs: int = 6) -> Batch:
    """A smooth function of normal inputs with a little noise: inputs float32[rows, inputs], targets float32[rows]."""
    x = torch.randn(rows, inputs)
    y = torch.sin(x[:, 0]) + x[:, 1] * x[:, 2] / 2 + x[:, 3]
    return x, y + 0.1 * torch.randn(rows)


def batches_of(data: Batch, steps: int, size: int = 32) -> Iterator[Batch]:
    """Random rows."""
    for _ in range(steps):
        rows = torch.randint(len(data[0]), (size,))
        yield data[0][rows], data[1][rows]


def pictures(split: Split) -> Split:
    """The digits as one-channel pictures of 8 x 8."""
    return Split(split.images.reshape(-1, 1, 8, 8), split.labels)


TEXT = """
The clinic trains small models on purpose, some of them sick and some of them sound. A sound one is as
telling as a sick one: a doctor who finds an illness in everybody is of no use to anybody. So each of
the sound ones does something that looks strange from afar, and is right all the same. It warms up, it
cools down, it stands still when all is learned, it forgets half of its words and finds them again.
"""


def characters(steps: int, size: int = 16, length: int = 32) -> Iterator[Batch]:
    """Pieces of the text above and their continuations, int64[size, length] each; 32 symbols."""
    codes = torch.tensor([min(max(ord(c) - 95, 0), 28) for c in TEXT.lower()])
    for _ in range(steps):
        starts = torch.randint(len(codes) - length - 1, (size,)).tolist()
        pieces = torch.stack([codes[start : start + length + 1] for start in starts])
        yield pieces[:, :-1], pieces[:, 1:]
