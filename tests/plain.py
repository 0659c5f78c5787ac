"""Event files of trainings that nobody instrumented, in the tag styles of the frameworks; written with torch's own writer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from torch.utils.tensorboard import SummaryWriter

Curves = Mapping[str, Sequence[float]]
START = 1_700_000_000.0
"""Wall time of the first step; a step takes a second."""


def write(folder: Path, curves: Curves, every: int = 1, *, new_style: bool = False) -> None:
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


def transformers(folder: Path) -> None:
    """Trainer: one run, phases in the tags, a summary at the end."""
    loss = diverging(200)
    rate = [5e-5 * (1 - index / 200) for index in range(200)]
    write(folder, {"train/loss": loss, "train/learning_rate": rate, "train/grad_norm": loss}, 10)
    with SummaryWriter(str(folder)) as writer:
        writer.add_scalar("train/train_loss", 1.0, 1990, walltime=START + 2000)


def lightning(folder: Path) -> None:
    """LightningModule.log and LearningRateMonitor."""
    write(folder, {"train_loss_step": falling(300), "lr-AdamW": [1e-3] * 300, "epoch": [0.0] * 300})
    write(folder, {"val_loss": turning(30), "train_loss_epoch": falling(30)}, 10)


def keras(folder: Path) -> None:
    """Sub-runs per phase; TensorFlow 2 writes scalars as tensors."""
    write(
        folder / "train",
        {"epoch_loss": falling(40), "epoch_learning_rate": [1e-3] * 40},
        new_style=True,
    )
    write(folder / "validation", {"epoch_loss": turning(40)}, new_style=True)


def yolo(folder: Path) -> None:
    """Terms without a total; steps are epochs."""
    terms = {
        f"train/{name}_loss": falling(60, seed=i) for i, name in enumerate(("box", "cls", "dfl"))
    }
    held = {f"val/{name}_loss": turning(60) for name in ("box", "cls", "dfl")}
    write(folder, {**terms, **held, **{f"lr/pg{i}": [0.01] * 60 for i in range(3)}})


def detectron2(folder: Path) -> None:
    """total_loss and its addends."""
    write(folder, {"total_loss": diverging(200), "loss_cls": falling(200), "lr": [0.02] * 200}, 20)


def fairseq(folder: Path) -> None:
    """Three writers, three folders."""
    write(
        folder / "train_inner", {"loss": falling(200), "gnorm": [1.0] * 200, "lr": [1e-3] * 200}, 10
    )
    write(folder / "train", {"loss": falling(20)}, 100)
    write(folder / "valid", {"loss": turning(20)}, 100)


def torchtune(folder: Path) -> None:
    """Bare names."""
    write(folder, {"loss": diverging(200), "lr": [2e-5] * 200, "grad_norm": [1.0] * 200})


def script(folder: Path) -> None:
    """A script with a loss per step and a validation loss per epoch, each with its own counter."""
    with SummaryWriter(str(folder)) as writer:
        for step, value in enumerate(falling(600)):
            writer.add_scalar("Loss/train", value, step, walltime=START + step)
        for epoch, value in enumerate(turning(20)):
            writer.add_scalar("Loss/val", value, epoch, walltime=START + 30 * (epoch + 1))


def add_scalars(folder: Path) -> None:
    """torch's `add_scalars`, which opens a run per curve."""
    with SummaryWriter(str(folder)) as writer:
        writer.add_scalar("accuracy", 0.5, 0)
        for step, (train, held) in enumerate(zip(falling(60), turning(60), strict=True)):
            writer.add_scalars("Loss", {"train": train, "val": held}, step, walltime=START + step)


FRAMEWORKS: Mapping[str, tuple[Callable[[Path], None], str]] = {
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
"""How each writes a sick training, and the code that names the sickness."""
