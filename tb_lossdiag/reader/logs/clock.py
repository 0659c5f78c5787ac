"""Which column counts the steps, and which tells the time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tb_lossdiag.reader.logs.row import moment, number
from tb_lossdiag.reader.styles import normalised

_STEPS = (
    # What the loop counts itself comes before the lines of the log (W&B's _step).
    "train/global_step",
    "trainer/global_step",
    "training/global_step",
    "global_step",
    "step",
    "steps",
    # Stable-Baselines3's progress.csv, RLlib's.
    "time/total_timesteps",
    "total_timesteps",
    "timesteps_total",
    "training_iteration",
    "_step",
    # detectron2's metrics.json, DETR-like logs.
    "iteration",
    "iter",
    "num_updates",
    "update",
    "epoch",
)
_TIMES = ("_timestamp", "timestamp", "wall_time", "walltime", "time", "date", "created_at")
_EPOCH = "epoch"
_HIGHEST = 2.0**62


@dataclass(frozen=True)
class Clock:
    """How a log counts.

    Attributes:
        step: the key of its steps; "" if rows are counted.
        time: the key of its time stamps, "" without.
        epoch: the key of its epochs, "" without.
    """

    step: str = ""
    time: str = ""
    epoch: str = ""

    @classmethod
    def of(cls, rows: Sequence[Mapping[str, Any]]) -> Clock:
        """The clock of a log that begins so."""
        keys = {normalised(str(key)): str(key) for row in reversed(rows) for key in row}
        step = next(
            (keys[name] for name in _STEPS if name in keys and _counts(rows, keys[name])), ""
        )
        time = next(
            (keys[name] for name in _TIMES if name in keys and _tells(rows, keys[name])), ""
        )
        return cls(step, time, keys.get(_EPOCH, ""))

    @property
    def keys(self) -> frozenset[str]:
        """What is no curve."""
        return frozenset({self.step, self.time, self.epoch} - {""})

    def step_of(self, row: Mapping[str, Any]) -> int | None:
        """The step that a row names."""
        value = number(row.get(self.step)) if self.step else None
        return int(value) if value is not None and abs(value) < _HIGHEST else None


def _known(rows: Iterable[Mapping[str, Any]], key: str) -> list[float]:
    found = (number(row.get(key)) for row in rows)
    return [value for value in found if value is not None and math.isfinite(value)]


def _counts(rows: Sequence[Mapping[str, Any]], key: str) -> bool:
    """Whether a column has whole numbers; epochs count only where each has a row or two of its own."""
    values = _known(rows, key)
    whole = bool(values) and all(value == int(value) for value in values)
    return whole and (normalised(key) != _EPOCH or 2 * len(set(values)) >= len(values))


def _tells(rows: Iterable[Mapping[str, Any]], key: str) -> bool:
    return any(moment(row[key]) is not None for row in rows if key in row)
