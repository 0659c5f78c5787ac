"""Writes the record of a window: with the ordinary scalars that go with it, and what goes with the first one."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping

from tb_lossdiag.recording.journal import Journal
from tb_lossdiag.records import FrameRecord, Record, frame_records

Scalars = Callable[[list[FrameRecord]], Mapping[str, float]]
"""The ordinary scalars that go with a record."""
Attempt = Callable[[str, Callable[[], int]], int | None]
"""The result of work, None if it fails."""


class RecordWriter:
    """What windows write with.

    Args:
        journal: where records go.
        scalars: the ordinary scalars of a record.

    Attributes:
        first: records that go with the first ones written.
        attempt: does such work of this name, which writes one record; it may keep a failure of that one to itself.
    """

    def __init__(self, journal: Journal, scalars: Scalars) -> None:
        self._journal, self._scalars = journal, scalars
        self.first: list[Record] = []
        self.attempt: Attempt = _straight

    def __call__(self, step: int, walltime: float, found: list[FrameRecord]) -> int:
        """Write the parts of a step; their size in bytes, 0 if that fails."""

        def work() -> int:
            scalars = self._scalars(found)
            if not self.first and (size := self._journal.go_on(step, walltime, found, scalars)):
                return size
            both = [*frame_records(self.first), *found]
            self._journal.add(step, walltime, both, scalars)
            size = self._journal.flush()
            self.first = []
            return size

        return self.attempt("writing", work) or 0

    def ahead(self, journal: Journal) -> RecordWriter:
        """One that stands where this one does, and writes into a journal that does."""
        ahead = copy.copy(self)
        ahead._journal, ahead.attempt = journal, _straight  # noqa: SLF001
        return ahead


def _straight(_: str, work: Callable[[], int]) -> int:
    return work()
