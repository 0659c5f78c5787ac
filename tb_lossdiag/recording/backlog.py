"""Items that wait for a file, and how much of what came the file holds."""

from __future__ import annotations

from collections import deque

MOST = 32 * 2**20
"""Bytes that wait in memory at most."""
_BATCH = 4 * 2**20
"""Bytes of one write, about."""


class Ours(bytes):
    """An item that is also kept elsewhere until it is written: see `Backlog.ours`."""


class Backlog:
    """What waits, in its order.

    Args:
        first: every file's first item.

    Attributes:
        position: bytes that are whole in the present file.
        ours: bytes of `Ours` that wait.
    """

    def __init__(self, first: bytes) -> None:
        self._first, self._items, self._bytes = first, deque([first]), len(first)
        self.position = self.ours = 0

    def __len__(self) -> int:
        """Items that wait."""
        return len(self._items)

    def fits(self, size: int) -> bool:
        """Whether there is room for so many bytes more; there is always room for one item."""
        return not self._items or self._bytes + size <= MOST

    def append(self, item: bytes) -> None:
        """Let an item wait."""
        self._items.append(item)
        self._bytes += len(item)
        self.ours += len(item) if isinstance(item, Ours) else 0

    def next(self) -> list[bytes]:
        """What is written next: nothing if all is."""
        found: list[bytes] = []
        size = 0
        for item in self._items:
            if found and size + len(item) > _BATCH:
                break
            found.append(item)
            size += len(item)
        return found

    def took(self, count: int) -> None:
        """The file holds so many items more."""
        for _ in range(count):
            item = self._items.popleft()
            self._bytes -= len(item)
            self.position += len(item)
            self.ours -= len(item) if isinstance(item, Ours) else 0

    def begin_file(self) -> None:
        """What waits goes into another file."""
        self.position = 0
        self._items.appendleft(self._first)
        self._bytes += len(self._first)
