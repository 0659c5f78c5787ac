"""What was set for a run, as far as its records tell: facts, learning rate, clip, batch size, size of the model."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tb_lossdiag.diagnosis.rule import short_number
from tb_lossdiag.process.job import JOB_FACTS
from tb_lossdiag.quantities import (
    ASLEEP_PARTS,
    BATCH_SIZE,
    BETA2,
    CLIP_LINE,
    CLIP_MAX_NORM,
    LEARNING_RATE,
    LOSS_LINES,
    MOMENTUM,
    PARAMETER_SIZE,
    STEP_LINE,
    WEIGHT_DECAY,
    Quantity,
)
from tb_lossdiag.quantities.batches import BROKEN_BATCHES
from tb_lossdiag.records import Floats
from tb_lossdiag.run import Run

_UNREAD = ("unread", "perhaps")
"""Facts about scalars that are not read."""
NO_SETTINGS = (
    frozenset({ASLEEP_PARTS, LOSS_LINES, CLIP_LINE, STEP_LINE, BROKEN_BATCHES, *_UNREAD})
    | JOB_FACTS
)
"""Facts that set nothing: lines move with every line that is written above, a job has a number, batches are what
broke."""
_USUAL = (MOMENTUM, BETA2, WEIGHT_DECAY, CLIP_MAX_NORM, BATCH_SIZE)


def settings(run: Run) -> Iterator[tuple[str, str]]:
    """Names and values; of what has several columns one for each."""
    yield from ((name, words) for name, words in run.facts.items() if name not in NO_SETTINGS)
    yield from _scheduled(run, LEARNING_RATE)
    for quantity in _USUAL:
        for name, values in _columns(run, quantity):
            yield f"{name}, usual", short_number(float(np.median(values)))
    if PARAMETER_SIZE in run:
        sizes = run[PARAMETER_SIZE].values[-1]
        yield "parameters", f"{np.nansum(sizes, dtype=np.float64):.0f}"


def _scheduled(run: Run, quantity: Quantity) -> Iterator[tuple[str, str]]:
    """Its highest value, and where it does not stay the first and the last."""
    for name, values in _columns(run, quantity):
        yield f"{name}, highest", short_number(float(values.max()))
        if values.min() < values.max():
            yield f"{name}, first", short_number(float(values[0]))
            yield f"{name}, last", short_number(float(values[-1]))


def _columns(run: Run, quantity: Quantity) -> Iterator[tuple[str, Floats]]:
    """Each column with a value, without its gaps."""
    if quantity not in run:
        return
    table = run[quantity]
    for index, column in enumerate(table.columns):
        values = table.values[:, index]
        values = values[~np.isnan(values)]
        if len(values):
            yield (f"{quantity.name}[{column}]" if column else quantity.name), values
