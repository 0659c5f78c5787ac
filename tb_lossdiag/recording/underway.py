"""Records on their way into the event file: given to its thread, and not known to be written."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from tb_lossdiag.wire.leftover import series
from tb_lossdiag.wire.slots import MOST


@dataclass(frozen=True)
class _Sent:
    """An event that was given to the event file."""

    data: bytes
    tags: tuple[str, ...]
    step: int


class Underway:
    """Events on their way into the event file.

    Attributes:
        newest: step of the newest record that the file has, by series of the session that goes on.
        size: bytes on their way.
    """

    def __init__(self) -> None:
        """Nothing is on its way."""
        self.newest: dict[str, int] = {}
        self.size = 0
        self._sent: deque[_Sent] = deque()

    def put(self, data: bytes, tags: tuple[str, ...], step: int) -> None:
        """An event, framed, goes."""
        self._sent.append(_Sent(data, tags, step))
        self.size += len(data)
        while self.size > MOST:  # the disk is full: the oldest are given up
            self.size -= len(self._sent.popleft().data)

    def lost(self, count: int) -> None:
        """The last so many events are not on their way after all."""
        for _ in range(min(count, len(self._sent))):
            self.size -= len(self._sent.pop().data)

    def arrived(self, left: int) -> None:
        """All but the last `left` bytes are in the file."""
        while self._sent and self.size > left:
            sent = self._sent.popleft()
            self.size -= len(sent.data)
            self._note(sent)

    def rest(self) -> bytes:
        """What is on its way, framed."""
        return b"".join(sent.data for sent in self._sent)

    def _note(self, sent: _Sent) -> None:
        for name in filter(None, map(series, sent.tags)):
            session = name.rpartition("/")[2]
            if self.newest and not next(iter(self.newest)).endswith(session):
                self.newest = {}
            self.newest[name] = sent.step
