"""Looks at folders again and again; only what has changed is judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tb_lossdiag.checking.parts import Part, judge
from tb_lossdiag.checking.places import Place
from tb_lossdiag.config import Settings
from tb_lossdiag.watching.event import Event
from tb_lossdiag.watching.state import RunState


class Oversight:
    """Watches what lies in some places.

    Args:
        places: where.
        settings: how they are judged.
        stuck: seconds without a record after which a run is said to be stuck.
        accept: marks findings of a run that are known.

    Attributes:
        runs: what is known of them, by name; other threads may read it.
    """

    def __init__(
        self,
        places: Sequence[Place],
        settings: Settings,
        stuck: float,
        accept: Callable[[list[dict[str, Any]]], None] = lambda _: None,
    ) -> None:
        self._places, self._settings, self._stuck, self._accept = places, settings, stuck, accept
        self._stamps: dict[Part, frozenset[Any]] = {}
        self.runs: tuple[RunState, ...] = ()

    def look(self, now: float) -> list[Event]:
        """What has happened since the last look.

        Raises:
            OSError: a place cannot be read.
            ValueError: a run that was named is not there.
        """
        known = {run.name: run for run in self.runs}
        events: list[Event] = []
        seen = dict(known)
        for part in (part for place in self._places for part in place.parts()):
            events += self._part(part, seen, now)
        for name, run in seen.items():
            events += run.silence(now, self._stuck, new=name not in known)
        self.runs = tuple(seen[name] for name in sorted(seen))
        return events

    def _part(self, part: Part, seen: dict[str, RunState], now: float) -> Iterator[Event]:
        files = part.files()
        key = part.alike()
        if self._stamps.get(key) == files:
            return
        self._stamps[key] = files
        judged, is_open = judge(part, self._settings), part.is_open()
        for entry in judged.entries:
            self._accept([entry])
            run = seen.setdefault(entry["run"], RunState(entry["run"]))
            measured = judged.measures.get(run.name, {})
            yield from run.judged(entry, measured, now, is_open=is_open)
