"""The fast record writer writes what TensorBoard's own would."""

from __future__ import annotations

import io
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c
from tensorboard.summary.writer.record_writer import RecordWriter as StockWriter
from torch.utils.tensorboard import FileWriter

from tb_lossdiag.eventfile import (
    EventFile,
    RecordWriter,
    framed,
    masked_crc,
    use_native_checksum,
)


@given(st.binary())
def test_checksums_are_tensorboards(data: bytes) -> None:
    assert masked_crc(data) == masked_crc32c(data)


@given(st.lists(st.binary()))
def test_files_are_tensorboards(records: list[bytes]) -> None:
    ours, stock = io.BytesIO(), io.BytesIO()
    for data in records:
        RecordWriter(ours).write(data)
        StockWriter(stock).write(data)
    assert ours.getvalue() == stock.getvalue()


def test_an_unknown_writer_is_left_alone() -> None:
    assert not use_native_checksum(object())


def test_events_wait_for_the_commit_and_come_in_order(tmp_path: Path) -> None:
    event_file = EventFile()
    event_file.use(FileWriter(str(tmp_path)))
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
