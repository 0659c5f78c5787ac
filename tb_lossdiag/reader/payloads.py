"""Our own records as they stand in event files: views of the bytes that were read, where TensorBoard would make two copies of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from tensorboard.compat.proto import summary_pb2
from tensorboard.data import provider

from tb_lossdiag.reader.bounds import DAMAGED
from tb_lossdiag.reader.tensors import array_of
from tb_lossdiag.reader.written import Written
from tb_lossdiag.wire.schema import PLUGIN

_NONE: npt.NDArray[Any] = np.zeros(0, np.float32)
"""A tensor that is none: no record is empty, so whoever decodes it counts a damaged one."""


class Payload(Written):
    """One tag's tensors.

    Attributes:
        arrays: what they hold.
        metadata: of the first value that has some; without it a tag is nobody's.
    """

    def __init__(self) -> None:
        super().__init__()
        self.arrays: list[npt.NDArray[Any]] = []
        self.metadata: Any = None

    def add(self, step: int, walltime: float, value: Any) -> bool:
        """Take a tensor; False for one that would be much larger in memory than it is in the file."""
        if self.metadata is None and value.HasField("metadata"):
            self.metadata = value.metadata
        if not value.HasField("tensor"):
            return True
        array = _array(value.tensor)
        if array is None:
            return False
        self.steps.append(step)
        self.walltimes.append(walltime)
        self.arrays.append(array)
        return True

    def keep(self, places: Sequence[int]) -> None:
        """Keep the tensors of these places only."""
        self.arrays = [self.arrays[index] for index in places]

    def ours(self) -> bool:
        """Whether what was written says so."""
        known = self.metadata
        return (
            known is not None
            and known.plugin_data.plugin_name == PLUGIN
            and known.data_class == summary_pb2.DATA_CLASS_TENSOR
        )

    def data(self) -> list[Any]:
        """As a data provider gives them."""
        rows = zip(self.steps, self.walltimes, self.arrays, strict=True)
        return [provider.TensorDatum(*row) for row in rows]

    def listed(self) -> Any:
        """As a data provider lists it."""
        return provider.TensorTimeSeries(
            max_step=max(self.steps),
            max_wall_time=max(self.walltimes),
            plugin_content=self.metadata.plugin_data.content,
            description=self.metadata.summary_description,
            display_name=self.metadata.display_name,
        )


def says_ours(value: Any) -> bool:
    """Whether the first value of a tag may make it one of ours."""
    named: bool = value.metadata.plugin_data.plugin_name == PLUGIN
    return named or value.tag.startswith(f"{PLUGIN}/")


def _array(tensor: Any) -> npt.NDArray[Any] | None:
    """A tensor's values; nothing for a bomb (one number stands for as many as the shape says), `_NONE` for what is no tensor."""
    if not tensor.tensor_content:
        sizes = (max(dim.size, 0) for dim in tensor.tensor_shape.dim)
        if math.prod(sizes) > max(1, tensor.ByteSize()):
            return None
    try:
        return array_of(tensor)
    except DAMAGED:
        return _NONE
