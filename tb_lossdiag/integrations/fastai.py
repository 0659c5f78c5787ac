"""fastai: `Learner(dls, model, cbs=[LossDoctor()])`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from fastai.callback.core import Callback

from tb_lossdiag.integrations.counting import StepCount
from tb_lossdiag.integrations.folders import taken_up
from tb_lossdiag.integrations.recording import Recording, harmless, watch_options
from tb_lossdiag.integrations.stand_in import StandIn, stand_in
from tb_lossdiag.writer import SummaryWriter


class LossDoctor(Callback):  # type: ignore[misc]
    """Records a learner: losses as they are backpropagated, gradients, clips, and each epoch's metrics.

    Further fits go on in the run; the learning-rate finder's is not recorded. fastai's own optimizers are watched as torch's are: while
    a fit runs, their `step` is called between torch's hooks.

    Args:
        logdir: folder of the run, by default a new one in "runs" of the learner's path.
        options: arguments of `SummaryWriter.watch`, such as `on_finding="print"`.

    Raises:
        TypeError: an option that `watch` does not have.

    Example:
        learn = Learner(dls, model, cbs=[LossDoctor()])
    """

    order = 90  # behind what unscales and clips, and behind fastai's recorder
    run_valid = False

    def __init__(self, logdir: str | os.PathLike[str] | None = None, **options: Any) -> None:
        super().__init__()
        self._logdir = None if logdir is None else os.fspath(logdir)
        self._options = watch_options(options)
        self._recording: Recording | None = None
        self._stand_in: StandIn | None = None

    @harmless
    def before_fit(self) -> None:
        """Watch the optimizer; by now it is made."""
        self._close()
        learn = self.learn
        if any(hasattr(learn, other) for other in ("lr_finder", "gather_preds")):
            return
        if self._logdir is None:
            self._logdir = taken_up(Path(learn.path) / "runs", resumed=_skipped(learn) > 0)
        step = StepCount(lambda: _batches(learn))
        self._recording = Recording(
            SummaryWriter(self._logdir), self._options, step, framework="fastai"
        )
        optimizer = getattr(learn.opt, "opt", None)
        if not isinstance(optimizer, torch.optim.Optimizer):
            optimizer = self._stand_in = stand_in(learn.opt, "step", lambda: learn.opt.param_groups)
        self._recording.watch(learn.model, optimizer, loss_scaler=getattr(learn, "scaler", None))

    @harmless
    def after_epoch(self) -> None:
        """Write what was measured."""
        if self._recording is None:
            return
        recorder = self.learn.recorder
        measured = dict(zip(recorder.metric_names, recorder.log, strict=False))
        for name, value in measured.items():
            if isinstance(value, float):
                self._recording.writer.add_scalar(name, value, _batches(self.learn))

    @harmless
    def after_fit(self) -> None:
        """Write everything and stop observing."""
        self._close()

    def _close(self) -> None:
        recording, self._recording = self._recording, None
        if recording is not None:
            recording.close()
        if self._stand_in is not None:
            self._stand_in.remove()
            self._stand_in = None


def _skipped(learn: Any) -> int:
    """Epochs that `fit(start_epoch=...)` leaves to a training before."""
    found = getattr(learn, "skip_to_epoch", None)
    return 0 if found is None else int(found._skip_to)  # noqa: SLF001


def _batches(learn: Any) -> int:
    """That were trained on, the present one included."""
    done = getattr(learn, "train_iter", 0)
    return _skipped(learn) * len(learn.dls.train) + int(done)
