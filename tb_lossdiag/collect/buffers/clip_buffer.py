"""Clips, step by step until they are handed on together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from torch import Tensor

from tb_lossdiag.collect.buffers.loss_buffer import on_host
from tb_lossdiag.collect.buffers.norm_buffer import NormBuffer
from tb_lossdiag.collect.buffers.step_buffer import StepBuffer, rising
from tb_lossdiag.collect.clips.ledger import ClipBatch, known
from tb_lossdiag.records import Floats, FrameBlock


class ClippedStep(NamedTuple):
    """The clips of a step.

    Attributes:
        step: its number.
        walltime: seconds since the epoch.
        clips: the newest of each set of parameters.
        watch: the watched model that the step is of.
    """

    step: int
    walltime: float
    clips: ClipBatch
    watch: NormBuffer


class ClipBuffer(StepBuffer[ClippedStep]):
    """Steps with clips that have not been handed on; their norms wait on their device."""

    def put(self, step: int, walltime: float, clips: ClipBatch, watch: NormBuffer) -> None:
        """Take a step's clips."""
        self._steps.append(ClippedStep(step, walltime, clips, watch))

    def take(self) -> list[FrameBlock]:
        """All of them, after one transfer; they wait no longer. Each block is of the same clips at steps that rise."""
        alike: dict[tuple[str, ...], list[ClippedStep]] = {}
        for one in self.apart():
            alike.setdefault(tuple(one.clips.calls), []).append(one)
        return [_block(c, run) for c, some in alike.items() for run in rising(some)]


def _block(columns: tuple[str, ...], steps: Sequence[ClippedStep]) -> FrameBlock:
    calls = [call for one in steps for call in one.clips.calls.values()]
    counts = [count for one in steps for count in one.clips.counts]
    total = _numbers([call.total for call in calls])
    after = _numbers([call.after for call in calls if call.after is not None])
    left = total.copy()
    left[[call.after is not None for call in calls]] = after
    shape = len(steps), len(columns)
    values = {q: v.reshape(shape) for q, v in known(calls, counts, total, left).items()}
    numbers = np.array([one.step for one in steps], np.int64)
    return FrameBlock(columns, numbers, np.array([one.walltime for one in steps]), values)


def _numbers(tensors: Sequence[Tensor]) -> Floats:
    return on_host([float(tensor.item()) if tensor.is_cpu else tensor for tensor in tensors])
