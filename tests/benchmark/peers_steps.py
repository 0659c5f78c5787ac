"""One training step with each of the ways that users record gradients today."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import torch
from benchmark.workloads import Workload
from torch.utils.tensorboard import SummaryWriter as Stock

from tb_lossdiag import SummaryWriter

Step = Callable[[], object]
WRITERS: list[Any] = []
"""To close before their folder goes."""


def bare(work: Workload) -> Step:
    """The training alone."""

    def step() -> None:
        work.backward()
        work.optimizer.step()

    return step


def watched(work: Workload, folder: str) -> Step:
    """Loss Doctor: everything at its default cadence."""
    writer = SummaryWriter(folder)
    WRITERS.append(writer)
    writer.watch(work.model, work.optimizer)

    def step() -> None:
        writer.add_diagnostics(loss=work.backward())
        work.optimizer.step()

    return step


def _between(work: Workload, look: Callable[[int, torch.Tensor], object]) -> Step:
    count = 0

    def step() -> None:
        nonlocal count
        look(count, work.backward())
        work.optimizer.step()
        count += 1

    return step


def naive(work: Workload, folder: str) -> Step:
    """A scalar for the norm of every gradient."""
    writer = Stock(folder)
    WRITERS.append(writer)

    def look(count: int, loss: torch.Tensor) -> None:
        writer.add_scalar("loss", loss.item(), count)
        for name, parameter in work.model.named_parameters():
            if parameter.grad is not None:
                norm = parameter.grad.norm().item()
                writer.add_scalar(f"grad/{name}", norm, count)

    return _between(work, look)


def histograms(work: Workload, folder: str) -> Step:
    """A histogram of every gradient."""
    writer = Stock(folder)
    WRITERS.append(writer)

    def look(count: int, loss: torch.Tensor) -> None:
        writer.add_scalar("loss", loss.item(), count)
        for name, parameter in work.model.named_parameters():
            writer.add_histogram(f"grad/{name}", parameter.grad, count)

    return _between(work, look)


def lightning(work: Workload, folder: str) -> Step:
    """Lightning's norms, logged as its hooks do."""
    from lightning.pytorch.utilities import grad_norm  # noqa: PLC0415

    writer = Stock(folder)
    WRITERS.append(writer)

    def look(count: int, loss: torch.Tensor) -> None:
        writer.add_scalar("loss", loss.item(), count)
        norms: dict[str, Any] = grad_norm(work.model, 2)
        for name, norm in norms.items():
            writer.add_scalar(name, float(norm), count)

    return _between(work, look)


def wandb(work: Workload, folder: str) -> Step:
    """W&B offline, gradients at every step."""
    os.environ.update(WANDB_MODE="offline", WANDB_SILENT="true", WANDB_DIR=folder)
    import wandb as client  # noqa: PLC0415

    os.makedirs(folder, exist_ok=True)  # noqa: PTH103
    run: Any = client.init(project="benchmark", dir=folder)
    run.watch(work.model, log="gradients", log_freq=1)
    return _between(work, lambda _, loss: run.log({"loss": loss.item()}))


def torchmortem(work: Workload) -> Step:
    """Its quick start."""
    from torchmortem import Autopsy  # noqa: PLC0415

    autopsy: Any = Autopsy(work.model, optimizer=work.optimizer)
    autopsy.__enter__()

    def step() -> None:
        loss = work.backward()
        work.optimizer.step()
        autopsy.step(loss=loss.item())

    return step
