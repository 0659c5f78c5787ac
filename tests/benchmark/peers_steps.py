"""The ways in which users record gradients today, each set up as its documentation shows."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

from benchmark.toggled import Way
from benchmark.workloads import Workload
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter as Stock

from tb_lossdiag import SummaryWriter


@dataclass(frozen=True)
class Peer:
    """A way, and what it needs.

    Attributes:
        make: sets it up in a folder.
        warm: steps at most until it has found its pace.
    """

    make: Callable[..., Way]
    warm: int = 30


def watched(work: Workload, folder: str) -> Way:
    """Loss Doctor, as the rest here: gradients and loss."""
    writer = SummaryWriter(folder)
    writer.watch(work.model, work.optimizer, check_up=False, activations=False)
    return Way(lambda loss: writer.add_diagnostics(loss=loss), close=writer.close)


def defaults(work: Workload, folder: str) -> Way:
    """Loss Doctor with all that it looks at by itself."""
    writer = SummaryWriter(folder)
    writer.watch(work.model, work.optimizer)
    return Way(lambda loss: writer.add_diagnostics(loss=loss), close=writer.close)


def naive(work: Workload, folder: str) -> Way:
    """A scalar for the norm of every gradient."""
    writer, steps = Stock(folder), count()

    def look(loss: Tensor) -> None:
        step = next(steps)
        writer.add_scalar("loss", loss.item(), step)
        for name, norm in _norms(work):
            writer.add_scalar(f"grad/{name}", norm, step)

    return Way(look, close=writer.close)


def histograms(work: Workload, folder: str) -> Way:
    """A histogram of every gradient."""
    writer, steps = Stock(folder), count()

    def look(loss: Tensor) -> None:
        step = next(steps)
        writer.add_scalar("loss", loss.item(), step)
        for name, parameter in work.model.named_parameters():
            writer.add_histogram(f"grad/{name}", parameter.grad, step)

    return Way(look, close=writer.close)


def lightning(work: Workload, folder: str) -> Way:
    """Lightning's norms, logged as its hooks do."""
    from lightning.pytorch.utilities import grad_norm  # noqa: PLC0415

    writer, steps = Stock(folder), count()

    def look(loss: Tensor) -> None:
        step = next(steps)
        writer.add_scalar("loss", loss.item(), step)
        norms: dict[str, Any] = grad_norm(work.model, 2)
        for name, norm in norms.items():
            writer.add_scalar(name, float(norm), step)

    return Way(look, close=writer.close)


def trackio(work: Workload, folder: str) -> Way:
    """A dictionary of norms for trackio, which keeps it on this machine."""
    os.environ.update(TRACKIO_DIR=folder, HF_HUB_OFFLINE="1")
    import trackio as client  # noqa: PLC0415

    client.init(project="benchmark", embed=False, auto_log_gpu=False, auto_log_cpu=False)

    def look(loss: Tensor) -> None:
        client.log({"loss": loss.item(), **{f"grad/{name}": norm for name, norm in _norms(work)}})

    return Way(look, close=client.finish)


def wandb(work: Workload, folder: str) -> Way:
    """W&B offline, gradients at every step."""
    os.environ.update(WANDB_MODE="offline", WANDB_SILENT="true", WANDB_DIR=folder)
    import wandb as client  # noqa: PLC0415

    run: Any = client.init(project="benchmark", dir=folder)
    run.watch(work.model, log="gradients", log_freq=1)
    return Way(lambda loss: run.log({"loss": loss.item()}), close=run.finish)


def torchmortem(work: Workload, folder: str) -> Way:
    """Its quick start; it leaves its report where it runs."""
    from torchmortem import Autopsy  # noqa: PLC0415

    autopsy: Any = Autopsy(work.model, optimizer=work.optimizer)
    autopsy.__enter__()
    return Way(after=lambda loss: autopsy.step(loss=loss.item()))


def _norms(work: Workload) -> Iterator[tuple[str, float]]:
    for name, parameter in work.model.named_parameters():
        if parameter.grad is not None:
            yield name, parameter.grad.norm().item()


WAYS = {
    "watch, loss": Peer(watched, warm=1500),
    "defaults": Peer(defaults, warm=1500),
    "naive .item() loop": Peer(naive),
    "add_histogram": Peer(histograms),
    "Lightning grad_norm": Peer(lightning),
    "trackio, norms": Peer(trackio),
    "wandb.watch, offline": Peer(wandb),
    "torchmortem": Peer(torchmortem),
}
