"""Keras 3 on torch: `model.fit(x, y, callbacks=[LossDoctor("runs/mine")])`."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping
from typing import Any

import keras

from tb_lossdiag.integrations.folders import fresh
from tb_lossdiag.integrations.recording import Recording, harmless, watch_options
from tb_lossdiag.integrations.stand_in import StandIn, stand_in
from tb_lossdiag.writer import SummaryWriter


class LossDoctor(keras.callbacks.Callback):  # type: ignore[misc]
    """Records `fit`: losses as they are backpropagated, gradients, learning rate, and each epoch's metrics.

    While `fit` runs, the optimizer's `apply` is called between torch's hooks; gradients are those before a clip of Keras'. Steps are
    batches, counted as the optimizer does: what `BackupAndRestore` or a loaded model takes up again goes on in the same folder.

    Args:
        logdir: folder of the run, by default a new one in "runs".
        options: arguments of `SummaryWriter.watch`, such as `on_finding="print"`.

    Raises:
        TypeError: an option that `watch` does not have.
        RuntimeError: Keras runs on something else than torch.

    Example:
        model.fit(x, y, callbacks=[LossDoctor("runs/mine")])
    """

    def __init__(self, logdir: str | os.PathLike[str] | None = None, **options: Any) -> None:
        super().__init__()
        if keras.backend.backend() != "torch":
            raise RuntimeError("This records Keras on torch: set KERAS_BACKEND=torch")
        self._logdir = None if logdir is None else os.fspath(logdir)
        self._options = watch_options(options)
        self._recording: Recording | None = None
        self._stand_in: StandIn | None = None

    @harmless
    def on_train_batch_begin(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Watch the optimizer; by now it has the state of the checkpoint."""
        if self._recording is not None:
            return
        model = self.model
        self._logdir = self._logdir or fresh("runs")
        writer = SummaryWriter(self._logdir)
        steps = itertools.count(_steps(model))  # a variable on a GPU is not asked at each step
        self._recording = Recording(writer, self._options, lambda: next(steps), framework="keras")
        self._stand_in = stand_in(model.optimizer, "apply", lambda: [_group(model)])
        self._recording.watch(model, self._stand_in)

    @harmless
    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Write what was measured."""
        if self._recording is None:
            return
        for name, value in (logs or {}).items():
            self._recording.writer.add_scalar(name, float(value), _steps(self.model))

    @harmless
    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Write everything and stop observing."""
        self._close()

    def _close(self) -> None:
        recording, self._recording = self._recording, None
        if recording is not None:
            recording.close()
        if self._stand_in is not None:
            self._stand_in.remove()
            self._stand_in = None


def _steps(model: Any) -> int:
    """Calls of `apply`; with accumulation the public count is of fewer."""
    return int(getattr(model.optimizer, "_iterations", model.optimizer.iterations))


def _group(model: Any) -> dict[str, Any]:
    """A model's optimizer as torch shows its own."""
    held = [variable.value for variable in model.trainable_variables]
    rate = keras.ops.convert_to_tensor(model.optimizer.learning_rate)
    return {"params": held, "lr": rate.detach().clone()}
