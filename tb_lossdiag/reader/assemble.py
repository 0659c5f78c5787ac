"""Puts sessions and shards together: what a resume undid is dropped, columns are united, the last word on a step counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tb_lossdiag.quantities import BY_NAME
from tb_lossdiag.reader.bounds import plausible
from tb_lossdiag.reader.sessions import History, family
from tb_lossdiag.records import Doubles, Floats, Steps, Table
from tb_lossdiag.run import LiveReport, Run
from tb_lossdiag.wire.schema import SEVERITIES, UNCHECKED, Fact, Report, Tag, check_matrix

Places = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Shard:
    """The values of one tag, in the order they were written.

    Attributes:
        steps: int64[N].
        walltimes: float64[N].
        matrices: N arrays float32[C * Q], or [C, Q] from files without checksums; both may differ if the file is not ours.
        damaged: further values, which are not as they were written.
    """

    steps: Steps
    walltimes: Doubles
    matrices: tuple[Floats, ...]
    damaged: int = 0

    @classmethod
    def of(cls, tag: Tag, version: int, data: Sequence[Any]) -> Shard:
        """From tensor data of the provider, written in a version of the format."""
        read = [(datum, _matrix(tag, version, datum)) for datum in data]
        good = [(datum, matrix) for datum, matrix in read if matrix is not None]
        return cls(
            np.array([datum.step for datum, _ in good], np.int64),
            plausible(np.array([datum.wall_time for datum, _ in good], np.float64)),
            tuple(matrix for _, matrix in good),
            len(data) - len(good),
        )

    @classmethod
    def lost(cls) -> Shard:
        """One that cannot be read: at least one of its values is damaged, and hides the others."""
        return cls(np.zeros(0, np.int64), np.zeros(0), (), damaged=1)


def _matrix(tag: Tag, version: int, datum: Any) -> Floats | None:
    """The values of a record, None if it is damaged."""
    values: Floats = datum.numpy
    checked = version > UNCHECKED
    if values.dtype != np.float32 or values.ndim != (1 if checked else 2) or datum.step < 0:
        return None
    return check_matrix(tag, values, datum.step, datum.wall_time) if checked else values


@dataclass(frozen=True)
class SessionData:
    """What was read of one session: its facts, its shards in shard order, and how many of its values are damaged."""

    facts: Sequence[Fact]
    shards: Sequence[tuple[Tag, Shard]]
    damaged: int = 0

    def axes(self, tag: Tag) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Column and quantity names of a shard; empty if the fact is lost."""
        named = [f.columns for f in self.facts if f.WhichOneof("kind") == "columns"]
        mine = [c for c in named if c.frame == tag.frame and c.first_shard <= tag.shard]
        if not mine:
            return (), ()
        newest = max(mine, key=lambda c: c.first_shard)
        return tuple(newest.names), tuple(newest.quantities)


@dataclass(frozen=True)
class _Block:
    """Usable records of one shard: N matrices of C * Q values, as they were read until somebody wants them in one piece."""

    columns: tuple[str, ...]
    quantities: tuple[str, ...]
    steps: Steps
    walltimes: Doubles
    matrices: tuple[Floats, ...]

    def values(self) -> Floats:
        """float32[N, C, Q]."""
        shape = len(self.columns), len(self.quantities)
        return np.stack(self.matrices).reshape(len(self.matrices), *shape)


def assemble(name: str, sessions: Sequence[SessionData], damaged: int = 0) -> Run:
    """The run that these sessions, in the order they began, add up to.

    Args:
        name: of the run.
        sessions: what was read.
        damaged: values that were left out before.

    Facts: those of the sessions, and `damaged`, of how many values at least it is known that they are not what was written, and left out.
    """
    history = History(sessions)
    blocks: dict[str, list[_Block]] = {}
    for index, session in enumerate(sessions):
        for frame, block in _blocks(session, history.ends(index)):
            blocks.setdefault(frame, []).append(block)
    tables = [table for parts in blocks.values() for table in _tables(parts)]
    kept = {table.quantity.name: table for table in tables if not table.unknown}
    facts = {name: word for name, word in _words(sessions).items() if name != "damaged"}
    if damaged := damaged + sum(map(_damaged, sessions)):
        facts["damaged"] = str(damaged)
    reported = tuple(_reported(sessions, history))
    return Run(name, kept, facts, reported, history.restarts(), _closed(sessions))


def _closed(sessions: Sequence[SessionData]) -> float | None:
    """When the last of its writers that were closed was."""
    facts = (fact for session in sessions for fact in session.facts)
    times = [fact.closed.walltime for fact in facts if fact.WhichOneof("kind") == "closed"]
    return max((time for time in times if np.isfinite(time)), default=None)


def _damaged(session: SessionData) -> int:
    """Values that are damaged themselves, and records that fit no axes because those are."""
    alone = sum(
        int((~_fits(shard, *map(len, session.axes(tag)))).sum()) for tag, shard in session.shards
    )
    return session.damaged + sum(shard.damaged for _, shard in session.shards) + alone


def _fits(shard: Shard, columns: int, quantities: int) -> npt.NDArray[np.bool_]:
    """bool[N]: which records have the size that their axes say."""
    shapes = {(columns, quantities), (columns * quantities,)}
    return np.array([m.size > 0 and m.shape in shapes for m in shard.matrices], bool)


def _reported(sessions: Sequence[SessionData], history: History) -> Iterator[LiveReport]:
    """What was said of findings; what a later session undid was never said."""
    for index, session in enumerate(sessions):
        end = history.end(index)
        for fact in session.facts:
            said = fact.report
            if fact.WhichOneof("kind") == "report" and said.step < end and _is_sound(said):
                yield LiveReport(
                    said.code, said.subject, said.severity, said.step, said.walltime, said.cleared
                )


def _is_sound(said: Report) -> bool:
    return said.severity in SEVERITIES and np.isfinite(said.walltime)


def _words(sessions: Sequence[SessionData]) -> dict[str, str]:
    words: dict[str, str] = {}
    for session in sessions:
        for fact in session.facts:
            if fact.WhichOneof("kind") == "words":
                words.update(fact.words.values)
    return words


def _blocks(session: SessionData, ends: Mapping[str, int]) -> Iterator[tuple[str, _Block]]:
    """The shards of a session as far as no later one undid their frames."""
    for tag, shard in session.shards:
        columns, quantities = session.axes(tag)
        valid = _fits(shard, len(columns), len(quantities))
        valid &= shard.steps < ends.get(family(tag.frame), 0)
        if valid.any():
            matrices = tuple(m for m, ok in zip(shard.matrices, valid, strict=True) if ok)
            steps, walltimes = shard.steps[valid], shard.walltimes[valid]
            yield tag.frame, _Block(columns, quantities, steps, walltimes, matrices)


def _tables(blocks: Sequence[_Block]) -> Iterator[Table]:
    columns = tuple(dict.fromkeys(name for b in reversed(blocks) for name in b.columns))
    walltimes = np.concatenate([block.walltimes for block in blocks])
    steps, last = _last_of_each(np.concatenate([block.steps for block in blocks]))
    known = {name: BY_NAME.get(name) for block in blocks for name in block.quantities}
    filled = {name: _nothing(len(steps), len(columns)) for name, q in known.items() if q}
    for block in blocks:
        values, place = block.values(), _places(block, steps, columns)
        for index, name in enumerate(block.quantities):
            if name in filled:
                filled[name][place] = values[:, :, index]
    for name, table in filled.items():
        yield Table(BY_NAME[name], columns, steps, walltimes[last], table)


def _nothing(rows: int, columns: int) -> Floats:
    return np.full((rows, columns), np.nan, np.float32)


def _last_of_each(steps: Steps) -> tuple[Steps, Places]:
    """The different steps in order, and the row in which each was written last."""
    different, reverse = np.unique(steps[::-1], return_index=True)
    return different, len(steps) - 1 - reverse


def _places(block: _Block, steps: Steps, columns: Sequence[str]) -> tuple[Any, ...]:
    """Where a block's values go in a table: what has no column in it stays as another writer said it."""
    place = {name: index for index, name in enumerate(columns)}
    there = np.array([place[name] for name in block.columns], np.intp)
    rows, names = _slice(np.searchsorted(steps, block.steps)), _slice(there)
    if isinstance(rows, slice) or isinstance(names, slice):
        return rows, names
    return np.ix_(rows, names)


def _slice(places: Places) -> Places | slice:
    """The same places as a slice where they follow each other: that is copied as a whole."""
    follow = bool(np.all(np.diff(places) == 1))
    return slice(int(places[0]), int(places[-1]) + 1) if follow and len(places) else places
