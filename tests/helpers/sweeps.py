"""A sweep as people run it: names that say what was set, a few faults that follow from some settings, most runs fine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt

from helpers.written_runs import write_run
from tb_lossdiag.quantities import (
    GRADIENT_NONFINITE,
    GRADIENT_NORM,
    LEARNING_RATE,
    LOSS,
    LOSS_NONFINITE,
    PARAMETER_NORM,
    UPDATE_NORM,
)
from tb_lossdiag.records import Table, table

RATES = (0.001, 0.01, 0.1, 1.0, 10.0)
OPTIMIZERS = ("sgd", "adam")
WIDTHS = (32, 48, 64)
STEPS = 200
LAYERS = tuple(f"layer{index}.weight" for index in range(6))
Curve = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Member:
    """A run of the sweep.

    Attributes:
        rate: learning rate; from 1 on with Adam and from 10 on with SGD the updates are far too large, at 0.01 with SGD it breaks.
        optimizer: its name.
        width: says nothing about how it goes.
        seed: neither.
    """

    rate: float
    optimizer: str
    width: int
    seed: int

    @property
    def name(self) -> str:
        """As a script would build it."""
        return f"lr={self.rate}_opt={self.optimizer}_w={self.width}_seed={self.seed}"

    @property
    def too_fast(self) -> bool:
        """Whether its updates are as large as its weights."""
        return self.rate >= 10 or (self.rate >= 1 and self.optimizer == "adam")

    @property
    def breaks(self) -> bool:
        """Whether its loss ends as NaN."""
        return self.rate == 0.01 and self.optimizer == "sgd"

    @property
    def learns(self) -> bool:
        """Whether its loss falls."""
        return self.rate > 0.001 and not self.too_fast


def members(count: int) -> Iterator[Member]:
    """So many runs, all combinations with one seed before the next seed."""
    for index in range(count):
        combinations = list(product(RATES, OPTIMIZERS, WIDTHS))
        seed, place = divmod(index, len(combinations))
        yield Member(*combinations[place], seed)


def write_sweep(folder: Path, count: int, began: float | None = None) -> None:
    """Write them; each later one begins a minute after the one before."""
    for index, member in enumerate(members(count)):
        start = None if began is None else began + 60 * index
        words = {"optimizer": member.optimizer, "width": str(member.width)}
        write_run(folder / member.name, _tables(member), words, start)


def _tables(member: Member) -> list[Table]:
    rng = np.random.default_rng(member.seed)
    steps = np.arange(STEPS)
    ratio = 1.0 if member.too_fast else 1e-3
    weights = 10 * rng.lognormal(0, 0.02, (len(steps[::10]), len(LAYERS)))
    norms = rng.lognormal(0, 0.2, (STEPS, len(LAYERS)))
    losses = _losses(member, rng, steps)
    bad = ~np.isfinite(losses)
    norms[bad] = np.nan
    return [
        table(LOSS, steps, losses),
        table(LOSS_NONFINITE, steps, bad),
        table(GRADIENT_NORM, steps, norms, LAYERS),
        table(GRADIENT_NONFINITE, steps, np.tile(bad[:, None], len(LAYERS)), LAYERS),
        table(PARAMETER_NORM, steps[::10], weights, LAYERS),
        table(UPDATE_NORM, steps[::10], ratio * weights, LAYERS),
        table(LEARNING_RATE, steps, np.full(STEPS, member.rate), ("group 0",)),
    ]


def _losses(member: Member, rng: np.random.Generator, steps: npt.NDArray[np.int64]) -> Curve:
    noise = rng.lognormal(0, 0.05, len(steps))
    level = 0.1 + 2.2 * np.exp(-steps / 40) if member.learns else np.full(len(steps), 2.3)
    losses: Curve = level * noise
    if member.breaks:
        losses[150 + member.seed :] = np.nan
    return losses
