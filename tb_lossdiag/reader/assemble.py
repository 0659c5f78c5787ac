"""Puts sessions and shards together: what a resume undid is dropped, columns are united, the last word on a step counts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tb_lossdiag.quantities import BY_NAME, OTHER_WRITERS, Quantity
from tb_lossdiag.records import Doubles, Floats, Reported, Run, Steps, Table
from tb_lossdiag.schema import Fact, Tag

_NEVER = 2**63 - 1


@dataclass(frozen=True)
class Shard:
    """The values of one tag, in the order they were written.

    Attributes:
        steps: int64[N].
        walltimes: float64[N].
        matrices: N arrays float32[C, Q]; C may differ from what is expected if the file is not ours.
    """

    steps: Steps
    walltimes: Doubles
    matrices: tuple[Floats, ...]

    @classmethod
    def of(cls, data: Sequence[Any]) -> Shard:
        """From tensor data of the provider; what is no matrix of floats is left out."""
        good = [d for d in data if d.numpy.ndim == 2 and d.numpy.dtype == np.float32]  # noqa: PLR2004
        return cls(
            np.array([d.step for d in good], np.int64),
            np.array([d.wall_time for d in good], np.float64),
            tuple(d.numpy for d in good),
        )


@dataclass(frozen=True)
class SessionData:
    """What was read of one session: its facts and its shards in shard order."""

    facts: Sequence[Fact]
    shards: Sequence[tuple[Tag, Shard]]

    @property
    def start(self) -> int | None:
        """First step; None if the fact is lost."""
        starts = [f.session.start_step for f in self.facts if f.WhichOneof("kind") == "session"]
        return starts[0] if starts else None

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
    """Usable records of one shard: values float32[N, C, Q]."""

    columns: tuple[str, ...]
    quantities: tuple[str, ...]
    steps: Steps
    walltimes: Doubles
    values: Floats


def assemble(name: str, sessions: Sequence[SessionData]) -> Run:
    """The run that these sessions, in the order they began, add up to."""
    blocks: dict[str, list[_Block]] = {}
    for index, session in enumerate(sessions):
        for frame, block in _blocks(session, _undone_from(sessions[index + 1 :])):
            blocks.setdefault(frame, []).append(block)
    tables = [table for parts in blocks.values() for table in _tables(parts)]
    kept = {table.quantity.name: table for table in tables if not table.unknown}
    return Run(name, kept, _words(sessions), tuple(_reported(sessions)))


def _undone_from(later: Sequence[SessionData]) -> int:
    """The first step that a later session did again."""
    return min((s.start for s in later if s.start is not None), default=_NEVER)


def _reported(sessions: Sequence[SessionData]) -> Iterator[Reported]:
    """What was said of findings; what a later session undid was never said."""
    for index, session in enumerate(sessions):
        end = _undone_from(sessions[index + 1 :])
        for fact in session.facts:
            if fact.WhichOneof("kind") == "report" and fact.report.step < end:
                said = fact.report
                yield Reported(
                    said.code, said.subject, said.severity, said.step, said.walltime, said.cleared
                )


def _words(sessions: Sequence[SessionData]) -> dict[str, str]:
    words: dict[str, str] = {}
    for session in sessions:
        for fact in session.facts:
            if fact.WhichOneof("kind") == "words":
                words.update(fact.words.values)
    return words


def _blocks(session: SessionData, undone_from: int) -> Iterator[tuple[str, _Block]]:
    """The shards of a session as far as no later one undid them; what is said of the session itself stands."""
    for tag, shard in session.shards:
        columns, quantities = session.axes(tag)
        shape = (len(columns), len(quantities))
        valid = np.array([matrix.shape == shape for matrix in shard.matrices], bool)
        if tag.frame != OTHER_WRITERS.frame:
            valid &= shard.steps < undone_from
        if columns and valid.any():
            values = np.stack([m for m, ok in zip(shard.matrices, valid, strict=True) if ok])
            steps, walltimes = shard.steps[valid], shard.walltimes[valid]
            yield tag.frame, _Block(columns, quantities, steps, walltimes, values)


def _tables(blocks: Sequence[_Block]) -> Iterator[Table]:
    columns = tuple(dict.fromkeys(name for b in reversed(blocks) for name in b.columns))
    steps = np.concatenate([block.steps for block in blocks])
    walltimes = np.concatenate([block.walltimes for block in blocks])
    rows = _last_of_each(steps)
    for name in dict.fromkeys(name for block in blocks for name in block.quantities):
        if (quantity := BY_NAME.get(name)) is not None:
            values = np.concatenate([_spread(block, quantity, columns) for block in blocks])
            yield Table(quantity, columns, steps[rows], walltimes[rows], values[rows])


def _last_of_each(steps: Steps) -> npt.NDArray[np.intp]:
    """Rows in step order, the last written one of each step."""
    _, reverse = np.unique(steps[::-1], return_index=True)
    rows: npt.NDArray[np.intp] = len(steps) - 1 - reverse
    return rows


def _spread(block: _Block, quantity: Quantity, columns: tuple[str, ...]) -> Floats:
    """float32[N, len(columns)]: a block's quantity on the run's columns."""
    values: Floats = np.full((len(block.steps), len(columns)), np.nan, np.float32)
    if quantity.name in block.quantities:
        where = [columns.index(name) for name in block.columns]
        values[:, where] = block.values[:, :, block.quantities.index(quantity.name)]
    return values
