"""Something that is said of a run, for people and programs."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import Literal

from tb_lossdiag.diagnosis.rule import Text
from tb_lossdiag.report.words import word
from tb_lossdiag.visible import flat, in_json

Kind = Literal["appeared", "cleared", "stuck", "moving", "ended", "unreadable"]
_LINE = {
    "appeared": Text("{run}, step {step}: {code} {severity}: {message}"),
    "cleared": Text("{run}, step {step}: {code} cleared, no longer found: {message}"),
    "stuck": Text("{run}, step {step}: no step for {minutes} minutes"),
    "moving": Text("{run}, step {step}: it goes on"),
    "ended": Text("{run}, step {step}: it has ended"),
    "unreadable": Text("{run}: cannot be read: {message}"),
}


@dataclass(frozen=True)
class Event:
    """Something that happened to a run.

    Attributes:
        time: seconds since 1970 at which it was seen.
        event: what.
        run: name of the run.
        step: how many steps the run had by then.
        code: of the rule, "" where it is none.
        severity: "info", "warning" or "error"; what is stuck or unreadable is an error.
        subject: what the finding is about.
        message: a sentence.
        minutes: without a step, of what is stuck.
    """

    time: float
    event: Kind
    run: str
    step: int
    code: str = ""
    severity: str = "info"
    subject: str = ""
    message: str = ""
    minutes: int = 0

    def line(self, language: str) -> str:
        """One line for a terminal, with the time of day in UTC."""
        said = {**asdict(self), "severity": word(self.severity, language)}
        text = _LINE[self.event].in_language(language).format(**said)
        return flat(f"{self._clock():%H:%M:%S} {text}")

    def as_json(self) -> str:
        """One line for programs; fields are only added."""
        return in_json(json.dumps({**asdict(self), "time": self._clock().isoformat()}))

    def _clock(self) -> datetime:
        return datetime.fromtimestamp(self.time, timezone.utc)
