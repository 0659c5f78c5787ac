"""Loss scales, step by step until they are handed on together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tb_lossdiag.collect.buffers.norm_buffer import NormBuffer
from tb_lossdiag.collect.buffers.step_buffer import StepBuffer, rising
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


class ScaleBuffer(StepBuffer[ScaledStep]):
    """Steps by a GradScaler that have not been handed on."""

    def put(self, step: int, walltime: float, scale: Scale, watch: NormBuffer) -> None:
        """Take a step's scale."""
        self._steps.append(ScaledStep(step, walltime, scale, watch))

    def take(self) -> list[FrameBlock]:
        """All of them; they wait no longer. In each block steps rise."""
        return list(map(_block, rising(self.apart())))


def _block(steps: Sequence[ScaledStep]) -> FrameBlock:
    values = np.array([one.scale for one in steps], np.float32)
    numbers = np.array([one.step for one in steps], np.int64)
    times = np.array([one.walltime for one in steps])
    return FrameBlock(("",), numbers, times, {AMP_SCALE: values[:, :1], AMP_SKIPPED: values[:, 1:]})
