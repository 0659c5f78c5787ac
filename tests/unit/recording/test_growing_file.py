"""Files that only grow: what is half-written is completed where it stands, what is gone is noticed."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import pytest
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.compat.proto import event_pb2

from tb_lossdiag.recording.growing_file import LocalFile, RemoteFile
from tb_lossdiag.wire.framing import framed


class Scarce:
    """An open file with room for so many bytes more, and perhaps none when it is closed."""

    def __init__(self, file: Any, room: int, *, late: bool) -> None:
        self._file, self._room, self._late = file, room, late

    def seek(self, *place: int) -> int:
        return int(self._file.seek(*place))

    def write(self, data: memoryview) -> int:
        if self._late:
            return int(self._file.write(data))
        if not self._room:
            raise OSError(errno.ENOSPC, "full")
        count = int(self._file.write(data[: self._room]))
        self._room -= count
        return count

    def __enter__(self) -> Scarce:  # noqa: PYI034
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        if self._late:
            raise OSError(errno.EDQUOT, "quota")


def scarce(file: LocalFile, room: int, *, late: bool = False) -> Callable[[], None]:
    """Give it a disk with so much room; returns what ends that."""
    plain = file._open
    file._open = lambda: Scarce(plain(), room, late=late)  # type: ignore[method-assign]
    return lambda: setattr(file, "_open", plain)


def test_whole_items_count_and_the_rest_is_written_over(tmp_path: Path) -> None:
    file = LocalFile(str(tmp_path / "f"))
    assert file.write([b"0123"]) == 1
    enough = scarce(file, 7)
    assert file.write([b"4567", b"89ab", b"cdef"]) == 1
    assert (tmp_path / "f").read_bytes() == b"0123456789a"
    enough()
    enough = scarce(file, 0)
    with pytest.raises(OSError, match="full"):
        file.write([b"89ab"])
    enough()
    assert file.write([b"89ab", b"cdef"]) == 2
    assert (tmp_path / "f").read_bytes() == b"0123456789abcdef"


def test_a_refusal_at_the_end_of_a_write_counts_for_all_of_it(tmp_path: Path) -> None:
    """Network file systems may take everything and refuse it when the file is closed."""
    file = LocalFile(str(tmp_path / "f"))
    enough = scarce(file, 0, late=True)
    with pytest.raises(OSError, match="quota"):
        file.write([b"0123"])
    enough()
    assert file.write([b"0123"]) == 1
    assert (tmp_path / "f").read_bytes() == b"0123"


def test_a_reader_that_saw_half_a_record_reads_it_whole_later(tmp_path: Path) -> None:
    def event(step: int) -> bytes:
        return framed(event_pb2.Event(step=step, file_version="v").SerializeToString())

    file = LocalFile(str(tmp_path / "f"))
    file.write([event(1)])
    loader = EventFileLoader(str(tmp_path / "f"))
    seen = [read.step for read in loader.Load()]
    enough = scarce(file, len(event(2)) + 9)
    file.write([event(2), event(3)])
    seen += [read.step for read in loader.Load()]
    enough()
    file.write([event(3), event(4)])
    seen += [read.step for read in loader.Load()]
    assert seen == [1, 2, 3, 4]


@pytest.mark.parametrize("how", [os.remove, lambda path: os.truncate(path, 2)])
def test_a_file_that_is_gone_or_cut_is_not_gone_on_with(
    tmp_path: Path, how: Callable[[Path], None]
) -> None:
    file = LocalFile(str(tmp_path / "f"))
    file.write([b"0123"])
    how(tmp_path / "f")
    with pytest.raises(FileNotFoundError) as raised:
        file.write([b"4567"])
    assert file.ended_by(raised.value)


def test_a_file_that_may_grow_no_further_ends_with_its_last_whole_item(tmp_path: Path) -> None:
    file = LocalFile(str(tmp_path / "f"))
    file.write([b"0123"])
    (tmp_path / "f").write_bytes(b"0123half")
    assert file.ended_by(OSError(errno.EFBIG, "File too large"))
    assert (tmp_path / "f").read_bytes() == b"0123"
    assert not file.ended_by(OSError(errno.ENOSPC, "No space left on device"))


@pytest.mark.parametrize(("number", "passes"), [(errno.EINVAL, True), (errno.EIO, False)])
def test_a_file_system_without_sync_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, passes: bool
) -> None:
    def refuse(_: int) -> None:
        raise OSError(number, "no")

    file = LocalFile(str(tmp_path / "f"))
    file.write([b"0123"])
    file.sync()
    monkeypatch.setattr(os, "fsync", refuse)
    if passes:
        file.sync()
    else:
        with pytest.raises(OSError, match="no"):
            file.sync()


def test_a_file_elsewhere(tmp_path: Path) -> None:
    file = RemoteFile("memory://growing/f", 120)
    assert not file.ended_by(OSError())
    assert file.write([b"01", b"23"]) == 2
    assert file.write([b"45"]) == 1
    file.sync()
    with fsspec.open("memory://growing/f") as read:
        assert read.read() == b"012345"
    assert file.ended_by(OSError())
