"""Transformers: `Trainer(callbacks=[LossDoctor()])`, and with it the trainers of TRL and PEFT."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from transformers.integrations.integration_utils import (
    INTEGRATION_TO_CALLBACK,
    TensorBoardCallback,
)

from tb_lossdiag.integrations.folders import fresh, taken_up
from tb_lossdiag.integrations.objective import objective
from tb_lossdiag.integrations.recording import Recording, harmless, watch_options
from tb_lossdiag.integrations.rows import TakesRows
from tb_lossdiag.writer import SummaryWriter

_OF_ANSWERS = ("completion_only_loss", "assistant_only_loss")


class LossDoctor(TakesRows, TensorBoardCallback):  # type: ignore[misc]
    """Records a `Trainer`: every step's loss as it is backpropagated, gradients, clips, check-ups, and what the trainer logs.

    It writes what Transformers' own TensorBoard callback writes and takes its place: `report_to="none"`, or
    `report_to="tb_lossdiag"` without `callbacks`, which importing this module makes known. Each `train()` is a run of its own
    unless it resumes from a checkpoint; each trial of a hyperparameter search too.

    Args:
        logdir: folder of the run; by default `TENSORBOARD_LOGGING_DIR`, or one in "runs" of the trainer's output folder.
        options: arguments of `SummaryWriter.watch`, such as `on_finding="print"`.

    Raises:
        TypeError: an option that `watch` does not have.

    Example:
        trainer = Trainer(model, arguments, train_dataset=data, callbacks=[LossDoctor()])
    """

    def __init__(self, logdir: str | os.PathLike[str] | None = None, **options: Any) -> None:
        super().__init__()
        self.tb_writer: SummaryWriter | None = None
        self._given = (
            os.environ.get("TENSORBOARD_LOGGING_DIR") if logdir is None else os.fspath(logdir)
        )
        self._options = watch_options(options)
        self._recording: Recording | None = None
        self._runs = 0

    @harmless
    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Watch the optimizer; by now it has the state of the checkpoint."""
        self._close()
        self.tb_writer = SummaryWriter(self._folder(args, state))
        super().on_train_begin(args, state, control, **kwargs)
        self._recording = Recording(
            self.tb_writer, self._options, lambda: int(state.global_step), framework="transformers"
        )
        self._recording.watch(
            kwargs["model"], kwargs["optimizer"], scheduler=kwargs.get("lr_scheduler")
        )
        self._recording.planned(state.max_steps)
        self._recording.optimizes(objective(args))
        # TRL's SFTConfig; None where the kind of the data decides.
        if any(getattr(args, each, None) is True for each in _OF_ANSWERS):
            self._recording.answers_only()

    @harmless
    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        """Write what the trainer logs."""
        if self.tb_writer is not None:
            super().on_log(args, state, control, logs=logs, **kwargs)
        if self._recording is not None and "reward" in (logs or {}):
            self._recording.rewarded()

    @harmless
    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Write everything and stop observing."""
        self._close()

    def _close(self) -> None:
        recording, self._recording = self._recording, None
        if recording is not None:
            recording.end()
        if self.tb_writer is not None:
            self.tb_writer.close()
            self.tb_writer = None

    def _folder(self, args: Any, state: Any) -> str:
        """Of the run that begins, or that is taken up again."""
        resumed, self._runs = state.global_step > 0, self._runs + 1
        if state.is_hyper_param_search:
            base = self._given or str(Path(args.output_dir) / "runs")
            return str(Path(base) / state.trial_name) if state.trial_name else fresh(base, "trial")
        if self._given is not None:
            again = self._runs > 1 and not resumed
            return fresh(Path(self._given).parent, Path(self._given).name) if again else self._given
        own = getattr(args, "logging_dir", None)  # until version 5
        runs = Path(own).parent if own else Path(args.output_dir) / "runs"
        if own and not resumed and not Path(own).exists():
            return str(own)
        return taken_up(runs, resumed=resumed)


INTEGRATION_TO_CALLBACK["tb_lossdiag"] = LossDoctor
