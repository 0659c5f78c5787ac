"""Event files of trainings that nobody instrumented, in the tag styles of the frameworks; written with torch's own writer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from torch.utils.tensorboard import SummaryWriter

START = 1_700_000_000.0
"""Wall time of the first step; a step takes a second."""


def write(
    folder: Path, curves: Mapping[str, Sequence[float]], every: int = 1, *, new_style: bool = False
) -> None:
    """One writer, one curve per tag, a value every `every` steps."""
    with SummaryWriter(str(folder)) as writer:
        for tag, values in curves.items():
            for index, value in enumerate(values):
                step = index * every
                writer.add_scalar(tag, value, step, walltime=START + step, new_style=new_style)


def falling(records: int, start: float = 2.5, end: float = 0.5, seed: int = 0) -> list[float]:
    """A loss that falls and stays down."""
    rng = np.random.default_rng(seed)
    level = end + (start - end) * np.exp(-6 * np.arange(records) / records)
    return [float(v) for v in level * rng.lognormal(0, 0.05, records)]


def turning(records: int) -> list[float]:
    """A validation loss that is best a third in and then climbs."""
    best = records // 3
    fall, rise = np.linspace(3, 1, best), np.linspace(1, 2, records - best)
    return [float(v) for v in np.concatenate((fall, rise))]


def diverging(records: int) -> list[float]:
    """A loss that falls for the first half and then climbs far above its start."""
    half = records // 2
    rise = np.geomspace(0.5, 20, records - half)
    return [*falling(half, 2.5, 0.5), *(float(v) for v in rise)]


@dataclass(frozen=True)
class Curves:
    """The shapes of a training's losses.

    Attributes:
        loss: of the training, where the framework writes no validation loss.
        held_out: of the validation.
    """

    loss: Callable[[int], list[float]]
    held_out: Callable[[int], list[float]]


SICK = Curves(diverging, turning)
WELL = Curves(falling, falling)


def transformers(folder: Path, curves: Curves = SICK) -> None:
    """Trainer: one run, phases in the tags, a summary at the end."""
    loss = curves.loss(200)
    rate = [5e-5 * (1 - index / 200) for index in range(200)]
    write(folder, {"train/loss": loss, "train/learning_rate": rate, "train/grad_norm": loss}, 10)
    with SummaryWriter(str(folder)) as writer:
        writer.add_scalar("train/train_loss", 1.0, 1990, walltime=START + 2000)


def lightning(folder: Path, curves: Curves = SICK) -> None:
    """LightningModule.log and LearningRateMonitor."""
    steps = {"train_loss_step": falling(300), "lr-AdamW": [1e-3] * 300, "epoch": [0.0] * 300}
    write(folder, steps)
    write(folder, {"val_loss": curves.held_out(30), "train_loss_epoch": falling(30)}, 10)


def keras(folder: Path, curves: Curves = SICK) -> None:
    """Sub-runs per phase; TensorFlow 2 writes scalars as tensors."""
    train = {"epoch_loss": falling(40), "epoch_learning_rate": [1e-3] * 40}
    write(folder / "train", train, new_style=True)
    write(folder / "validation", {"epoch_loss": curves.held_out(40)}, new_style=True)


def yolo(folder: Path, curves: Curves = SICK) -> None:
    """Terms without a total; steps are epochs."""
    names = ("box", "cls", "dfl")
    terms = {f"train/{name}_loss": falling(60, seed=i) for i, name in enumerate(names)}
    held = {f"val/{name}_loss": curves.held_out(60) for name in names}
    write(folder, {**terms, **held, **{f"lr/pg{i}": [0.01] * 60 for i in range(3)}})


def detectron2(folder: Path, curves: Curves = SICK) -> None:
    """total_loss and its addends."""
    tags = {"total_loss": curves.loss(200), "loss_cls": falling(200), "lr": [0.02] * 200}
    write(folder, tags, 20)


def fairseq(folder: Path, curves: Curves = SICK) -> None:
    """Three writers, three folders."""
    inner = {"loss": falling(200), "gnorm": [1.0] * 200, "lr": [1e-3] * 200}
    write(folder / "train_inner", inner, 10)
    write(folder / "train", {"loss": falling(20)}, 100)
    write(folder / "valid", {"loss": curves.held_out(20)}, 100)


def torchtune(folder: Path, curves: Curves = SICK) -> None:
    """Bare names."""
    write(folder, {"loss": curves.loss(200), "lr": [2e-5] * 200, "grad_norm": [1.0] * 200})


def script(folder: Path, curves: Curves = SICK) -> None:
    """A script with a loss per step and a validation loss per epoch, each with its own counter."""
    with SummaryWriter(str(folder)) as writer:
        for step, value in enumerate(falling(600)):
            writer.add_scalar("Loss/train", value, step, walltime=START + step)
        for epoch, value in enumerate(curves.held_out(20)):
            writer.add_scalar("Loss/val", value, epoch, walltime=START + 30 * (epoch + 1))


def add_scalars(folder: Path, curves: Curves = SICK) -> None:
    """torch's `add_scalars`, which opens a run per curve."""
    with SummaryWriter(str(folder)) as writer:
        writer.add_scalar("accuracy", 0.5, 0)
        for step, (train, held) in enumerate(zip(falling(60), curves.held_out(60), strict=True)):
            writer.add_scalars("Loss", {"train": train, "val": held}, step, walltime=START + step)


class Training(Protocol):
    """Writes a training's event files into a folder."""

    def __call__(self, folder: Path, curves: Curves = SICK) -> None:
        """Write."""


FRAMEWORKS: Mapping[str, tuple[Training, str]] = {
    "transformers": (transformers, "LD102"),
    "lightning": (lightning, "LD107"),
    "keras": (keras, "LD107"),
    "yolo": (yolo, "LD107"),
    "detectron2": (detectron2, "LD102"),
    "fairseq": (fairseq, "LD107"),
    "torchtune": (torchtune, "LD102"),
    "script": (script, "LD107"),
    "add_scalars": (add_scalars, "LD107"),
}
"""How each writes a training, and the code that names the sickness of a sick one."""
