"""Plain scalars as they stand in event files: numbers by tag, without an object for each of them."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator
from typing import Any

from tensorboard.backend.event_processing import event_util
from tensorboard.compat.proto import event_pb2
from tensorboard.data import provider
from tensorboard.util import tensor_util

from tb_lossdiag.reader.bounds import DAMAGED

PLUGIN_NAME = "scalars"
_RESTARTS_SAID = 2
"""File version from which a restart is said; before it, a step that goes back undoes what its tags have at or after it."""


class Curve:
    """One tag's values in the order in which they were written: 24 bytes each."""

    def __init__(self) -> None:
        self.steps = array("q")
        self.walltimes = array("d")
        self.values = array("d")
        self.odd: set[int] = set()
        """Places of values that are no numbers."""

    def add(self, step: int, walltime: float, value: float | None) -> None:
        """A value, None for one that is no number."""
        if value is None:
            self.odd.add(len(self.values))
        self.steps.append(step)
        self.walltimes.append(walltime)
        self.values.append(math.nan if value is None else value)

    def undo(self, step: int) -> None:
        """Drop what was written at or after a step."""
        old, self.odd = self.odd, set()
        kept = [index for index, at in enumerate(self.steps) if at < step]
        self.odd = {new for new, index in enumerate(kept) if index in old}
        for name in ("steps", "walltimes", "values"):
            column = getattr(self, name)
            setattr(self, name, array(column.typecode, (column[index] for index in kept)))

    def data(self) -> list[Any]:
        """As a data provider gives them."""
        rows = zip(self.steps, self.walltimes, self.values, strict=True)
        return [
            provider.ScalarDatum(step, walltime, None if index in self.odd else value)
            for index, (step, walltime, value) in enumerate(rows)
        ]

    def listed(self) -> Any:
        """As a data provider lists it."""
        return provider.ScalarTimeSeries(
            max_step=max(self.steps),
            max_wall_time=max(self.walltimes),
            plugin_content=b"",
            description="",
            display_name="",
        )


class Curves:
    """The plain scalars of one run, restarts undone as TensorBoard's own loader does.

    TensorBoard makes a tensor of each number (28 µs), then an object, then a number again.
    """

    def __init__(self) -> None:
        self._of: dict[str, Curve] = {}
        self._others: set[str] = set()
        self._version = 0.0
        self._started = False
        self._last = -math.inf

    def __iter__(self) -> Iterator[tuple[str, Curve]]:
        """Those with a value, by tag."""
        return ((tag, curve) for tag, curve in self._of.items() if len(curve.steps))

    def take(self, event: Any) -> bool:
        """Take an event's plain scalars; whether it holds anything else."""
        values = event.summary.value
        if not values:
            self._note(event)
            return True
        if self._version < _RESTARTS_SAID:
            self._step(event)
        left = False
        for value in values:
            left |= not self._took(event, value)
        return left

    def _note(self, event: Any) -> None:
        """What an event without values says of the file or the session."""
        if event.HasField("file_version"):
            self._version = event_util.ParseFileVersion(event.file_version)
        elif event.session_log.status == event_pb2.SessionLog.START:
            if self._started and self._version >= _RESTARTS_SAID:
                for curve in self._of.values():
                    curve.undo(event.step)
            self._started = True

    def _step(self, event: Any) -> None:
        if event.step < self._last:
            for tag in {value.tag for value in event.summary.value} & self._of.keys():
                self._of[tag].undo(event.step)
        self._last = event.step

    def _took(self, event: Any, value: Any) -> bool:
        curve = self._of.get(value.tag) or self._begun(value)
        if curve is None:
            return False
        simple = value.HasField("simple_value")
        curve.add(event.step, event.wall_time, value.simple_value if simple else _number(value))
        return True

    def _begun(self, value: Any) -> Curve | None:
        """A tag is what its first value says."""
        if value.tag in self._others:
            return None
        if value.HasField("simple_value") or _says_scalar(value):
            return self._of.setdefault(value.tag, Curve())
        self._others.add(value.tag)
        return None


def _says_scalar(value: Any) -> bool:
    named: bool = value.metadata.plugin_data.plugin_name == PLUGIN_NAME
    return named and value.HasField("tensor")


def _number(value: Any) -> float | None:
    """The one number of a tensor; the size is asked first: a tensor in a file may say any."""
    if any(dim.size != 1 for dim in value.tensor.tensor_shape.dim):
        return None
    try:
        number = tensor_util.make_ndarray(value.tensor).item()
    except DAMAGED:
        return None
    return float(number) if isinstance(number, (int, float)) else None
