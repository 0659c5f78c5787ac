"""Loss scales, step by step until they are handed on together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from tb_lossdiag.collect.buffers.clip_buffer import rising
from tb_lossdiag.collect.buffers.norm_buffer import NormBuffer
from tb_lossdiag.collect.state.scaler import Scale
from tb_lossdiag.quantities import AMP_SCALE, AMP_SKIPPED
from tb_lossdiag.records import FrameBlock


class ScaledStep(NamedTuple):
    """The loss scale of a step.

    Attributes:
        step: its number.
        walltime: seconds since the epoch.
        scale: the scale, and the steps that were skipped for it.
        watch: the watched model that the step is of.
    """

    step: int
    walltime: float
    scale: Scale
    watch: NormBuffer


class ScaleBuffer:
    """Steps by a GradScaler that have not been handed on."""

    def __init__(self) -> None:
        self._steps: list[ScaledStep] = []

    def __len__(self) -> int:
        """Steps that wait."""
        return len(self._steps)

    def put(self, step: int, walltime: float, scale: Scale, watch: NormBuffer) -> None:
        """Take a step's scale."""
        self._steps.append(ScaledStep(step, walltime, scale, watch))

    def rename(self, rows: NormBuffer, new: Mapping[int, int]) -> None:
        """Steps of a watched model are others."""
        self._steps = [
            one._replace(step=new.get(one.step, one.step)) if one.watch is rows else one
            for one in self._steps
        ]

    def clear(self) -> None:
        """Nothing waits any more."""
        self._steps = []

    def apart(self) -> list[ScaledStep]:
        """All of them one by one; they wait no longer."""
        steps, self._steps = self._steps, []
        return steps

    def take(self) -> list[FrameBlock]:
        """All of them; they wait no longer. In each block steps rise."""
        return list(map(_block, rising(self.apart())))


def _block(steps: Sequence[ScaledStep]) -> FrameBlock:
    values = np.array([one.scale for one in steps], np.float32)
    numbers = np.array([one.step for one in steps], np.int64)
    times = np.array([one.walltime for one in steps])
    return FrameBlock(("",), numbers, times, {AMP_SCALE: values[:, :1], AMP_SKIPPED: values[:, 1:]})
