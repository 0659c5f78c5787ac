"""The tables of a run that is being recorded, grown by what goes to its event file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tb_lossdiag.live.frame_buffer import FrameBuffer
from tb_lossdiag.quantities import QUANTITIES
from tb_lossdiag.records import Floats
from tb_lossdiag.run import Run
from tb_lossdiag.wire.schema import FACTS, Fact, decode_fact, decode_matrix, parse_tag

LIMIT = 64 * 2**20
"""Bytes: twice the default budget of a run's records, which adaptive windows hardly reach."""
BREAKS = frozenset(q.nonfinite for q in QUANTITIES if q.nonfinite)
"""Quantities that count what is not finite."""


class Memory:
    """A run in memory.

    Args:
        name: of the run.
        limit: bytes; of what is above it, older records are thinned.

    Attributes:
        newest: step of the newest record, -1 for none.
        broken: whether something not finite has come; whoever reads it sets it back.
    """

    def __init__(self, name: str, limit: int = LIMIT) -> None:
        """Empty."""
        self._name = name
        self._limit = limit
        self._frames: dict[str, FrameBuffer] = {}
        self._words: dict[str, str] = {}
        self.newest = -1
        self.broken = False

    def take(self, values: Sequence[Any], step: int, walltime: float) -> bool:
        """Take the values of an event; whether one of them is a record. It undoes what its frame has at or after its step."""
        found = False
        for value in values:
            tag = parse_tag(value.tag)
            if tag is None:
                continue
            if tag.frame == FACTS:
                self.learn(decode_fact(value.tensor.string_val[0]))
            else:
                self._put(tag.frame, decode_matrix(value.tensor.tensor_content), step, walltime)
                found = True
        if found:
            self.newest = step
            self._bound()
        return found

    def run(self) -> Run:
        """The run so far. Its tables are views: they hold until the next `take`."""
        tables = [table for frame in self._frames.values() for table in frame.tables()]
        known = {table.quantity.name: table for table in tables if not table.unknown}
        return Run(self._name, known, dict(self._words))

    @property
    def size(self) -> int:
        """Bytes of all records."""
        return sum(frame.size for frame in self._frames.values())

    def learn(self, fact: Fact | None) -> None:
        """Take a fact."""
        kind = None if fact is None else fact.WhichOneof("kind")
        if fact is None or kind is None:
            return
        if kind == "words":
            self._words.update(fact.words.values)
        elif kind == "columns":
            name = fact.columns.frame
            frame = self._frames.setdefault(name, FrameBuffer(name))
            frame.name_columns(tuple(fact.columns.names))

    def _put(self, frame: str, values: Floats, step: int, walltime: float) -> None:
        rows = self._frames.get(frame)
        if rows is None or len(values) != len(rows.names) * len(rows.quantities):
            return
        matrix = values.reshape(len(rows.names), -1)
        rows.put(step, walltime, matrix)
        for index, quantity in enumerate(rows.quantities):
            if quantity.name in BREAKS and bool((matrix[:, index] > 0).any()):
                self.broken = True

    def _bound(self) -> None:
        if self.size > self._limit:
            for frame in self._frames.values():
                frame.thin()
