"""A file is written whole, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tb_lossdiag.process.caches import whole


def _breaking() -> Iterator[bytes]:
    yield b"ne"
    raise OSError("it has become shorter")


def test_a_file_is_the_new_one_once_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "verdict"
    path.write_bytes(b"old")
    with whole(path) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_what_fails_leaves_the_one_before_and_nothing_else(tmp_path: Path) -> None:
    path, beside = tmp_path / "copy", tmp_path / "notes"
    beside.mkdir()
    path.write_bytes(b"old")
    with pytest.raises(OSError, match="shorter"), whole(path, beside=beside) as file:
        file.writelines(_breaking())
    assert path.read_bytes() == b"old"
    assert not list(beside.iterdir())
