"""Which records of a folder stand: a later session undoes what it did again, frame by frame, a writer that was open beside it nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tb_lossdiag.quantities import OTHER_WRITERS
from tb_lossdiag.records import Steps
from tb_lossdiag.run import Restart
from tb_lossdiag.wire.schema import Session as Header
from tb_lossdiag.wire.schema import Tag

if TYPE_CHECKING:
    from tb_lossdiag.reader.assemble import SessionData, Shard

NEVER = 2**63 - 1
_MAIN = frozenset({"loss", "term", "parameter", "step"})
"""Frames whose steps are the training's own."""
_ABOUT_ITSELF = OTHER_WRITERS.frame
"""What is said of a session itself stands, whoever comes later."""


@dataclass(frozen=True)
class _Frame:
    """A frame of a session, with the extremes of its windows.

    Attributes:
        first: its first step.
        last: its last step.
        steps: all of them, ascending.
        columns: what it is of.
    """

    steps: Steps
    columns: frozenset[str]

    @property
    def first(self) -> int:
        """Its first step."""
        return int(self.steps[0])

    @property
    def last(self) -> int:
        """Its last step."""
        return int(self.steps[-1])


class _Session:
    """What decides who undoes whom."""

    def __init__(self, data: SessionData) -> None:
        self.data = data
        self.frames = _frames(data)
        times = [shard.walltimes for _, shard in data.shards if len(shard.walltimes)]
        self.began = min((float(t.min()) for t in times), default=np.inf)
        self.ended = max((float(t.max()) for t in times), default=-np.inf)
        self.writer = data.shards[0][0].writer if data.shards else ""

    @cached_property
    def header(self) -> Header:
        """Its first fact; an empty one if that is lost."""
        kinds = [f.session for f in self.data.facts if f.WhichOneof("kind") == "session"]
        return kinds[0] if kinds else Header()

    @property
    def purged_from(self) -> int:
        """The step from which its writer was told to forget the folder."""
        return self.header.purged_from if self.header.HasField("purged_from") else NEVER

    @property
    def again_from(self) -> int:
        """The step that its training went back to; its first record may cover that one and later ones."""
        return self.header.again_from if self.header.HasField("again_from") else NEVER

    @property
    def first(self) -> int:
        """The first step of its training, or of anything."""
        mine = [f.first for name, f in self.frames.items() if name in _MAIN]
        steps = mine or [f.first for f in self.frames.values()]
        return min([*steps, self.again_from], default=NEVER)

    @property
    def trains(self) -> bool:
        """Whether it records a training, and not only something beside it."""
        return not _MAIN.isdisjoint(self.frames)

    def undoes(self, other: _Session, frame: str) -> int:
        """The step from which it did a frame of an earlier session again."""
        mine, theirs = self.frames.get(frame), other.frames.get(frame)
        if mine is None or theirs is None or frame == _ABOUT_ITSELF:
            return NEVER
        if mine.columns.isdisjoint(theirs.columns):
            return NEVER
        return min(mine.first, self.again_from) if frame in _MAIN else mine.first


class History:
    """The sessions of a folder, in the order they began.

    Args:
        sessions: sorted by name.
    """

    def __init__(self, sessions: Sequence[SessionData]) -> None:
        self._sessions = [_Session(session) for session in sessions]
        self._writers = _Writers(self._sessions)
        self._purged = _purged(self._sessions)
        self._ends: list[dict[str, int]] = []
        self._undone: list[int] = []
        for index, session in enumerate(self._sessions):
            self._undone.append(sum(self._undo(session, before) for before in range(index)))
            self._ends.append(dict.fromkeys(session.frames, self._purged[index]))

    def ends(self, index: int) -> Mapping[str, int]:
        """For each frame of a session, the first step that does not stand."""
        return self._ends[index]

    def end(self, index: int) -> int:
        """The step from which a session's training does not stand."""
        ends = [end for name, end in self._ends[index].items() if name in _MAIN]
        return min(ends, default=self._purged[index])

    def restarts(self) -> tuple[Restart, ...]:
        """Where the run was taken up again."""
        found: list[Restart] = []
        for index, session in enumerate(self._sessions):
            if index and (restart := self._restart(index)) is not None:
                found.append(restart)
            end = self.end(index)
            facts = (
                f.renumbered for f in session.data.facts if f.WhichOneof("kind") == "renumbered"
            )
            found += [
                Restart(fact.step, fact.walltime, "renumbered", named=fact.named)
                for fact in facts
                if fact.step < end
            ]
        return tuple(found)

    def _restart(self, index: int) -> Restart | None:
        session = self._sessions[index]
        earlier = self._sessions[:index]
        undone = self._undone[index]
        beside = [s for s in earlier if self._writers.beside(s.writer, session.writer)]
        same = sum(_shared(session, other) for other in beside)
        mine = any(s.writer == session.writer for s in earlier)
        kind = "went back" if mine else "resumed"
        if same and not undone:
            kind, undone = "beside", same
        resumed = session.trains and not mine and any(s.trains for s in earlier if s not in beside)
        if not undone and not resumed:
            return None
        return Restart(session.first, session.began, kind, undone)

    def _undo(self, session: _Session, before: int) -> int:
        """Let a later session undo an earlier one: how many steps of it are gone of which something stood until then."""
        other, ends = self._sessions[before], self._ends[before]
        if self._writers.beside(session.writer, other.writer):
            return 0
        gone = []
        for name in session.frames:
            if name in ends and (begin := session.undoes(other, name)) < ends[name]:
                steps = other.frames[name].steps
                gone.append(steps[(steps >= begin) & (steps < ends[name])])
                ends[name] = begin
        return len(np.unique(np.concatenate(gone))) if gone else 0


def _purged(sessions: Sequence[_Session]) -> list[int]:
    """For each session the step from which the writers of later ones were told to forget it."""
    found, end = [], NEVER
    for session in reversed(sessions):
        found.append(end)
        end = min(end, session.purged_from)
    return found[::-1]


class _Writers:
    """Which writers were open at the same time.

    A writer notes at opening the newest wall time of every writer whose records the folder holds; one that goes on writing after that,
    by its own clock, was still open. Where that is not noted (old versions, remote folders, records that had not reached the file),
    wall times that overlap tell.
    """

    def __init__(self, sessions: Sequence[_Session]) -> None:
        self._first: dict[str, _Session] = {}
        self._place: dict[str, int] = {}
        self._ended: dict[str, float] = {}
        for index, session in enumerate(sessions):
            self._first.setdefault(session.writer, session)
            self._place.setdefault(session.writer, index)
            ended = self._ended.get(session.writer, -np.inf)
            self._ended[session.writer] = max(ended, session.ended)

    def beside(self, one: str, other: str) -> bool:
        """Whether the one that opened first wrote on after the other one had opened."""
        if one == other:
            return False
        early, late = sorted((one, other), key=self._place.__getitem__)
        opened = self._first[late]
        return self._ended[early] > opened.header.seen.get(early, opened.began)


def _frames(session: SessionData) -> dict[str, _Frame]:
    """Frames by name; a window's extremes belong to the frame they are extremes of."""
    parts: dict[str, list[tuple[Tag, Shard]]] = {}
    for tag, shard in session.shards:
        if len(shard.steps):
            parts.setdefault(family(tag.frame), []).append((tag, shard))
    return {name: _frame(session, found) for name, found in parts.items()}


def _frame(session: SessionData, parts: Sequence[tuple[Tag, Shard]]) -> _Frame:
    steps: npt.NDArray[np.int64] = np.unique(np.concatenate([shard.steps for _, shard in parts]))
    columns = frozenset(name for tag, _ in parts for name in session.axes(tag)[0])
    return _Frame(steps, columns)


def family(frame: str) -> str:
    """The frame that a window's extremes go with, or the single steps around a break; or the frame itself."""
    return frame.removesuffix("_window").removeprefix("break_")


def _shared(one: _Session, other: _Session) -> int:
    """Steps that both recorded something same of."""
    some = [np.zeros(0, np.int64)]
    for name in one.frames.keys() & other.frames.keys() - {_ABOUT_ITSELF}:
        mine, theirs = one.frames[name], other.frames[name]
        if not mine.columns.isdisjoint(theirs.columns):
            some.append(np.intersect1d(mine.steps, theirs.steps, assume_unique=True))
    return len(np.unique(np.concatenate(some)))
