"""Stable-Baselines3: `model.learn(100_000, callback=LossDoctor())`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import KVWriter, TensorBoardOutputFormat
from torch import nn

from tb_lossdiag.integrations.folders import fresh
from tb_lossdiag.integrations.recording import Recording, beside, harmless, watch_options
from tb_lossdiag.writer import SummaryWriter


class LossDoctor(BaseCallback):  # type: ignore[misc]
    """Records every optimizer of an agent's networks, and the rewards that Stable-Baselines3 logs.

    Steps are gradient steps; the scalars of Stable-Baselines3 keep its count of time steps. Actor and critic are watched under these
    names, each one's loss as a loss term.

    Args:
        logdir: folder of the run; by default that of the agent's own TensorBoard log, or a new one in "runs".
        options: arguments of `SummaryWriter.watch`, such as `on_finding="print"`.

    Raises:
        TypeError: an option that `watch` does not have.

    Example:
        model.learn(100_000, callback=LossDoctor())
    """

    def __init__(self, logdir: str | os.PathLike[str] | None = None, **options: Any) -> None:
        super().__init__()
        self._logdir = None if logdir is None else os.fspath(logdir)
        self._options = watch_options(options)
        self._recording: Recording | None = None
        self._rewards: _Rewards | None = None

    @harmless
    def _on_training_start(self) -> None:
        self._close()
        logs = [f for f in self.logger.output_formats if isinstance(f, TensorBoardOutputFormat)]
        writer = SummaryWriter(self._folder(logs))
        if self._logdir is None and logs:
            beside(writer, "Stable-Baselines3")
        self._recording = Recording(writer, self._options, framework="stable_baselines3")
        found = list(_optimizers(self.model.policy))
        for name, part, optimizer in found:
            self._recording.watch(part, optimizer, name="" if len(found) == 1 else name)
        self._rewards = _Rewards(writer, scalars=not logs)
        self.logger.output_formats.append(self._rewards)

    def _on_step(self) -> bool:
        return True

    @harmless
    def _on_training_end(self) -> None:
        self._close()

    def _close(self) -> None:
        recording, self._recording = self._recording, None
        if recording is None:
            return
        if self._rewards in self.logger.output_formats:
            self.logger.output_formats.remove(self._rewards)
        recording.close()

    def _folder(self, logs: list[Any]) -> str:
        if self._logdir is not None:
            return self._logdir
        if logs:
            return str(logs[0].writer.log_dir)
        return fresh(Path("runs"), type(self.model).__name__)


def _optimizers(policy: nn.Module) -> Iterator[tuple[str, nn.Module, Any]]:
    """A policy keeps an optimizer, or its networks keep one each."""
    for name, part in policy.named_modules():
        if isinstance(optimizer := getattr(part, "optimizer", None), torch.optim.Optimizer):
            yield name, part, optimizer


class _Rewards(KVWriter):  # type: ignore[misc]
    """What the agent logs of its episodes, and the rest where no event file of its own has it."""

    def __init__(self, writer: SummaryWriter, *, scalars: bool) -> None:
        self._writer, self._scalars = writer, scalars

    @harmless
    def write(self, key_values: Mapping[str, Any], key_excluded: Any, step: int = 0) -> None:
        numbers = {k: float(v) for k, v in key_values.items() if isinstance(v, (int, float))}
        episodes = {k.rpartition("/")[2]: v for k, v in numbers.items() if "rollout/ep_" in k}
        if episodes:
            self._writer.add_diagnostics(extra=episodes)
        for name, value in numbers.items():
            if self._scalars:
                self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """The writer is closed by whoever opened it."""
