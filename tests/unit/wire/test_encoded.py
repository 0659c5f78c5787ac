"""Bytes that are written without protobuf's objects are those that protobuf writes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from tensorboard.compat.proto import event_pb2, summary_pb2

from tb_lossdiag.wire.encoded import ValueCoder, event, scalar_value, varint
from tb_lossdiag.wire.schema import Tag, matrix_value

WALLTIME = 1.7e9 + 0.25


def of(*values: summary_pb2.Summary.Value) -> bytes:
    return bytes(summary_pb2.Summary(value=values).SerializeToString())


@pytest.mark.parametrize("shape", [(1, 1), (3, 2), (40, 2), (5000, 6)])
@pytest.mark.parametrize("step", [0, 1, 127, 128, 2**40])
def test_a_record(shape: tuple[int, int], step: int) -> None:
    tag = Tag("parameter", "0190aa-000001-1f-5c3e", 12)
    matrix = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    expected = matrix_value(tag, matrix, step, WALLTIME, first=False)
    coder = ValueCoder(tag, matrix.nbytes)
    summary = coder(matrix.tobytes(), step, WALLTIME)
    assert summary == of(expected)
    whole = event_pb2.Event(
        wall_time=WALLTIME, step=step, summary=summary_pb2.Summary(value=[expected])
    )
    assert event(summary, step, WALLTIME) == whole.SerializeToString()


@pytest.mark.parametrize(
    "number", [0.0, -0.0, 0.1, -3e5, 1e-45, math.inf, -math.inf, 1e300, -1e300]
)
def test_a_scalar(number: float) -> None:
    value = summary_pb2.Summary.Value(tag="loss/träin", simple_value=number)
    assert scalar_value("loss/träin", number) == of(value)


def test_a_scalar_that_is_no_number() -> None:
    read = summary_pb2.Summary.FromString(scalar_value("loss", math.nan))
    assert math.isnan(read.value[0].simple_value)


def test_an_event_without_time() -> None:
    assert event(b"", 0, 0.0) == event_pb2.Event(summary=summary_pb2.Summary()).SerializeToString()


@pytest.mark.parametrize("number", [0, 127, 128, 2**14, 2**63 - 1])
def test_whole_numbers(number: int) -> None:
    assert event_pb2.Event(step=number).SerializeToString() == (
        b"\x10" + varint(number) if number else b""
    )
