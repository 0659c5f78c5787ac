"""Ignite: `LossDoctor("runs/mine").attach(trainer, model, optimizer)`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ignite.engine import Engine, Events
from torch import nn

from tb_lossdiag.integrations.counting import StepCount
from tb_lossdiag.integrations.folders import fresh
from tb_lossdiag.integrations.recording import Recording, harmless, watch_options
from tb_lossdiag.writer import SummaryWriter


class LossDoctor:
    """Records what a trainer's update function trains.

    A trainer that goes on from a checkpoint of its state goes on in the same folder.

    Args:
        logdir: folder of the run, by default a new one in "runs".
        options: arguments of `SummaryWriter.watch`, such as `on_finding="print"`.

    Raises:
        TypeError: an option that `watch` does not have.

    Example:
        LossDoctor("runs/mine").attach(trainer, model, optimizer, evaluator=evaluator)
    """

    def __init__(self, logdir: str | os.PathLike[str] | None = None, **options: Any) -> None:
        self._logdir = None if logdir is None else os.fspath(logdir)
        self._options = watch_options(options)
        self._recording: Recording | None = None

    def attach(
        self,
        trainer: Engine,
        model: nn.Module | Mapping[str, nn.Module],
        optimizer: Any,
        *,
        scaler: Any = None,
        scheduler: Any = None,
        evaluator: Engine | None = None,
    ) -> None:
        """Record each run of a trainer.

        Args:
            trainer: its update function calls `backward` and `optimizer.step`.
            model: what it trains, or several by name.
            optimizer: of the model, or by the same names.
            scaler: the `torch.amp.GradScaler`, if there is one.
            scheduler: a learning-rate scheduler of torch's, if it is not found by itself.
            evaluator: its metrics are written whenever it has run.
        """
        models = model if isinstance(model, Mapping) else {"": model}
        optimizers = optimizer if isinstance(optimizer, Mapping) else {"": optimizer}

        def begin(engine: Engine) -> None:
            recording = self._begin(engine)
            for name, each in optimizers.items():
                recording.watch(models[name], each, scaler=scaler, scheduler=scheduler, name=name)

        trainer.add_event_handler(Events.STARTED, harmless(begin))
        for event in (Events.COMPLETED, Events.TERMINATE):
            trainer.add_event_handler(event, harmless(lambda _: self._close()))
        if evaluator is not None:
            measured = harmless(lambda engine: self._measured(engine, trainer))
            evaluator.add_event_handler(Events.COMPLETED, measured)

    def _begin(self, engine: Engine) -> Recording:
        self._close()
        self._logdir = self._logdir or fresh("runs")
        step = StepCount(lambda: int(engine.state.iteration))
        self._recording = Recording(
            SummaryWriter(self._logdir), self._options, step, framework="ignite"
        )
        return self._recording

    def _measured(self, evaluator: Engine, trainer: Engine) -> None:
        if self._recording is None:
            return
        for name, value in evaluator.state.metrics.items():
            if getattr(value, "numel", lambda: 1)() == 1 and hasattr(value, "__float__"):
                self._recording.writer.add_scalar(
                    f"validation/{name}", float(value), trainer.state.iteration
                )

    def _close(self) -> None:
        recording, self._recording = self._recording, None
        if recording is not None:
            recording.close()
