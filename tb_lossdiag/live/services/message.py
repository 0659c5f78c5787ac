"""A finding as a service shows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.live.report import LiveFinding
from tb_lossdiag.visible import flat, visible


@dataclass(frozen=True)
class Message:
    """A finding that appeared or cleared.

    Attributes:
        run: name of the run.
        reported: the finding.
        language: of the texts.
    """

    run: str
    reported: LiveFinding
    language: str = "en"

    @property
    def title(self) -> str:
        """A few words."""
        return flat(f"{self.reported.finding.code} {self.reported.state}: {self.run}")

    @property
    def text(self) -> str:
        """One line, and what to try first if it appeared."""
        return self.reported.line(self.language) + (f"\n{self.advice}" if self.advice else "")

    @property
    def advice(self) -> str:
        """What to try first, "" if the finding has cleared."""
        if self.reported.state == "cleared":
            return ""
        advice = self.reported.finding.advice.in_language(self.language)
        return visible(advice.split("\n\n")[0], keep="\n")

    @property
    def severity(self) -> Severity:
        """How bad it is; that it cleared is good to know."""
        cleared = self.reported.state == "cleared"
        return Severity.INFO if cleared else self.reported.finding.severity

    def plain(self) -> dict[str, Any]:
        """All of it, for programs."""
        finding = self.reported.finding
        return {
            "run": self.run,
            "state": self.reported.state,
            "step": self.reported.step,
            "code": finding.code,
            "severity": finding.severity.label,
            "subject": finding.subject,
            "message": finding.message.in_language(self.language),
            "advice": self.advice,
        }


Sending = Callable[[], object]
"""Hands a message over; may take its time and may fail."""


class Service(Protocol):
    """Where messages go."""

    @property
    def name(self) -> str:
        """For warnings; no secrets."""
        ...

    def sending(self, message: Message) -> Sending:
        """What hands it over. Called in the training's own thread, where its run is the current one; must not take long.

        Raises:
            RuntimeError: there is nowhere to go.
        """
        ...
