"""Judges a run while it is recorded and says what appears and what clears."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from tb_lossdiag.config import Policy, Settings, discover, load
from tb_lossdiag.diagnosis.engine import Diagnosis, Verdict
from tb_lossdiag.diagnosis.rule import Finding, Severity
from tb_lossdiag.live.hearers import Hearers
from tb_lossdiag.live.memory import BREAKS, Memory
from tb_lossdiag.live.pace import Pace
from tb_lossdiag.live.report import Callback, LiveFinding, TrainingStopped
from tb_lossdiag.recording.recorder import Recorder
from tb_lossdiag.run import LiveReport

_STOPS = {"error": Severity.ERROR, "warning": Severity.WARNING}
_JUDGED = {Verdict.CLEAR, Verdict.FINDINGS}
_ABSENT = 2
"""Judgements without a finding after which it counts as cleared: one on the brink is not reported again and again."""


class Guarded(Protocol):
    """Runs work; if it fails, warns once and lets it rest for a while."""

    def __call__(self, collector: str, work: Callable[[], Any]) -> Any:
        """The result of the work, None if it fails or rests."""
        ...


@dataclass
class _Known:
    """A finding that was reported, and in how many judgements since it has not been found."""

    finding: Finding
    absent: int = 0


@dataclass(frozen=True)
class LiveSettings:
    """What is wanted.

    Attributes:
        policy: rules, thresholds and what is accepted.
        hear: what is reported to.
        stop: severity from which the training is stopped, None for never.
        language: of the texts.
        finish: waits a little for what is on its way to somebody.
    """

    policy: Policy
    hear: Callback
    stop: Severity | None = None
    language: str = "en"
    finish: Callable[[], object] = lambda: None

    @classmethod
    def of(cls, on_finding: Any, stop_on: str | None, log_dir: str) -> LiveSettings:
        """From the arguments of `watch` and the configuration at or above the run's folder or the working folder.

        Raises:
            TypeError: `on_finding` is nothing that can hear.
            ValueError: `on_finding` names nothing that is there, `stop_on` is no severity, or the configuration says something that is
                not understood.
        """
        if stop_on is not None and stop_on not in _STOPS:
            raise ValueError(f'stop_on: expected "error" or "warning", got {stop_on!r}')
        path = discover(log_dir, Path.cwd())
        settings = load(path) if path else Settings()
        language = settings.language
        hear = Hearers(on_finding, Path(log_dir).name, language)
        stop = None if stop_on is None else _STOPS[stop_on]
        return cls(Policy.of(settings), hear, stop, language, hear.finish)


class Live:
    """Judges what is recorded.

    Args:
        settings: what is wanted.
        name: of the run.
        guarded: keeps a failure out of the training.
        tell: records what was reported.
        clock: seconds, for the share of the time that judging takes.
    """

    def __init__(
        self,
        settings: LiveSettings,
        name: str,
        guarded: Guarded,
        tell: Callable[[LiveReport], None],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Nothing recorded yet."""
        self._settings = settings
        self._guarded, self._tell = guarded, tell
        self._memory = Memory(name)
        self._pace = Pace(clock)
        self._known: dict[tuple[str, str], _Known] = {}
        breaks = [rule for rule in settings.policy.rules if BREAKS & {q.name for q in rule.reads}]
        self._breaks = replace(settings.policy, rules=tuple(breaks))
        self._busy = False

    @classmethod
    def asked(
        cls, wanted: tuple[Any, str | None], log_dir: str, guarded: Guarded, recorder: Recorder
    ) -> Live:
        """For the arguments `on_finding` and `stop_on` of `watch`; raises what `LiveSettings.of` does."""
        live = cls(LiveSettings.of(*wanted, log_dir), Path(log_dir).name, guarded, recorder.report)
        for fact in recorder.known():  # records may have been written before
            live._memory.learn(fact)
        return live

    def take(self, values: Sequence[Any], step: int, walltime: float) -> None:
        """Take the values of an event as it is written."""
        if self._guarded("live", lambda: self._memory.take(values, step, walltime)):
            self._pace.recorded()

    @property
    def calm(self) -> bool:
        """Whether something that is not finite would be news, to be written and judged at once."""
        broken = {rule.code for rule in self._breaks.rules}
        return self._pace.may_hurry and not any(code in broken for code, _ in self._known)

    def judge(self) -> TrainingStopped | None:
        """Judge if it is time to; what is to be raised: something is as severe as was asked, or the callback raised it."""
        hurry = self._memory.broken and self.calm
        if self._busy or not (hurry or self._pace.due):
            return None
        stop: TrainingStopped | None = self._guarded(
            "live", lambda: self._judged(whole=self._pace.due)
        )
        return stop

    def last(self) -> None:
        """The run ends: judge what has come since; nothing is left to stop."""
        if not self._busy and self._pace.waiting:
            self._guarded("live", lambda: self._judged(whole=True))
        self._guarded("live", self._settings.finish)

    def _judged(self, *, whole: bool) -> TrainingStopped | None:
        """Judge by all rules, or by those that look for what is not finite."""
        self._busy = True
        try:
            with self._pace.judging(whole=whole):
                self._memory.broken = False
                policy = self._settings.policy if whole else self._breaks
                diagnosis = policy.diagnose(self._memory.run())
                news = [*self._appeared(diagnosis), *(self._cleared(diagnosis) if whole else ())]
            return self._report(news)
        finally:
            self._busy = False

    def _appeared(self, diagnosis: Diagnosis) -> Iterator[LiveFinding]:
        """Findings that are new, or more severe than they were."""
        for finding in diagnosis.findings():
            known = self._known.get(_key(finding))
            self._known[_key(finding)] = _Known(finding)
            if known is None or finding.severity > known.finding.severity:
                yield LiveFinding(finding, self._memory.newest, "appeared")

    def _cleared(self, diagnosis: Diagnosis) -> Iterator[LiveFinding]:
        """Findings that are gone; a rule that could not judge says nothing."""
        there = {_key(finding) for finding in diagnosis.findings()}
        judged = {o.code for o in diagnosis.outcomes if o.verdict in _JUDGED}
        gone = [key for key in self._known if key not in there and key[0] in judged]
        for key in gone:
            known = self._known[key]
            known.absent += 1
            if known.absent >= _ABSENT:
                del self._known[key]
                yield LiveFinding(known.finding, self._memory.newest, "cleared")

    def _report(self, news: list[LiveFinding]) -> TrainingStopped | None:
        """Record all, then say it: the first exception counts, and what stops is said too."""
        for one in news:
            self._tell(_reported(one))
        stop = None
        for one in news:
            try:
                self._settings.hear(one)
            except TrainingStopped as asked:
                stop = stop or asked
            if stop is None and self._stops(one):
                stop = TrainingStopped.by(one, self._settings.language)
        return stop

    def _stops(self, one: LiveFinding) -> bool:
        limit = self._settings.stop
        return limit is not None and one.state == "appeared" and one.finding.severity >= limit


def _key(finding: Finding) -> tuple[str, str]:
    return finding.code, finding.subject


def _reported(one: LiveFinding) -> LiveReport:
    finding = one.finding
    cleared = one.state == "cleared"
    return LiveReport(
        finding.code, finding.subject, finding.severity.label, one.step, time.time(), cleared
    )
