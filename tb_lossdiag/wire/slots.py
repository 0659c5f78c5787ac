"""A small file whose content is replaced in place, such that a kill in the middle of a write leaves the content before.

Two marks stand at its beginning; the newest valid one says where the content is. New content is written beside the old one, its mark
over the older mark. The file is written, not mapped: as with a map the kernel owns what was written and a killed process loses none
of it, but a full disk is an error here and not a signal that ends the process.
"""

from __future__ import annotations

import contextlib
import os
import struct
import weakref
from collections.abc import Iterator
from dataclasses import dataclass

import google_crc32c

MOST = 16 * 2**20
"""Bytes of content, at most; the file is never more than three times as long."""
_MARK = struct.Struct("<4sQIII")
_SIZE = _MARK.size + 4
_BEGIN = 64
_NAME = b"LDs1"


@dataclass(frozen=True)
class _Mark:
    """Where a content is."""

    number: int
    start: int
    size: int
    checksum: int

    def encoded(self) -> bytes:
        """The mark with its own checksum."""
        data = _MARK.pack(_NAME, self.number, self.start, self.size, self.checksum)
        return data + struct.pack("<I", google_crc32c.value(data))

    @classmethod
    def decoded(cls, data: bytes) -> _Mark | None:
        """The mark, None if the bytes are not one."""
        if len(data) != _SIZE or google_crc32c.value(data[:-4]).to_bytes(4, "little") != data[-4:]:
            return None
        name, *numbers = _MARK.unpack(data[:-4])
        return cls(*numbers) if name == _NAME else None


def content(data: bytes) -> bytes | None:
    """The newest whole content of such a file, None if there is none."""
    marks = [_Mark.decoded(data[at : at + _SIZE]) for at in _places()]
    for mark in sorted(filter(None, marks), key=lambda mark: -mark.number):
        found = data[mark.start : mark.start + mark.size]
        if len(found) == mark.size and google_crc32c.value(found) == mark.checksum:
            return found
    return None


class Slots:
    """The file, open for writing, and locked for as long as its process lives.

    Args:
        path: where; there must be no such file yet.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        self._file = open(os.open(path, flags, 0o666), "r+b", buffering=0)  # noqa: SIM115, PTH123
        self._newest = _Mark(0, _BEGIN, 0, 0)
        locked(self._file.fileno())
        _open.add(self)

    def write(self, data: bytes) -> None:
        """Replace the content.

        Raises:
            OSError: it could not be written; what was there before still is.
        """
        old = self._newest
        start = _BEGIN if _BEGIN + len(data) <= old.start else old.start + old.size
        new = _Mark(old.number + 1, start, len(data), google_crc32c.value(data))
        self._put(start, data)
        self._put(new.number % 2 * (_BEGIN // 2), new.encoded())
        self._newest = new

    @property
    def closed(self) -> bool:
        """Whether it takes no more."""
        return self._file.closed

    def close(self) -> None:
        """Close the file; it stays."""
        self._file.close()

    def remove(self) -> None:
        """Close the file and delete it."""
        self.close()
        with contextlib.suppress(OSError):
            os.unlink(self.path)  # noqa: PTH108

    def _put(self, at: int, data: bytes) -> None:
        self._file.seek(at)
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]


def locked(descriptor: int) -> bool | None:
    """Whether an open file is ours alone from now on, for as long as the process lives; None where nobody can say."""
    try:
        import fcntl  # noqa: PLC0415  (not on Windows)

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (ImportError, OSError):
        return None
    return True


def open_here(path: str) -> bool:
    """Whether this process writes the file."""
    return any(slots.path == path and not slots.closed for slots in _open)


def _places() -> Iterator[int]:
    yield from (0, _BEGIN // 2)


def _let_go() -> None:
    """A forked child keeps no lock of its parent's."""
    for slots in list(_open):
        slots.close()


_open: weakref.WeakSet[Slots] = weakref.WeakSet()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)
