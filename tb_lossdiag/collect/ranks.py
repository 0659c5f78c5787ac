"""What the processes of a distributed training tell each other, and when: through their store, never by a collective.

A collective that one rank does not join hangs the training. A store holds keys that each rank sets on its own, and whoever reads
them stops waiting when it likes.
"""

from __future__ import annotations

import contextlib
import os
import time
import weakref
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

from torch import distributed

PATIENCE = 10.0
"""Seconds that a rank waits for the others' word."""
_PAUSE = 0.002
_yes, _no = b"yes", b"no"
_counters: list[tuple[weakref.ref[Any], Iterator[int]]] = []
"""The newest default group, and how many boards it has had: another group may be of processes with other pasts."""


def together() -> bool:
    """Whether this process belongs to an initialised process group."""
    return distributed.is_available() and distributed.is_initialized()


def rank() -> int:
    """This process's rank in the default group, 0 without one."""
    return distributed.get_rank() if together() else 0


def world() -> int:
    """Number of ranks, 1 without a group."""
    return distributed.get_world_size() if together() else 1


def expected_rank() -> int:
    """The rank by the group or, before there is one, by what launchers such as torchrun leave in the environment."""
    if together():
        return rank()
    word = os.environ.get("RANK", "")
    return int(word) if word.isdecimal() and "WORLD_SIZE" in os.environ else 0


def _next_ordinal() -> int:
    group = distributed.group.WORLD
    if not _counters or _counters[0][0]() is not group:
        _counters[:] = [(weakref.ref(group), count())]
    return next(_counters[0][1])


class Board:
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
    def of_group(cls) -> Board | None:
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

    def agree(self, signature: bytes, patience: float = PATIENCE) -> bool:
        """Whether all ranks ask this with the same signature; the answer is the same on every rank that gets one.

        Rank 0 decides, unless a rank loses patience first: whoever draws the first ticket does.
        """
        self.post("signature", signature)
        if self.rank == 0:
            found = self.words("signature", patience)
            self._decide(_yes if found is not None and len(set(found)) == 1 else _no)
        elif not waited(self._decided, 2 * patience):
            self._decide(_no)
        return waited(self._decided, patience) and bytes(self._store.get("verdict")) == _yes

    def _decide(self, word: bytes) -> None:
        if self._store.add("ticket", 1) == 1:
            self._store.set("verdict", word.decode())

    def _decided(self) -> bool:
        return bool(self._store.check(["verdict"]))

    def _keys(self, topic: str) -> list[str]:
        return [f"{topic}/{index}" for index in range(self.size)]


def waited(done: Callable[[], bool], patience: float) -> bool:
    """Ask again and again; a blocking wait would keep the store from the process's other threads."""
    end = time.monotonic() + patience
    while not done():
        if time.monotonic() > end:
            return False
        time.sleep(_PAUSE)
    return True
