"""What event files of a run say by tag, of what is read here: plain scalars and our own records. All else is passed over."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError
from tensorboard.backend.event_processing import event_util
from tensorboard.compat.proto import event_pb2

from tb_lossdiag.reader import files
from tb_lossdiag.reader.curves import Curve, says_scalar
from tb_lossdiag.reader.payloads import Payload, says_ours
from tb_lossdiag.reader.written import Written

_RESTARTS_SAID = 2
"""File version from which a restart is said; before it, a step that goes back undoes what its tags have at or after it."""


class Contents:
    """The tags of one run, restarts undone as TensorBoard's own loader does.

    Attributes:
        damaged: records that could not be read.
        problem: why a file could not be read at all, or None.
        began: wall time of the first event, or None.
    """

    def __init__(self) -> None:
        self.damaged = 0
        self.problem: str | None = None
        self.began: float | None = None
        self._of: dict[str, Written] = {}
        self._others: set[str] = set()
        self._version = 0.0
        self._started = False
        self._last = -math.inf

    @classmethod
    def of(cls, folder: Path) -> Contents:
        """What lies in a run's folder, or in one event file."""
        made = cls()
        for path in files.event_files(folder):
            made.read(path)
        return made

    def read(self, path: Path) -> None:
        """Take an event file."""
        try:
            for data in files.records(path):
                self.take(data)
        except OSError as error:
            self.problem = f"{path.name}: {error.strerror or error}"

    def curves(self) -> Iterator[tuple[str, Written]]:
        """Plain scalars with a value, by tag."""
        return ((t, s) for t, s in self._of.items() if isinstance(s, Curve) and len(s.steps))

    def payloads(self) -> Iterator[tuple[str, Written]]:
        """Our own records, by tag."""
        mine = ((tag, s) for tag, s in self._of.items() if isinstance(s, Payload) and s.ours())
        return ((tag, series) for tag, series in mine if len(series.steps))

    def put(self, tag: str, step: int, walltime: float, value: float) -> None:
        """Take a plain scalar that stands elsewhere than in an event file."""
        series = self._of.setdefault(tag, Curve())
        if isinstance(series, Curve):
            series.put(step, walltime, value)

    def forget(self, tag: str) -> None:
        """Leave a tag out."""
        del self._of[tag]

    def take(self, data: bytes | None) -> None:
        """Take a record: the bytes of an event, None for a damaged one."""
        try:
            event = event_pb2.Event.FromString(data or b"\xff")
        except DecodeError:
            self.damaged += 1
            return
        if self.began is None:
            self.began = event.wall_time
        if not event.summary.value:
            self._note(event)
            return
        if self._version < _RESTARTS_SAID:
            self._step(event)
        self._values(event)

    def _note(self, event: Any) -> None:
        """What an event without values says of the file or the session."""
        if event.HasField("file_version"):
            self._version = event_util.ParseFileVersion(event.file_version)
        elif event.session_log.status == event_pb2.SessionLog.START:
            if self._started and self._version >= _RESTARTS_SAID:
                for series in self._of.values():
                    series.undo(event.step)
            self._started = True

    def _step(self, event: Any) -> None:
        if event.step < self._last:
            for tag in {value.tag for value in event.summary.value} & self._of.keys():
                self._of[tag].undo(event.step)
        self._last = event.step

    def _values(self, event: Any) -> None:
        step, walltime, known = event.step, event.wall_time, self._of
        for value in event.summary.value:
            series = known.get(value.tag) or self._begun(value)
            if series is not None and not series.add(step, walltime, value):
                self.damaged += 1

    def _begun(self, value: Any) -> Written | None:
        """A tag is what its first value says."""
        tag = value.tag
        if tag in self._others:
            return None
        if says_scalar(value):
            return self._of.setdefault(tag, Curve())
        if says_ours(value):
            return self._of.setdefault(tag, Payload())
        self._others.add(tag)
        return None
