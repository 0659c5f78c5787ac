"""All parts, one after the other, in several processes, or wherever an executor has them judged."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from functools import partial

from tb_lossdiag.checking import left_out
from tb_lossdiag.checking.parts import Json, Judged, judge
from tb_lossdiag.checking.places import Place
from tb_lossdiag.config import Policy, Settings
from tb_lossdiag.reader import LeftOut


class Check:
    """Judges what lies in some places.

    Args:
        places: where.
        settings: how.
        jobs: processes; 0 for one per processor.
        executor: who judges the parts, instead of processes of ours. Its workers read the places by the same names.

    Attributes:
        parts: what is judged at once.
        left_out: runs that were not judged so far, and why.
        measures: of each run that was judged so far, by its name.

    Raises:
        OSError: a place does not exist.
        ValueError: a run does not exist, or the settings name no rule.
    """

    def __init__(
        self,
        places: Sequence[Place],
        settings: Settings,
        jobs: int = 1,
        executor: Executor | None = None,
    ) -> None:
        """Look where the runs are; nothing is read yet."""
        self.rules = Policy.of(settings).rules
        self.parts = [part for place in places for part in place.parts()]
        self.left_out: dict[str, LeftOut] = {}
        self.measures: dict[str, Json] = {}
        self._where = ", ".join(place.path for place in places)
        self._settings, self._used = settings, set[str]()
        self._executor = executor
        self._jobs = min(jobs or os.cpu_count() or 1, len(self.parts))

    def entries(self) -> Iterator[list[Json]]:
        """The runs of each part, as soon as they are judged, in the order of the parts.

        Raises:
            ValueError: after all of them: there was nothing to judge.
        """
        count = 0
        for judged in self._judged():
            self.left_out.update(judged.left_out)
            self.measures.update(judged.measures)
            self._used |= judged.used
            count += len(judged.entries)
            yield list(judged.entries)
        left_out.require(range(count), self.left_out, self._where)

    def require_use(self, mapped: Mapping[str, tuple[str, ...]], option: str) -> None:
        """Raise ValueError for a tag that no run had a use for."""
        left_out.require_use(self._used, mapped, option)

    def _judged(self) -> Iterator[Judged]:
        work = partial(judge, settings=self._settings)
        if self._executor is not None:
            yield from self._executor.map(work, self.parts)
            return
        if self._jobs <= 1:
            yield from map(work, self.parts)
            return
        # Not forked: TensorBoard and numpy have threads.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(self._jobs, context) as pool:
            yield from pool.map(work, self.parts)


def in_order(parts: Sequence[list[Json]]) -> list[Json]:
    """All runs by name, as TensorBoard lists them."""
    return sorted((entry for part in parts for entry in part), key=lambda entry: entry["run"])
