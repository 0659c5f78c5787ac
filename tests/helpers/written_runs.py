"""Runs written without training: tables straight into an event file, as fast as the disk allows."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from tensorboard.compat.proto import event_pb2, summary_pb2

from tb_lossdiag.quantities import Quantity, frame_quantities
from tb_lossdiag.records import Floats, Steps, Table
from tb_lossdiag.wire.framing import framed
from tb_lossdiag.wire.schema import (
    DESCRIBED,
    FACTS,
    SHARD,
    SHARD_BYTES,
    Columns,
    Fact,
    Session,
    Tag,
    Words,
    fact_value,
    matrix_value,
)


class _Frame:
    """The tables of one frame as one array [T, C, Q]."""

    def __init__(self, name: str, tables: Sequence[Table], session: str) -> None:
        self.steps: Steps = tables[0].steps
        self.columns = tables[0].columns
        self._name, self._session = name, session
        quantities = frame_quantities(name)
        shape = (len(self.steps), len(self.columns), len(quantities))
        self.values: Floats = np.full(shape, np.nan, np.float32)
        for table in tables:
            assert table.columns == self.columns
            assert np.array_equal(table.steps, self.steps)
            self.values[:, :, [q.name for q in quantities].index(table.quantity.name)] = (
                table.values
            )
        record = 4 * shape[1] * shape[2]
        self._capacity = max(1, min(SHARD, SHARD_BYTES // record))

    def value(self, row: int, walltime: float) -> summary_pb2.Summary.Value:
        """One record."""
        shard, place = divmod(row, self._capacity)
        tag, step = Tag(self._name, self._session, shard), int(self.steps[row])
        return matrix_value(tag, self.values[row], step, walltime, first=place < DESCRIBED)

    def fact(self) -> Fact:
        """What its columns are called."""
        quantities = [quantity.name for quantity in frame_quantities(self._name)]
        return Fact(
            columns=Columns(
                frame=self._name, first_shard=0, names=self.columns, quantities=quantities
            )
        )


def write_run(
    folder: Path,
    tables: Sequence[Table],
    words: Mapping[str, str] | None = None,
    began: float | None = None,
    seconds_per_step: float = 0.1,
    more: Sequence[Fact] = (),
) -> None:
    """Write a run of one session.

    Args:
        folder: the run's folder.
        tables: those of one frame have the same steps and columns.
        words: facts, e.g. {"optimizer": "AdamW"}.
        began: wall time of step 0; by default such that the last record is from now.
        seconds_per_step: pace.
        more: further facts.
    """
    frames: dict[str, list[Table]] = {}
    for table in tables:
        frames.setdefault(table.quantity.frame, []).append(table)
    session = "018f00000000-000000-1"
    made = [_Frame(name, parts, session) for name, parts in frames.items()]
    steps = np.unique(np.concatenate([frame.steps for frame in made]))
    start = time.time() - steps[-1] * seconds_per_step if began is None else began
    facts = [
        Fact(session=Session(start_step=int(steps[0]))),
        *(frame.fact() for frame in made),
        *([Fact(words=Words(values=dict(words)))] if words else []),
        *more,
    ]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "events.out.tfevents.0.made").open("wb") as file:
        _event(file, event_pb2.Event(wall_time=start, file_version="brain.Event:2"))
        for index, fact in enumerate(facts):
            value = fact_value(Tag(FACTS, session), fact, index, start, first=index < DESCRIBED)
            _event(file, _of([value], index, start))
        rows = [0] * len(made)
        for step in steps.tolist():
            values, now = [], start + step * seconds_per_step
            for index, frame in enumerate(made):
                if rows[index] < len(frame.steps) and frame.steps[rows[index]] == step:
                    values.append(frame.value(rows[index], now))
                    rows[index] += 1
            _event(file, _of(values, step, now))


def _of(values: list[summary_pb2.Summary.Value], step: int, walltime: float) -> event_pb2.Event:
    return event_pb2.Event(step=step, wall_time=walltime, summary=summary_pb2.Summary(value=values))


def _event(out: BinaryIO, event: event_pb2.Event) -> None:
    out.write(framed(event.SerializeToString()))


def windowed(
    quantity: Quantity, values: Floats, steps: Steps, columns: Sequence[str]
) -> list[Table]:
    """A quantity recorded step by step, as a recorder with windows keeps it.

    Args:
        quantity: one with extremes.
        values: float32[T, C], one row per step 0 to T-1, T a multiple of the window.
        steps: int64[N], the last step of each window; all windows are equally long.
        columns: C names.

    Returns:
        The table and those of its largest value, its lag and its smallest value.
    """
    names = tuple(columns)
    blocks = values.reshape(len(steps), -1, values.shape[1])
    width = blocks.shape[1]
    lag = width - 1 - blocks.argmax(axis=1)
    parts = {
        quantity: blocks[:, -1],
        quantity.highest(): blocks.max(axis=1),
        quantity.highest_lag(): lag,
        quantity.lowest(): blocks.min(axis=1),
    }
    times = steps.astype(np.float64)
    return [
        Table(part, names, steps, times, np.asarray(data, np.float32))
        for part, data in parts.items()
    ]
