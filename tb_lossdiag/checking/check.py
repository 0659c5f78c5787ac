"""All parts, in their order."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future

from tb_lossdiag.checking import left_out
from tb_lossdiag.checking.known import Asked, Known
from tb_lossdiag.checking.parts import Json, Judged, Part
from tb_lossdiag.checking.places import Place
from tb_lossdiag.checking.workers import Workers
from tb_lossdiag.config import Policy, Settings
from tb_lossdiag.reader import LeftOut

_SCREEN = 50
"""Runs that are listed by name: more of them nobody looks through."""


class Check:
    """Judges what lies in some places.

    Args:
        places: where.
        settings: how.
        jobs: processes; 0 for one per processor, None for several where that is worth it.
        executor: who judges the parts, instead of processes of ours. Its workers read the places by the same names.
        known: whether verdicts on runs that have not changed may be those of an earlier check.
        lately_first: of more runs than a screen shows, begin with those that were written last: they are waited for.

    Attributes:
        parts: what is judged at once, in that order.
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
        jobs: int | None = 1,
        executor: Executor | None = None,
        *,
        known: bool = False,
        lately_first: bool = False,
    ) -> None:
        """Look where the runs are; nothing is read yet."""
        self.rules = Policy.of(settings).rules
        self.parts = [part for place in places for part in place.parts()]
        if lately_first and len(self.parts) > _SCREEN:
            self.parts.sort(key=Part.newest, reverse=True)
        self.left_out: dict[str, LeftOut] = {}
        self.measures: dict[str, Json] = {}
        self._where = ", ".join(place.path for place in places)
        self._settings, self._used = settings, set[str]()
        self._jobs, self._executor = jobs, executor
        self._known = Known(settings, self.rules, wanted=known)

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
        try:
            yield from self._each()
        except BaseException:
            self._known.write(
                complete=False
            )  # an hour's work must not be lost with its last minute
            raise
        self._known.write(complete=True)

    def _each(self) -> Iterator[Judged]:
        waiting: deque[tuple[Part, Asked, Judged | Future[Judged]]] = deque()
        with Workers(self._jobs, len(self.parts), self._executor) as workers:
            for part in self.parts:
                asked = self._known.asked(part)
                answer = self._known.answer(asked)
                if answer is not None:
                    workers.spared()
                waiting.append((part, asked, answer or workers.judge(part, self._settings)))
                while len(waiting) > workers.ahead:
                    yield self._taken(*waiting.popleft())
            while waiting:
                yield self._taken(*waiting.popleft())

    def _taken(self, part: Part, asked: Asked, answer: Judged | Future[Judged]) -> Judged:
        if isinstance(answer, Judged):
            return answer
        judged = answer.result()
        self._known.keep(part, asked, judged)
        return judged


def in_order(parts: Sequence[list[Json]]) -> list[Json]:
    """All runs by name, as TensorBoard lists them."""
    return sorted((entry for part in parts for entry in part), key=lambda entry: entry["run"])
