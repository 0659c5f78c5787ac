"""The runs that the tab's benchmark looks at."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from helpers.written_runs import write_run
from tb_lossdiag.quantities import (
    ACTIVATION_MEAN,
    ACTIVATION_STD,
    GRADIENT_NONFINITE,
    GRADIENT_NORM,
    LOSS,
    PARAMETER_NORM,
    UPDATE_NORM,
)
from tb_lossdiag.records import table

LAYERS, RECORDS, RUNS = 1000, 10_000, 300


def write_big(folder: Path) -> None:
    """1,000 layers with 10,000 records of gradients, and enough else for six charts of a layer."""
    rng = np.random.default_rng(0)
    names = [f"blocks.{i // 10}.part{i % 10}.weight" for i in range(LAYERS)]
    level = rng.lognormal(-2, 1, LAYERS)
    steps, some = np.arange(RECORDS), np.arange(0, RECORDS, 20)
    norms = (level * rng.lognormal(0, 0.3, (RECORDS, LAYERS))).astype(np.float32)
    norms[6000, 77] *= 500
    bad = np.zeros(norms.shape, np.float32)
    bad[9000:9003, 500] = 1
    sparse = rng.lognormal(0, 0.2, (len(some), LAYERS))
    tables = [
        table(GRADIENT_NORM, steps, norms, names),
        table(GRADIENT_NONFINITE, steps, bad, names),
        table(PARAMETER_NORM, some, 10 * sparse, names),
        table(UPDATE_NORM, some, 0.01 * sparse, names),
        table(ACTIVATION_MEAN, some, sparse, names),
        table(ACTIVATION_STD, some, sparse, names),
        table(LOSS, steps, np.exp(-steps / 3000) + 0.1),
    ]
    write_run(folder, tables, {"optimizer": "AdamW"})


def write_many(folder: Path) -> None:
    """300 small runs."""
    rng = np.random.default_rng(0)
    steps = np.arange(200)
    for index in range(RUNS):
        losses = np.exp(-steps / 60) + 0.1 * rng.random(len(steps))
        norms = rng.lognormal(0, 0.2, (len(steps), 6))
        names = [f"layer{i}" for i in range(6)]
        tables = [table(LOSS, steps, losses), table(GRADIENT_NORM, steps, norms, names)]
        write_run(folder / f"sweep/run{index:03}", tables)
