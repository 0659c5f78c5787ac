"""What a step has beside its gradients, where it has it: clips, a loss scale."""

from __future__ import annotations

from typing import Any

from tb_lossdiag.collect.buffers.norm_buffer import NormBuffer
from tb_lossdiag.collect.state.scaler import ScaleWatch, scale_watch
from tb_lossdiag.collect.watch.host import Host
from tb_lossdiag.collect.watch.watched_parameters import WatchedParameters


class StepExtras:
    """Hands them over.

    Args:
        rows: where the steps wait.
        host: what the watch shares with the writer's other parts.
        model: the model's parameters.
        scaler: the GradScaler that calls the optimizer, None without.

    Attributes:
        scale: the loss scale, None without a GradScaler.
    """

    def __init__(self, rows: NormBuffer, host: Host, model: WatchedParameters, scaler: Any) -> None:
        self._rows, self._host, self._model = rows, host, model
        self.scale: ScaleWatch | None = host.guarded("scaler", lambda: scale_watch(scaler))

    def sink(self, step: int) -> None:
        """A step that is not a calm one has been taken."""
        self._sink_scale(step)
        self._host.guarded.door("clipping", self._clips, step)

    def sink_calm(self, step: int) -> None:
        """A calm one has, which may have had the clip that each of them has."""
        if (clips := self._host.clips.take()) is not None:
            self._host.clipped(self._rows, step, clips)
        self._sink_scale(step)

    def _sink_scale(self, step: int) -> None:
        if self.scale is not None:
            self._host.guarded.door("scaler", self._scaled, step, self.scale)

    def _scaled(self, step: int, scale: ScaleWatch) -> None:
        self._host.scaled(self._rows, step, scale.step())

    def _clips(self, step: int) -> None:
        if (clips := self._host.clips.take()) is not None:
            self._host.clipped(self._rows, step, self._rows.clipped(clips))
        self._host.clips.used(self._model.now.tensors)
