"""An alert of a trackio run."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.live.services.message import Message, Sending

_LEVELS = {Severity.INFO: "INFO", Severity.WARNING: "WARN", Severity.ERROR: "ERROR"}


@dataclass(frozen=True)
class TrackioAlert:
    """For `on_finding`.

    Attributes:
        run: of `trackio.init`; None for the current one.
    """

    run: Any = None
    name = "trackio"

    def sending(self, message: Message) -> Sending:
        """Alert. Which run is the current one is known in the training's own context, that messages are sent in."""
        trackio = import_module("trackio")
        level = trackio.AlertLevel[_LEVELS[message.severity]]
        alert = trackio.alert if self.run is None else self.run.alert
        return partial(alert, title=message.title, text=message.text, level=level)
