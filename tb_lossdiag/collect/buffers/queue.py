"""What has been observed and waits, partly on its device, until it is handed to the recorder."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import torch

from tb_lossdiag.collect.buffers.clip_buffer import ClipBuffer, ClippedStep
from tb_lossdiag.collect.buffers.loss_buffer import LossBuffer
from tb_lossdiag.collect.buffers.mixed_steps import MixedSteps
from tb_lossdiag.collect.buffers.norm_buffer import NormBuffer
from tb_lossdiag.collect.buffers.scale_buffer import ScaleBuffer, ScaledStep
from tb_lossdiag.collect.clips.ledger import ClipBatch
from tb_lossdiag.collect.guard import Guard
from tb_lossdiag.collect.state.measurement import Measurement
from tb_lossdiag.collect.state.scaler import Scale
from tb_lossdiag.collect.state.transfer import Number, gather
from tb_lossdiag.records import FrameBlock, Record

CLIPPING = "clipping"
"""The collector of clips."""
SCALER = "scaler"
"""The collector of loss scales."""
_MOST = 256
"""Observations that wait, at most; clips and scales of watched steps wait as long as those steps do."""


@dataclass
class Observation:
    """Samples of a step.

    Attributes:
        step: its number.
        walltime: seconds since the epoch.
        samples: each with its collector's name.
        own: whether they keep this step, whatever the window.
        watch: the watched model they belong to, if there is one.
    """

    step: int
    walltime: float
    samples: list[tuple[str, Measurement]]
    own: bool = False
    watch: NormBuffer | None = None


class Queue:
    """Samples and losses, in the order they came.

    Args:
        guarded: switches failing collectors off.

    Attributes:
        broken: whether one of the losses is known to be no finite number; those on a device are not asked.
        training: total losses of the training.
    """

    def __init__(self, guarded: Guard) -> None:
        self._guarded = guarded
        self.broken = False
        self._waiting: list[Observation] = []
        self._clips, self._scales = ClipBuffer(), ScaleBuffer()
        self.training = LossBuffer.total("train")
        self._mixed = MixedSteps()
        self.training.replaced = self._mixed.replaced
        self._terms: dict[tuple[str, tuple[str, ...]], LossBuffer] = {}
        self._own: dict[str, LossBuffer] = {}
        self._validation = LossBuffer.total("validation")
        self._count = 0

    @property
    def full(self) -> bool:
        """Whether it is time to hand over."""
        return self._count >= _MOST

    @property
    def urgent(self) -> bool:
        """Whether it is time to hand over, or a loss is no finite number."""
        return self.broken or self._count >= _MOST

    def put(self, waiting: Observation) -> None:
        """Take samples."""
        if len(self._clips) and any(name == CLIPPING for name, _ in waiting.samples):
            self._waiting += map(_observed, self._clips.apart())  # they come before
        if len(self._scales) and any(name == SCALER for name, _ in waiting.samples):
            self._waiting += map(_told, self._scales.apart())
        self._waiting.append(waiting)
        self._count += 1

    def put_scale(self, step: int, walltime: float, scale: Scale, watch: NormBuffer) -> None:
        """Take the loss scale of a watched model's step."""
        self._scales.put(step, walltime, scale, watch)

    def put_clips(self, step: int, walltime: float, clips: ClipBatch, watch: NormBuffer) -> None:
        """Take the clips of a watched model's step."""
        self._clips.put(step, walltime, clips, watch)

    def put_loss(self, phase: str, step: int, walltime: float, loss: Number) -> None:
        """Take a total loss."""
        lines = self.training if phase == "train" else self._validation
        lines.put(step, walltime, (loss,))
        self.broken |= _broken(loss)

    def put_terms(
        self,
        phase: str,
        step: int,
        walltime: float,
        terms: Mapping[str, tuple[Number, Number, float]],
    ) -> None:
        """Take loss terms, their weights and, of a training, whether they are attached."""
        key = phase, tuple(terms)
        if phase == "train":
            self._mixed.given(step, terms)
        lines = self._terms.get(key)
        if lines is None:
            lines = self._terms[key] = LossBuffer.terms(*key)
        numbers: list[Number] = []
        for term in terms.values():
            self.broken |= _broken(term[0])
            numbers += term[: lines.depth]
        lines.put(step, walltime, numbers)

    def put_own(self, step: int, walltime: float, name: str, loss: Number) -> None:
        """Take the loss of one of several watched models."""
        if name not in self._own:
            self._own[name] = LossBuffer.own(name)
        self._own[name].put(step, walltime, (loss,))

    def put_finite_terms(
        self, step: int, walltime: float, terms: Mapping[str, tuple[float, float, float]]
    ) -> bool:
        """The same of a training, for numbers of the host, at a step after those before, in fewer calls; whether they are finite, and not the first that wait."""
        lines = self._terms.get(("train", tuple(terms)))
        if lines is None or lines.newest >= step:
            return False
        for value, _, _ in terms.values():
            if value - value != 0.0:
                return False
        self._mixed.given(step, terms)
        lines.newest = step
        lines.rows.append((step, walltime, *chain.from_iterable(terms.values())))
        return True

    def rename(self, rows: NormBuffer, new: Mapping[int, int]) -> None:
        """Steps of a watched model are others."""
        self._clips.rename(rows, new)
        self._scales.rename(rows, new)
        for one in self._waiting:
            if one.watch is rows:
                one.step = new.get(one.step, one.step)

    def drop(self) -> None:
        """Forget everything."""
        self._waiting, self._terms, self._count, self.broken = [], {}, 0, False
        self._own = {}
        self._clips.clear()
        self._scales.clear()
        self._mixed.take()
        self.training.clear()
        self._validation.clear()

    def take_losses(self) -> Iterator[FrameBlock]:
        """Losses and terms; they wait no longer."""
        terms, self._terms, self.broken = self._terms, {}, False
        own, self._own = self._own, {}
        both = [("loss", line) for line in (self.training, self._validation, *own.values())]
        for name, line in [*both, *(("loss term", line) for line in terms.values())]:
            block = self._guarded(name, line.take) if len(line) else None
            if block is not None:
                yield block
        if (mixed := self._mixed.take()) is not None:
            yield mixed

    def take_blocks(self) -> list[FrameBlock]:
        """Clips and loss scales of watched steps that come after all that `take` gives of them; they wait no longer."""
        clips = self._guarded(CLIPPING, self._clips.take) if len(self._clips) else None
        scales = self._guarded(SCALER, self._scales.take) if len(self._scales) else None
        return [*(clips or ()), *(scales or ())]

    def take(self) -> Iterator[tuple[Observation, list[Record]]]:
        """Everything else with its records, after one transfer; it waits no longer, unless it waits for other ranks."""
        asked = [(one, self._ready(one)) for one in self._waiting]
        waiting = [one for one, ready in asked if ready]
        self._waiting, self._count = [one for one, ready in asked if not ready], 0
        samples = [sample for one in waiting for _, sample in one.samples]
        if not samples:
            return
        with torch.no_grad():
            arrays = iter(gather([tensor for sample in samples for tensor in sample.tensors]))
        for one in waiting:
            records: list[Record] = []
            for name, sample in one.samples:
                parts = [next(arrays) for _ in sample.tensors]
                records += self._finished(name, sample, parts)
            yield one, records

    def _ready(self, one: Observation) -> bool:
        """Whether nothing of it is still missing; what asks in vain is taken as it is."""
        asks = [sample.ready for _, sample in one.samples if sample.ready is not None]
        return all(self._guarded("ranks", ask) is not False for ask in asks)

    def _finished(self, name: str, sample: Measurement, parts: Sequence[object]) -> list[Record]:
        return self._guarded(name, lambda: sample.finish(parts)) or []  # type: ignore[arg-type]


def _observed(clipped: ClippedStep) -> Observation:
    samples = [(CLIPPING, clipped.clips.sample())]
    return Observation(clipped.step, clipped.walltime, samples, watch=clipped.watch)


def _told(scaled: ScaledStep) -> Observation:
    records = scaled.scale.records()
    samples = [(SCALER, Measurement([], lambda _: records))]
    return Observation(scaled.step, scaled.walltime, samples, watch=scaled.watch)


def _broken(number: Number) -> bool:
    return isinstance(number, float) and not math.isfinite(number)
