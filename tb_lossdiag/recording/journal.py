"""Turns records into the values of an event file: merges a step's records, keeps sessions, shards and column names."""

from __future__ import annotations

import copy
import itertools
import os
import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import replace

from tensorboard.compat.proto import summary_pb2

from tb_lossdiag.recording.emit import Emit, TakesBytes, takes_bytes
from tb_lossdiag.recording.frame import Frame
from tb_lossdiag.recording.past import Past
from tb_lossdiag.recording.pending import Pending
from tb_lossdiag.records import FrameRecord
from tb_lossdiag.run import LiveReport
from tb_lossdiag.wire.encoded import scalar_value
from tb_lossdiag.wire.schema import (
    DESCRIBED,
    FACTS,
    FIRST_FACT,
    Closed,
    Fact,
    Renumbered,
    Report,
    Session,
    Tag,
    Words,
    fact_value,
    readable,
    session_name,
)

_sessions = itertools.count()
_OVERHEAD = 60
"""Bytes of a value beside its payload: tag, shape, lengths."""
_SEAL = 4
"""Bytes of a payload's checksum."""


class Journal:
    """Orders records into sessions and shards.

    A session begins with the first record, and again whenever a frame's step falls: then the training went back, and what earlier
    sessions hold of a frame counts as undone from its first record in this one on. Records of one step given in several calls become
    one; if a part has been written already, the whole is written again and readers take the last. A step that could not be written
    ends its session, too: what names and columns readers know by then is anybody's guess.

    Args:
        emit: writes.
        past: what the folder holds; sessions are named after all of its own.
    """

    def __init__(self, emit: Emit, past: Past | None = None) -> None:
        self._emit = emit
        self._raw = takes_bytes(emit)
        self._past = past or Past()
        self._writer, self._moment = uuid.uuid4().hex[:8], self._past.moment
        self._renumbered: list[Renumbered] = []
        self._pending: Pending | None = None
        self._written: Pending | None = None
        self._session = self._coming = self._begun = ""
        self._anew = self._opened = False
        self._again_from: int | None = None
        self._born = time.time_ns()
        self._frames: dict[str, Frame] = {}
        self._words: dict[str, str] = {}
        self._said: dict[str, str] = {}
        self._news = True
        self._facts = 0

    def add(
        self,
        step: int,
        walltime: float | None,
        parts: Iterable[FrameRecord],
        scalars: Mapping[str, float] | None = None,
    ) -> None:
        """Take parts of a step; they are written when another step begins or on `flush`."""
        if self._pending is not None and self._pending.step != step:
            self.flush()
        pending = self._pending = self._pending or self._again(step) or Pending(step)
        pending.walltime = time.time() if walltime is None else walltime
        for part in parts:
            pending.put(part)
        pending.scalars.update(scalars or {})

    def say(self, words: Mapping[str, str]) -> None:
        """Take facts that word an advice; each is written once per session and when it changes."""
        self._words.update((readable(key), readable(word)) for key, word in words.items())
        self._news = True

    def restart(self) -> None:
        """Events were lost, perhaps columns or headers among them: the next record begins a session, which says everything again."""
        self._anew = True

    def went_back(self, step: int) -> None:
        """The training goes on from this step; what is recorded of it and later ones is undone by the session that begins."""
        self._anew, self._again_from = True, step

    def renumber(self, step: int, named: int, walltime: float) -> None:
        """The user's numbers began again: what is `named` so is `step` in the one count that records keep."""
        self._renumbered.append(Renumbered(step=step, named=named, walltime=walltime))

    def report(self, said: LiveReport) -> None:
        """Write what was said of a finding; something has been recorded before."""
        fact = Report(
            code=said.code,
            subject=readable(said.subject),
            severity=said.severity,
            step=said.step,
            walltime=said.walltime,
            cleared=said.cleared,
        )
        self._fact(Fact(report=fact), said.walltime)

    def close(self) -> None:
        """Write that nothing more is to come, so that a reader can tell a run that ended from one that hangs."""
        if self._session and not self._anew:
            now = time.time()
            self._fact(Fact(closed=Closed(walltime=now)), now)

    def known(self) -> list[Fact]:
        """What a reader who comes only now has to know of the session: its words and columns."""
        facts = [Fact(columns=frame.described()) for frame in self._frames.values()]
        return [Fact(words=Words(values=self._said)), *facts]

    def ahead(self, emit: Emit) -> Journal:
        """A journal that stands where this one does, and writes what this one would write, through `emit`."""
        ahead = copy.copy(self)
        ahead._emit, ahead._raw, ahead._begun = emit, None, ""  # noqa: SLF001
        ahead._frames = {name: replace(frame) for name, frame in self._frames.items()}  # noqa: SLF001
        ahead._pending = self._pending and self._pending.copy()  # noqa: SLF001
        ahead._written = self._written and self._written.copy()  # noqa: SLF001
        ahead._said, ahead._renumbered = dict(self._said), list(self._renumbered)  # noqa: SLF001
        return ahead

    def agree(self, ahead: Journal) -> None:
        """If a session begins now, it is called what it is called there."""
        self._coming, self._moment = ahead._begun or self._coming, ahead._moment

    def flush(self) -> int:
        """Write the pending step; the size of its payload in bytes, as far as it is known."""
        pending, self._pending = self._pending, None
        if pending is None:
            return 0
        try:
            return self._write(pending)
        except Exception:
            self._anew = (
                True  # whatever part of it was written: readers must be told all of it again
            )
            raise

    def go_on(
        self, step: int, walltime: float, parts: list[FrameRecord], scalars: Mapping[str, float]
    ) -> int:
        """Write a step whose frames go on as before, one part each, as bytes; its size, 0 if it is not that simple and nothing is done."""
        raw = self._raw
        plain = self._pending is None and not (self._anew or self._renumbered or self._again(step))
        if raw is None or not (plain and self._session and raw.takes_bytes and step >= 0):
            return 0
        known = [(self._frames.get(part.frame), part) for part in parts]
        going = [(f, part) for f, part in known if f is not None and f.goes_on(part, step)]
        once = len({part.frame for part in parts}) == len(parts) == len(going)
        if not going or not once:
            return 0
        try:
            self._write_bytes(raw, step, walltime, going, scalars)
        except Exception:
            self._anew = True
            raise
        written = sum(_OVERHEAD + part.values.nbytes + _SEAL for part in parts)
        return written + _OVERHEAD * len(scalars)

    def _write_bytes(
        self,
        raw: TakesBytes,
        step: int,
        walltime: float,
        parts: list[tuple[Frame, FrameRecord]],
        scalars: Mapping[str, float],
    ) -> None:
        chunks = [frame.encoded(self._session, part, step, walltime) for frame, part in parts]
        tags = [frame.coder.tag for frame, _ in parts if frame.coder is not None]
        chunks += [scalar_value(tag, number) for tag, number in scalars.items()]
        self._say_changed(walltime)
        raw.raw(b"".join(chunks), (*tags, *map(readable, scalars)), step, walltime)
        self._written = Pending(step, walltime, {part.frame: [part] for _, part in parts})

    def _write(self, pending: Pending) -> int:
        if self._anew or self._goes_back(pending):
            self._begin(pending)
        values = [self._value(name, pending) for name in pending.frames]
        values += [
            summary_pb2.Summary.Value(tag=readable(tag), simple_value=number)
            for tag, number in pending.scalars.items()
        ]
        self._say_changed(pending.walltime)
        self._emit(values, pending.step, pending.walltime)
        pending.scalars.clear()
        self._written = pending
        return sum(_OVERHEAD + len(value.tensor.tensor_content) for value in values)

    def _again(self, step: int) -> Pending | None:
        """What was written last, if it was this very step."""
        return self._written if self._written is not None and self._written.step == step else None

    def _goes_back(self, pending: Pending) -> bool:
        frames = (self._frames.get(name) for name in pending.frames)
        return not self._session or any(
            frame is not None and pending.step < frame.last_step for frame in frames
        )

    def _begin(self, pending: Pending) -> None:
        """Start a session. The first one says what the folder held when the writer opened."""
        session = Session(start_step=pending.step)
        if not self._opened:
            session.seen.update(self._past.seen)
            if self._past.purged_from is not None:
                session.purged_from = self._past.purged_from
        if self._again_from is not None:
            session.again_from, self._again_from = self._again_from, None
        self._session, self._coming = self._coming or self._name(), ""
        self._begun = self._begun or self._session
        self._frames, self._facts, self._said, self._news = {}, 0, {}, True
        self._fact(Fact(session=session), pending.walltime)
        self._anew, self._opened = False, True

    def _name(self) -> str:
        """A name for the next session. It sorts after all that came before, also where a clock is behind; the first by the writer's time."""
        now = (time.time_ns() if self._session else self._born) // 1_000_000
        self._moment = max(now, self._moment + 1)
        return session_name(self._moment, next(_sessions), os.getpid(), self._writer)

    def _say_changed(self, walltime: float) -> None:
        if self._news:
            news = {key: word for key, word in self._words.items() if self._said.get(key) != word}
            if news:
                self._fact(Fact(words=Words(values=news)), walltime)
                self._said.update(news)
            self._news = False
        while self._renumbered:
            self._fact(Fact(renumbered=self._renumbered[0]), walltime)
            del self._renumbered[0]

    def _value(self, name: str, pending: Pending) -> summary_pb2.Summary.Value:
        frame = self._frames.setdefault(name, Frame(name))
        parts = pending.frames[name]
        if frame.extend(parts):
            self._fact(Fact(columns=frame.described()), pending.walltime)
        return frame.value(self._session, parts, pending.step, pending.walltime)

    def _fact(self, fact: Fact, walltime: float) -> None:
        tag, first = Tag(FACTS, self._session), self._facts < DESCRIBED
        step = FIRST_FACT + self._facts
        value = fact_value(tag, fact, step, walltime, first=first)
        self._emit([value], step, walltime)
        self._facts += 1
