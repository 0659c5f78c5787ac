"""What is known of a run from one look to the next, and what a new look says of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.report.findings import walk
from tb_lossdiag.watching.event import Event

Json = Mapping[str, Any]

_OLD = 10
"""A run that has been silent for so many times what counts as stuck, when it is first seen, is none that is going on."""


@dataclass
class RunState:
    """A run.

    Attributes:
        name: of it.
        entry: of the document.
        measures: what it came to so far.
        open: whether its writer has a tail file, which goes when it is closed.
        stuck: whether it was said to be.
        over: it has ended, or had long before it was first seen.
    """

    name: str
    entry: Json = field(default_factory=dict)
    measures: Json = field(default_factory=dict)
    open: bool = False
    stuck: bool = False
    over: bool = False

    @property
    def newest(self) -> float | None:
        """Wall time of its newest record."""
        newest: float | None = self.measures.get("newest")
        return newest

    @property
    def steps(self) -> int:
        """How many it has."""
        return int(self.entry.get("steps", 0))

    def judged(self, entry: Json, measures: Json, now: float, *, is_open: bool) -> Iterator[Event]:
        """Take what a look says: findings that appear, became more severe or cleared; whether it ended or goes on."""
        before, moved = _findings(self.entry), measures.get("newest") != self.newest
        ended = self.open and not is_open
        self.entry, self.measures, self.open = entry, measures, is_open
        after = _findings(entry)
        if entry["status"] == "unreadable":
            yield Event(now, "unreadable", self.name, 0, severity="error", message=entry["problem"])
            return
        for key, finding in after.items():
            if key not in before or before[key]["severity"] != finding["severity"]:
                yield self._said(now, "appeared", finding)
        for key, finding in before.items():
            if key not in after:
                yield self._said(now, "cleared", {**finding, "severity": "info"})
        if self.stuck and moved:
            self.stuck = False
            yield Event(now, "moving", self.name, self.steps)
        self.over = (self.over and not moved) or ended
        if ended:
            yield Event(now, "ended", self.name, self.steps)

    def silence(self, now: float, bound: float, *, new: bool) -> Iterator[Event]:
        """Say once that nothing has come for longer than a bound.

        Args:
            now: seconds since 1970.
            bound: seconds.
            new: whether the run is seen for the first time.
        """
        if self.newest is None or self.stuck or self.over or now - self.newest <= bound:
            return
        if new and now - self.newest > _OLD * bound:
            self.over = True
            return
        self.stuck = True
        minutes = int((now - self.newest) // 60)
        yield Event(now, "stuck", self.name, self.steps, severity="error", minutes=minutes)

    def _said(self, now: float, event: Any, finding: Json) -> Event:
        told = {name: finding[name] for name in ("code", "severity", "subject", "message")}
        return Event(now, event, self.name, self.steps, **told)


def causes(entry: Json) -> Iterator[Json]:
    """Causes that are not in the baseline, each as severe as the worst that it explains."""
    for cause in entry.get("findings", ()):
        if not cause.get("known"):
            worst = max(walk([cause]), key=lambda one: Severity[one["severity"].upper()])
            yield {**cause, "severity": worst["severity"]}


def _findings(entry: Json) -> dict[tuple[str, str], Json]:
    return {(cause["code"], cause["subject"]): cause for cause in causes(entry)}
