"""The fast record writer writes what TensorBoard's own would."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from tensorboard.summary.writer.record_writer import RecordWriter as StockWriter

from tb_lossdiag.file_writer import FileWriter
from tb_lossdiag.recording.event_file import EventFile
from tb_lossdiag.wire.framing import framed, masked_crc


@given(st.binary())
def test_checksums_are_tensorboards(data: bytes) -> None:
    assert masked_crc(data) == masked_crc32c(data)


@given(st.lists(st.binary()))
def test_records_are_tensorboards(records: list[bytes]) -> None:
    stock = io.BytesIO()
    for data in records:
        StockWriter(stock).write(data)
    assert b"".join(map(framed, records)) == stock.getvalue()


def test_a_new_file_is_tensorboards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name, and the event it begins with."""
    monkeypatch.setattr("time.time", lambda: 1_700_000_000.25)
    stock = EventFileWriter(str(tmp_path / "stock"), filename_suffix=".x")
    ours = EventFile().make(str(tmp_path / "ours"), 120, ".x", strict=True)
    for writer in (stock, ours):
        writer.add_event(event_pb2.Event(step=7))
        writer.close()
    (theirs,), (mine,) = ((tmp_path / name).iterdir() for name in ("stock", "ours"))
    assert mine.read_bytes() == theirs.read_bytes()
    assert _name(mine) == _name(theirs)


def _name(path: Path) -> str:
    """All but the number, which counts the files of this process."""
    name, _, _ = path.name.removesuffix(".x").rpartition(".")
    return name


def test_events_wait_for_the_commit_and_come_in_order(tmp_path: Path) -> None:
    event_file = EventFile()
    event_file.use(FileWriter(event_file.make(str(tmp_path), 120, "", strict=True)))
    for step in range(3):
        event_file([summary_pb2.Summary.Value(tag="loss", simple_value=step)], step, 1.0 + step)
    event_file.file_writer.flush()
    assert steps(tmp_path) == []
    event_file.commit()
    event_file.file_writer.close()
    assert steps(tmp_path) == [0, 1, 2]


def steps(folder: Path) -> list[int]:
    """Steps of the events with values."""
    (path,) = folder.iterdir()
    data = path.read_bytes()
    found = []
    while data:
        size = int.from_bytes(data[:8], "little")
        assert data[: 16 + size] == framed(data[12 : 12 + size])
        event = event_pb2.Event.FromString(data[12 : 12 + size])
        found += [event.step] if event.HasField("summary") else []
        data = data[16 + size :]
    return found
