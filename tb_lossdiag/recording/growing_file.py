"""Files that only grow: what is whole on the disk stays, a half-written tail is written again over itself."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from tensorboard.compat import tf

_ENDED = {errno.EFBIG, errno.ENOENT, errno.ESTALE}
"""Errors that no waiting heals for this file, but a new one does: it may grow no further, or is not there any more."""
_NO_SYNC = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.ENOENT}
_SYNC = 30.0
"""Seconds between two `fsync` of a local file."""


class Growing(Protocol):
    """A file that grows.

    Attributes:
        name: its path.
        pause: seconds between two calls of `sync`.
    """

    name: str
    pause: float

    def write(self, items: Sequence[bytes]) -> int:
        """Append items; the number of those that are whole in the file, at least one. Raises what the disk says otherwise."""
        ...

    def flush(self) -> None:
        """Show other processes what was written."""
        ...

    def sync(self) -> None:
        """Bring what was written to the disk itself."""
        ...

    def discard(self) -> None:
        """It could not even begin: leave nothing behind."""
        ...

    def ended_by(self, error: Exception, /) -> bool:
        """Whether a new file must take what this one refused with that error; it then holds nothing half-written."""
        ...


class LocalFile:
    """A file on this machine, opened anew for each write, as TensorBoard does: nothing waits in the process."""

    pause = _SYNC

    def __init__(self, name: str) -> None:
        """Nothing is made before the first write."""
        self.name = name
        self._size = self._count = 0

    def write(self, items: Sequence[bytes]) -> int:
        """Append items after the last whole one."""
        data = memoryview(b"".join(items))
        done = 0
        try:
            with self._open() as file:
                file.seek(self._size)
                while done < len(data):
                    done += file.write(data[done:])
                done, reached = 0, done  # network file systems may refuse only now
            done = reached
        except OSError:
            if not _whole(items, done)[0]:
                raise
        count, size = _whole(items, done)
        self._count, self._size = self._count + count, self._size + size
        return count

    def _open(self) -> Any:
        if not self._size:
            return Path(self.name).open("wb", buffering=0)
        file = Path(self.name).open("r+b", buffering=0)  # noqa: SIM115  (the caller closes it)
        if file.seek(0, os.SEEK_END) < self._size:
            file.close()
            raise FileNotFoundError(errno.ENOENT, "the file has become shorter", self.name)
        return file

    def flush(self) -> None:
        """Other processes see what was written already."""

    def sync(self) -> None:
        """Bring the file, and its entry in the folder, to the disk; some file systems have no such thing."""
        try:
            with Path(self.name).open("r+b") as file:
                os.fsync(file.fileno())
        except OSError as error:
            if error.errno not in _NO_SYNC:
                raise
        if os.name == "posix":
            with contextlib.suppress(OSError):
                _sync_folder(Path(self.name).parent)

    def ended_by(self, error: Exception, /) -> bool:
        """Whether it is full for good, or gone."""
        number = error.errno if isinstance(error, OSError) else None
        if number not in _ENDED or not self._count:
            return False
        with contextlib.suppress(OSError):
            os.truncate(self.name, self._size)
        return True

    def discard(self) -> None:
        """It could not even begin: leave nothing behind."""
        with contextlib.suppress(OSError):
            Path(self.name).unlink()


def _sync_folder(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _whole(items: Sequence[bytes], done: int) -> tuple[int, int]:
    """How many of the items, and of their bytes, the first so many bytes hold whole."""
    size = count = 0
    for item in items:
        if size + len(item) > done:
            break
        count, size = count + 1, size + len(item)
    return count, size


class RemoteFile:
    """A file elsewhere, through TensorBoard's own file systems.

    Args:
        name: its address.
        pause: seconds between two uploads, where a file system takes nothing but whole files.
    """

    def __init__(self, name: str, pause: float) -> None:
        self.name, self.pause = name, pause
        self._file: Any = None
        self._count = 0

    def write(self, items: Sequence[bytes]) -> int:
        """Append items."""
        if self._file is None:
            self._file = tf.io.gfile.GFile(self.name, "wb")
        self._file.write(b"".join(items))
        self._count += len(items)
        return len(items)

    def flush(self) -> None:
        """Upload."""
        if self._file is not None:
            self._file.flush()

    def sync(self) -> None:
        """Upload."""
        self.flush()

    def discard(self) -> None:
        """Nothing is known to be there."""

    def ended_by(self, _: Exception, /) -> bool:
        """Nobody knows what of a failed write has arrived: go on in another file."""
        return self._count > 0
