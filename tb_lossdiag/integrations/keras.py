"""Keras 3 on torch: `model.fit(x, y, callbacks=[LossDoctor("runs/mine")])`."""

from __future__ import annotations

import itertools
import os
import weakref
from collections.abc import Mapping
from typing import Any, NamedTuple

import keras

from tb_lossdiag.integrations.folders import fresh
from tb_lossdiag.integrations.keras_weights import weighted_phase
from tb_lossdiag.integrations.recording import Recording, harmless, watch_options
from tb_lossdiag.integrations.stand_in import StandIn, stand_in
from tb_lossdiag.writer import SummaryWriter


class _Fit(NamedTuple):
    """A model's latest fit: where it was recorded, who stepped, which steps were its own count's 0 and its end."""

    folder: str
    optimizer: weakref.ref[Any]
    first: int
    end: int


_fits: weakref.WeakKeyDictionary[Any, _Fit] = weakref.WeakKeyDictionary()


class LossDoctor(keras.callbacks.Callback):  # type: ignore[misc]
    """Records `fit`: losses as they are backpropagated, gradients, learning rate, and each epoch's metrics.

    While `fit` runs, the optimizer's `apply` is called between torch's hooks; gradients are those before a clip of Keras'. Steps are
    batches, counted as the optimizer does: what `BackupAndRestore` or a loaded model takes up again goes on in the same folder. So does
    a model that is compiled anew and fitted further, as a base that is thawed: its steps come after those of its fit before.

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
        self._first = 0
        self._weighted: str | None = None

    @harmless
    def on_train_batch_begin(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Watch the optimizer; by now it has the state of the checkpoint."""
        if self._recording is not None:
            return
        model = self.model
        self._logdir = self._logdir or fresh("runs")
        writer = SummaryWriter(self._logdir)
        self._first = _first(model, self._logdir)
        steps = itertools.count(
            self._first + _steps(model)
        )  # a variable on a GPU is not asked at each step
        self._recording = Recording(writer, self._options, lambda: next(steps), framework="keras")
        self._stand_in = stand_in(model.optimizer, "apply", self._groups)
        self._recording.watch(model, self._stand_in)

    def _groups(self) -> list[dict[str, Any]]:
        """As torch has them; asked from within each step, which knows what no callback is told."""
        if self._recording is not None and self._weighted is None:
            self._weighted = weighted_phase()
            self._recording.weighted(self._weighted or "")
        return [_group(self.model)]

    @harmless
    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Write what was measured."""
        if self._recording is None:
            return
        for name, value in (logs or {}).items():
            step = self._first + _steps(self.model)
            self._recording.writer.add_scalar(name, float(value), step)

    @harmless
    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Write everything and stop observing."""
        if self._recording is not None:
            end, made = self._first + _steps(self.model), weakref.ref(self.model.optimizer)
            _fits[self.model] = _Fit(str(self._logdir), made, self._first, end)
        self._close()

    def _close(self) -> None:
        recording, self._recording, self._weighted = self._recording, None, None
        if recording is not None:
            recording.close()
        if self._stand_in is not None:
            self._stand_in.remove()
            self._stand_in = None


def _steps(model: Any) -> int:
    """Calls of `apply`; with accumulation the public count is of fewer."""
    return int(getattr(model.optimizer, "_iterations", model.optimizer.iterations))


def _first(model: Any, folder: str) -> int:
    """The step at which the optimizer's count was 0: one made since the model's last fit there begins where that ended."""
    last = _fits.get(model)
    if last is None or last.folder != folder:
        return 0
    if last.optimizer() is model.optimizer:
        return last.first
    return last.end if _steps(model) == 0 else 0


def _group(model: Any) -> dict[str, Any]:
    """A model's optimizer as torch shows its own."""
    held = [variable.value for variable in model.trainable_variables]
    rate = keras.ops.convert_to_tensor(model.optimizer.learning_rate)
    return {"params": held, "lr": rate.detach().clone()}
