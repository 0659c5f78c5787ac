"""Plain scalars as they stand in event files: numbers by tag, without an object for each of them."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from typing import Any

from tensorboard.data import provider

from tb_lossdiag.reader.bounds import DAMAGED
from tb_lossdiag.reader.tensors import array_of
from tb_lossdiag.reader.written import Written

PLUGIN_NAME = "scalars"


class Curve(Written):
    """One tag's values: 24 bytes each. TensorBoard makes a tensor of each (28 µs), then an object, then a number again."""

    def __init__(self) -> None:
        super().__init__()
        self.values = array("d")
        self.odd: set[int] = set()
        """Places of values that are no numbers."""

    def add(self, step: int, walltime: float, value: Any) -> bool:
        """Take a value, or that there was one that is no number."""
        number = (
            value.simple_value
        )  # 0.0 where there is none: asked first, since it is the rare one
        if not number and not value.HasField("simple_value"):
            number = _number(value)
        if number is None:
            self.odd.add(len(self.values))
            number = math.nan
        self.steps.append(step)
        self.walltimes.append(walltime)
        self.values.append(number)
        return True

    def put(self, step: int, walltime: float, number: float) -> None:
        """Take a number that stands elsewhere than in an event file."""
        self.steps.append(step)
        self.walltimes.append(walltime)
        self.values.append(number)

    def keep(self, places: Sequence[int]) -> None:
        """Keep the values of these places only."""
        self.odd = {new for new, index in enumerate(places) if index in self.odd}
        self.values = array("d", (self.values[index] for index in places))

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


def says_scalar(value: Any) -> bool:
    """Whether the first value of a tag makes it a plain scalar."""
    named: bool = value.metadata.plugin_data.plugin_name == PLUGIN_NAME
    return bool(value.HasField("simple_value")) or (named and bool(value.HasField("tensor")))


def _number(value: Any) -> float | None:
    """The one number of a tensor; the size is asked first: a tensor in a file may say any."""
    if any(dim.size != 1 for dim in value.tensor.tensor_shape.dim):
        return None
    try:
        number = array_of(value.tensor).item()
    except DAMAGED:
        return None
    return float(number) if isinstance(number, (int, float)) else None
