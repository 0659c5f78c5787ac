"""The fast record writer writes what TensorBoard's own would."""

from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c
from tensorboard.summary.writer.record_writer import RecordWriter as StockWriter

from tb_lossdiag.eventfile import RecordWriter, masked_crc, use_native_checksum


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
