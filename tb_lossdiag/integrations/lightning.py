"""Lightning: `Trainer(callbacks=[LossDoctor()])`."""

from __future__ import annotations

import math
import os
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from torch import nn

from tb_lossdiag.integrations.folders import taken_up
from tb_lossdiag.integrations.naming import part, told_apart
from tb_lossdiag.integrations.recording import Recording, beside, harmless, watch_options
from tb_lossdiag.integrations.rows import TakesRows
from tb_lossdiag.writer import SummaryWriter

_PACKAGES = ("lightning.pytorch", "pytorch_lightning")


def _bases() -> tuple[type, ...]:
    """`Callback` of the package that is in use; of both, if both are."""
    used = [name for name in _PACKAGES if name in sys.modules]
    for name in used or _PACKAGES:
        try:
            used = [*used, name] if name not in used else used
            import_module(name)
            break
        except ImportError:
            used.remove(name)
    if not used:
        raise ModuleNotFoundError("This needs Lightning: pip install lightning", name="lightning")
    return tuple(import_module(name).Callback for name in used)


_Callback: Any = type("_Callback", _bases(), {})


class LossDoctor(TakesRows, _Callback):  # type: ignore[misc]
    """Records every optimizer of a `Trainer.fit`: losses as they are backpropagated, gradients, clips, check-ups.

    Nothing is stored on the module. With several optimizers each is watched under the name of the submodule that it trains. Runs of
    the tuner are not recorded.

    Args:
        logdir: folder of the run; by default that of the trainer's logger, "lightning_logs/run_1" and so on without one.
        options: arguments of `SummaryWriter.watch`, such as `on_finding="print"`.

    Raises:
        TypeError: an option that `watch` does not have.

    Example:
        trainer = Trainer(callbacks=[LossDoctor()])
    """

    def __init__(self, logdir: str | os.PathLike[str] | None = None, **options: Any) -> None:
        super().__init__()
        self._logdir = None if logdir is None else os.fspath(logdir)
        self._options = watch_options(options)
        self._recording: Recording | None = None
        self._scalars = False

    @harmless
    def on_train_start(self, trainer: Any, pl_module: nn.Module) -> None:
        """Watch the optimizers; by now they have the state of the checkpoint."""
        writer = SummaryWriter(self._folder(trainer))
        self._scalars = not _boards(trainer)
        if self._logdir is None and not self._scalars:
            beside(writer, "Lightning")
        optimizers = trainer.optimizers
        alone = len(optimizers) == 1
        step = _steps if alone else _batches
        self._recording = Recording(
            writer, self._options, lambda: step(trainer), framework="lightning"
        )
        configs = trainer.lr_scheduler_configs
        schedulers = {
            id(config.scheduler.optimizer): config.scheduler
            for config in configs
            if hasattr(config.scheduler, "optimizer")
        }
        names = [""] if alone else told_apart(pl_module, optimizers)
        for name, optimizer in zip(names, optimizers, strict=True):
            self._recording.watch(
                part(pl_module, name),
                optimizer,
                scaler=getattr(trainer.precision_plugin, "scaler", None),
                scheduler=schedulers.get(id(optimizer)),
                name=name,
            )
        if alone and pl_module.automatic_optimization:
            self._recording.planned(_planned(trainer))

    @harmless
    def on_validation_end(self, trainer: Any, pl_module: nn.Module) -> None:
        """Write what was measured, where no logger of TensorBoard's does."""
        if self._recording is None or trainer.sanity_checking or not self._scalars:
            return
        if trainer.is_global_zero:
            for name, value in trainer.callback_metrics.items():
                self._recording.writer.add_scalar(name, value, trainer.global_step)

    @harmless
    def on_train_end(self, trainer: Any, pl_module: nn.Module) -> None:
        """Write everything and stop observing."""
        self._close()

    @harmless
    def on_exception(self, trainer: Any, pl_module: nn.Module, exception: BaseException) -> None:
        """The records of the step that ended the training are not lost."""
        self._close()

    @harmless
    def teardown(self, trainer: Any, pl_module: nn.Module, stage: str) -> None:
        """Nothing of ours stays installed."""
        self._close()

    def _close(self) -> None:
        recording, self._recording = self._recording, None
        if recording is not None:
            recording.close()

    def _folder(self, trainer: Any) -> str:
        """The same on every rank."""
        if self._logdir is not None:
            return self._logdir
        if boards := _boards(trainer):
            return str(boards[0].log_dir)
        if trainer.loggers and type(trainer.loggers[0]).__name__ == "CSVLogger":
            return str(trainer.log_dir)
        parent = Path(trainer.default_root_dir) / "lightning_logs"
        return str(trainer.strategy.broadcast(taken_up(parent, resumed=trainer.global_step > 0)))


def _steps(trainer: Any) -> int:
    return int(trainer.global_step)


def _planned(trainer: Any) -> int:
    """Optimizer steps of the whole training; 0 where that is not known."""
    steps = math.inf
    with suppress(Exception):  # Lightning refuses to estimate where accumulation changes
        steps = float(trainer.estimated_stepping_batches)
    return int(steps) if math.isfinite(steps) else 0


def _batches(trainer: Any) -> int:
    """With several optimizers the trainer's own step counts the steps of all."""
    return max(int(trainer.fit_loop.epoch_loop.total_batch_idx), 0)


def _boards(trainer: Any) -> list[Any]:
    """The trainer's loggers that write event files."""
    return [
        logger
        for logger in trainer.loggers
        if any(kind.__name__ == "TensorBoardLogger" for kind in type(logger).__mro__)
    ]
