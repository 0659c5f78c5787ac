"""What the processes of a distributed training tell each other, and when: through their store, never by a collective.

A collective that one rank does not join hangs the training. A store holds keys that each rank sets on its own, and whoever reads
them stops waiting when it likes.
"""

from __future__ import annotations

import contextlib
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Any

from torch import distributed

from tb_lossdiag.collect.state.processes import rank, world
from tb_lossdiag.process.warn import warn

PATIENCE = 1.0
"""Seconds that a rank waits for the others, altogether, at the end and before it: who waits stands still, and the training with it."""
_PAUSE = 0.002
_counters: list[tuple[weakref.ref[Any], Iterator[int]]] = []
"""The newest default group, and how many boards it has had: another group may be of processes with other pasts."""


def _next_ordinal() -> int:
    group = distributed.group.WORLD
    if not _counters or _counters[0][0]() is not group:
        _counters[:] = [(weakref.ref(group), count())]
    return next(_counters[0][1])


class RankStore:
    """Keys that all ranks can set and read; every rank's n-th board of a group is the same one.

    Args:
        store: a `torch.distributed.Store`.
        rank: of this process.
        size: number of ranks.
        ordinal: which board of the group it is.
    """

    def __init__(self, store: Any, rank: int, size: int, ordinal: int) -> None:
        self.rank, self.size = rank, size
        self._store: Any = distributed.PrefixStore(  # type: ignore[attr-defined]
            f"tb_lossdiag/{ordinal}", store
        )

    @classmethod
    def of_group(cls) -> RankStore | None:
        """A board of the default group's ranks; None with fewer than two, or without a store."""
        if world() < 2:  # noqa: PLR2004
            return None
        from torch.distributed import distributed_c10d  # noqa: PLC0415  (absent where distributed is)

        try:
            store = distributed_c10d._get_default_store()  # noqa: SLF001  (no public way)
        except (AttributeError, RuntimeError, ValueError):
            return None
        return cls(store, rank(), world(), _next_ordinal())

    def post(self, topic: str, word: bytes) -> None:
        """Leave this rank's word on a topic."""
        self._store.set(f"{topic}/{self.rank}", word.hex())  # a FileStore keeps no zero bytes

    def complete(self, topic: str) -> bool:
        """Whether all ranks have left theirs."""
        return bool(self._store.check(self._keys(topic)))

    def words(self, topic: str, patience: float) -> list[bytes] | None:
        """All ranks' words, in the order of ranks; None if they do not come within so many seconds."""
        if not waited(lambda: self.complete(topic), patience):
            return None
        return [bytes.fromhex(self._store.get(key).decode()) for key in self._keys(topic)]

    def forget(self, topic: str) -> None:
        """Take all words on a topic down."""
        with contextlib.suppress(RuntimeError, NotImplementedError):
            for key in self._keys(topic):
                self._store.delete_key(key)

    def heard(self, topic: str, rank: int) -> bool:
        """Whether a rank has left its word on a topic."""
        return bool(self._store.check([f"{topic}/{rank}"]))

    def missing(self, topic: str) -> list[int]:
        """The ranks that have not."""
        return [index for index in range(self.size) if not self.heard(topic, index)]

    def present(self, topic: str) -> list[int]:
        """The ranks that have."""
        missing = self.missing(topic)
        return [index for index in range(self.size) if index not in missing]

    def decide(self, topic: str, word: bytes) -> None:
        """Decide a question for all ranks, unless another rank has."""
        if self._store.add(f"{topic}/ticket", 1) == 1:
            self._store.set(f"{topic}/verdict", word.decode())

    def verdict(self, topic: str, patience: float) -> bytes | None:
        """What was decided, the same for every rank that gets an answer within so many seconds."""
        key = f"{topic}/verdict"
        found = waited(lambda: bool(self._store.check([key])), patience)
        return bytes(self._store.get(key)) if found else None

    def _keys(self, topic: str) -> list[str]:
        return [f"{topic}/{index}" for index in range(self.size)]


def listed(ranks: Sequence[int]) -> str:
    """In words.

    >>> listed([1]), listed([2, 5]), listed(range(1, 64))
    ('rank 1', 'ranks 2, 5', 'ranks 1, 2, 3, 4 and 59 more')
    """
    most = 4
    names = ", ".join(map(str, ranks[:most]))
    more = f" and {len(ranks) - most} more" if len(ranks) > most else ""
    return f"rank{'s' if len(ranks) > 1 else ''} {names}{more}"


def tell(words: str) -> None:
    """Say to the user of this process what became of the other ranks."""
    warn(f"Loss Doctor: {words}", 3)


def waited(done: Callable[[], bool], patience: float) -> bool:
    """Ask again and again; a blocking wait would keep the store from the process's other threads."""
    end = time.monotonic() + patience
    while not done():
        if time.monotonic() >= end:
            return False
        time.sleep(_PAUSE)
    return True
