"""A tag of an MLflow run: `lossdiag.LD302`, and what it is about; it says what was found, or where it cleared."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

from tb_lossdiag.live.services.message import Message, Sending

_NOT_IN_KEYS = re.compile(r"[^\w./ -]", re.ASCII)
_KEY, _VALUE = 250, 5000
"""Characters that every MLflow in use takes."""


@dataclass(frozen=True)
class MlflowTag:
    """For `on_finding`.

    Attributes:
        run: of `mlflow.start_run`; None for the active one.
    """

    run: Any = None
    name = "MLflow"

    def sending(self, message: Message) -> Sending:
        """Set the tag. Only the training's own thread knows the active run, so it is asked for here.

        Raises:
            RuntimeError: no run is active.
        """
        mlflow = import_module("mlflow")
        run = self.run or mlflow.active_run()
        if run is None:
            raise RuntimeError("call mlflow.start_run() first")
        client = mlflow.MlflowClient()
        return partial(client.set_tag, run.info.run_id, key(message), message.text[:_VALUE])


def key(message: Message) -> str:
    """The tag's name."""
    finding = message.reported.finding
    parts = ("lossdiag", finding.code, _NOT_IN_KEYS.sub("_", finding.subject))
    return ".".join(part for part in parts if part)[:_KEY]
