"""Content replaced in place survives a kill at any byte of any write."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tb_lossdiag.wire.slots import Slots, content, locked, open_here

CONTENTS = st.lists(st.binary(max_size=80), min_size=1, max_size=8)


class Traced(Slots):
    """Keeps what was written where."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.puts: list[tuple[int, bytes]] = []

    def _put(self, at: int, data: bytes) -> None:
        self.puts.append((at, data))
        super()._put(at, data)


@given(contents=CONTENTS)
def test_a_kill_at_any_byte_leaves_the_newest_whole_content(
    contents: list[bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    slots = Traced(str(tmp_path_factory.mktemp("slots") / "x"))
    image, before = bytearray(), None
    for now in contents:
        slots.puts = []
        slots.write(now)
        for at, data in slots.puts:
            for end in range(len(data)):  # killed after so many bytes of this write
                assert content(bytes(_put(image, at, data[:end]))) in {before, now}
            image = _put(image, at, data)
        assert content(bytes(image)) == now
        before = now
    assert Path(slots.path).read_bytes() == bytes(image)
    slots.remove()


def _put(image: bytearray, at: int, data: bytes) -> bytearray:
    made = bytearray(image)
    if data:
        made.extend(bytes(max(0, at - len(made))))
        made[at : at + len(data)] = data
    return made


@given(contents=CONTENTS, place=st.integers(0, 2**20), bit=st.integers(0, 7))
def test_a_flipped_bit_never_passes(
    contents: list[bytes], place: int, bit: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    slots = Slots(str(tmp_path_factory.mktemp("slots") / "x"))
    for one in contents:
        slots.write(one)
    data = bytearray(Path(slots.path).read_bytes())
    data[place % len(data)] ^= 1 << bit
    assert content(bytes(data)) in {None, *contents[-2:]}
    slots.remove()


def test_the_file_stays_small_whatever_the_order_of_sizes(tmp_path: Path) -> None:
    slots = Slots(str(tmp_path / "x"))
    for size in [10, 1000, 400, 700, 1000, 1, 999, 500, 600, 1000] * 20:
        slots.write(bytes(size))
    assert Path(slots.path).stat().st_size <= 64 + 3 * 1000


def test_nothing_is_no_content(tmp_path: Path) -> None:
    slots = Slots(str(tmp_path / "x"))
    assert content(Path(slots.path).read_bytes()) is None
    assert content(bytes(64)) is None
    assert content(os.urandom(500)) is None


def test_it_is_locked_while_it_is_open(tmp_path: Path) -> None:
    slots = Slots(str(tmp_path / "x"))
    assert open_here(slots.path)
    with Path(slots.path).open("rb") as other:
        assert locked(other.fileno()) is False
        slots.close()
        assert not open_here(slots.path)
        assert locked(other.fileno()) is True


def test_a_forked_child_does_not_hold_the_lock(tmp_path: Path) -> None:
    slots = Slots(str(tmp_path / "x"))
    begin, end = os.pipe()
    pid = os.fork()
    if not pid:
        os.write(end, b"x")
        signal.pause()
    try:
        os.read(begin, 1)  # it runs
        slots.close()
        with Path(slots.path).open("rb") as other:
            assert locked(other.fileno()) is True
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(begin)
        os.close(end)


def test_a_file_that_is_there_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"theirs")
    with pytest.raises(FileExistsError):
        Slots(str(path))
    assert path.read_bytes() == b"theirs"
