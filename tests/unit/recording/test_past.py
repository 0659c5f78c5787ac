"""What a folder holds is known from the ends of its files."""

from __future__ import annotations

import itertools
import os
import time
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tensorboard.compat.proto import event_pb2, summary_pb2
from torch.utils.tensorboard import SummaryWriter as PlainWriter

from tb_lossdiag import SummaryWriter
from tb_lossdiag.recording import past
from tb_lossdiag.recording.past import Past, look, records
from tb_lossdiag.wire.framing import framed


def log(folder: Path, steps: range) -> None:
    with SummaryWriter(folder) as writer:
        for step in steps:
            writer.add_diagnostics(loss=1.0, global_step=step)


def test_an_empty_or_missing_folder_holds_nothing(tmp_path: Path) -> None:
    assert look(str(tmp_path / "missing")) == look(str(tmp_path)) == Past()
    assert look(str(tmp_path)).coming == 0
    assert look("s3://bucket/run") == Past()


def test_a_run_is_continued_after_its_newest_session(tmp_path: Path) -> None:
    log(tmp_path, range(100))
    log(tmp_path, range(40, 60))
    found = look(str(tmp_path))
    assert found.coming == 60
    assert len(found.seen) == 2
    assert 0 <= time.time() - max(found.seen.values()) < 60
    assert abs(found.moment / 1000 - time.time()) < 60


def test_an_evaluation_beside_it_is_not_continued(tmp_path: Path) -> None:
    log(tmp_path, range(100))
    with SummaryWriter(tmp_path) as writer:
        writer.add_diagnostics(extra={"test_accuracy": 0.9}, global_step=0)
        writer.add_diagnostics(loss=1.0, phase="validation", global_step=7)
    assert look(str(tmp_path)).coming == 100


def test_a_purge_says_where_it_goes_on(tmp_path: Path) -> None:
    log(tmp_path, range(100))
    assert look(str(tmp_path), purge_step=30).coming == 30


def test_plain_scalars_are_not_counted(tmp_path: Path) -> None:
    with PlainWriter(tmp_path) as writer:
        writer.add_scalar("loss/train", 1.0, 10**6)
        writer.add_text("lossdiag/", "no record", 10**6)
    assert look(str(tmp_path)) == Past()


def test_records_are_found_behind_much_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(past, "_ENDS", (2**8, 2**10, 2**22))
    log(tmp_path, range(50))
    (file,) = tmp_path.iterdir()
    with file.open("ab") as out:
        for step in range(2000):
            value = summary_pb2.Summary.Value(tag="x", simple_value=1.0)
            event = event_pb2.Event(step=step, summary=summary_pb2.Summary(value=[value]))
            out.write(framed(event.SerializeToString()))
    assert look(str(tmp_path)).coming == 50


def test_damage_costs_what_is_damaged(tmp_path: Path) -> None:
    log(tmp_path, range(50))
    (file,) = tmp_path.iterdir()
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 255
    file.write_bytes(data[:-3])  # of what says that it was closed
    assert look(str(tmp_path)).coming == 50
    file.write_bytes(data[: data.rfind(b"lossdiag/loss/") + 3])
    assert look(str(tmp_path)).coming == 49
    (tmp_path / "tfevents.folder").mkdir()
    os.mkfifo(tmp_path / "tfevents.fifo")
    assert look(str(tmp_path)).coming == 49


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=6), st.integers(0, 300))
def test_records_are_found_from_any_byte_on(written: list[bytes], cut: int) -> None:
    assume(
        bytes(8) not in written
    )  # with its checksum it is the head of an empty record; no event is such
    ends = list(itertools.accumulate(len(framed(data)) for data in written))
    begins = [0, *ends[:-1]]
    data = b"".join(map(framed, written))
    whole = [record for record, begin in zip(written, begins, strict=False) if begin >= cut]
    assert list(records(data[cut:])) == whole
