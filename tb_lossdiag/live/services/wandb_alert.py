"""An alert of a Weights & Biases run."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.live.services.message import Message, Sending

_LEVELS = {Severity.INFO: "INFO", Severity.WARNING: "WARN", Severity.ERROR: "ERROR"}
_LONGEST = 63
"""Characters of a title."""
_PAUSE = 1e-3
"""Seconds in which alerts of one title count as one; W&B's own minute would swallow that it cleared."""


@dataclass(frozen=True)
class WandbAlert:
    """For `on_finding`.

    Attributes:
        run: of `wandb.init`; None for the current one.
    """

    run: Any = None
    name = "Weights & Biases"

    def sending(self, message: Message) -> Sending:
        """Alert.

        Raises:
            RuntimeError: there is no current run.
        """
        run = self.run or import_module("wandb").run
        if run is None:
            raise RuntimeError("call wandb.init() first")
        level = _LEVELS[message.severity]
        title = message.title[:_LONGEST]
        return partial(run.alert, title, message.text, level=level, wait_duration=_PAUSE)
