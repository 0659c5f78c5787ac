"""A frame in the session that goes on: its columns, its shards, and its records as the values of an event file."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import numpy as np
from tensorboard.compat.proto import summary_pb2

from tb_lossdiag.quantities import frame_quantities
from tb_lossdiag.records import Floats, FrameRecord
from tb_lossdiag.wire.encoded import ValueCoder
from tb_lossdiag.wire.schema import (
    DESCRIBED,
    SHARD,
    SHARD_BYTES,
    Columns,
    Tag,
    matrix_value,
    readable,
)


@dataclass
class Frame:
    """Where a frame stands in the current session.

    Attributes:
        name: the frame's.
        columns: the place of each column.
        known: the columns in their order.
        shard: number of the present one.
        count: records in it.
        capacity: records that it may hold.
        last_step: of the newest record.
        coder: writes records as bytes,
        coded: those of this session and shard that have so many.
    """

    name: str
    columns: dict[str, int] = field(default_factory=dict)
    known: tuple[str, ...] = ()
    shard: int = 0
    count: int = 0
    capacity: int = SHARD
    last_step: int = -1
    coder: ValueCoder | None = None
    coded: tuple[str, int, int] = ("", 0, 0)

    def extend(self, parts: list[FrameRecord]) -> bool:
        """Begin a new shard when the old one is full or a column is new; whether one is.

        Raises:
            ValueError: a part gives a column twice.
        """
        given = [part.columns for part in parts if not self._knows(part.columns)]
        if any(len(set(columns)) != len(columns) for columns in given):
            raise ValueError(f"{self.name}: a column name is given twice")
        new = [c for c in dict.fromkeys(itertools.chain(*given)) if c not in self.columns]
        if self.count and (new or self.count >= self.capacity):
            self.shard, self.count = self.shard + 1, 0
        if new:
            more = {c: len(self.columns) + i for i, c in enumerate(new)}
            self.columns = {**self.columns, **more}
            self.known = tuple(self.columns)
            self.capacity = self._capacity()
        return bool(new)

    def described(self) -> Columns:
        """Its columns, for readers."""
        quantities = [quantity.name for quantity in frame_quantities(self.name)]
        names = [readable(name) for name in self.known]
        return Columns(frame=self.name, first_shard=self.shard, names=names, quantities=quantities)

    def value(
        self, session: str, parts: list[FrameRecord], step: int, walltime: float
    ) -> summary_pb2.Summary.Value:
        """The next record, of parts whose columns are known; later ones replace values of earlier ones."""
        tag, first = Tag(self.name, session, self.shard), self.count < DESCRIBED
        value = matrix_value(tag, self._matrix(parts), step, walltime, first=first)
        self.count, self.last_step = self.count + 1, step
        return value

    def goes_on(self, part: FrameRecord, step: int) -> bool:
        """Whether this part, the only one of its frame and step, is a record that needs nothing to be said before it."""
        usual = DESCRIBED <= self.count < self.capacity
        return usual and step >= self.last_step and self._knows(part.columns)

    def encoded(self, session: str, part: FrameRecord, step: int, walltime: float) -> bytes:
        """The next record, where the frame goes on so."""
        matrix = part.values.astype("<f4", copy=False).tobytes()
        coder, fits = self.coder, (session, self.shard, len(matrix))
        if coder is None or self.coded != fits:
            coder = self.coder = ValueCoder(Tag(self.name, session, self.shard), len(matrix))
            self.coded = fits
        self.count, self.last_step = self.count + 1, step
        return coder(matrix, step, walltime)

    def _knows(self, columns: tuple[str, ...]) -> bool:
        """Whether these are its columns, all of them in its order; cheap for the same tuple."""
        return columns is self.known or columns == self.known

    def _capacity(self) -> int:
        """Records of a shard: fewer for very wide frames, so that reading one stays below message limits."""
        record = 4 * len(self.columns) * len(frame_quantities(self.name))
        return max(1, min(SHARD, SHARD_BYTES // record))

    def _matrix(self, parts: list[FrameRecord]) -> Floats:
        """float32[C, Q], NaN where nothing was given."""
        only = parts[0]
        if len(parts) == 1 and self._knows(only.columns):
            return only.values
        size = len(self.columns), len(frame_quantities(self.name))
        matrix: Floats = np.full(size, np.nan, np.float32)
        for part in parts:
            rows = np.array([self.columns[name] for name in part.columns])
            places = range(size[1]) if part.given is None else part.given
            for place in places:
                matrix[rows, place] = part.values[:, place]
        return matrix
