"""What stands in files is what TensorBoard makes of it, without TensorBoard's way of making it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tensorboard.backend.event_processing import io_wrapper
from tensorboard.compat.proto import tensor_pb2, tensor_shape_pb2, types_pb2
from tensorboard.util import tensor_util

from tb_lossdiag.reader.event_names import has_summaries, is_events
from tb_lossdiag.reader.tensors import array_of

Tensor = tensor_pb2.TensorProto


def _shape(*sizes: int) -> Any:
    dims = [tensor_shape_pb2.TensorShapeProto.Dim(size=size) for size in sizes]
    return tensor_shape_pb2.TensorShapeProto(dim=dims)


def _floats(*sizes: int) -> bytes:
    return np.arange(int(np.prod(sizes)), dtype="<f4").tobytes()


TENSORS = (
    Tensor(dtype=types_pb2.DT_FLOAT, tensor_shape=_shape(5), tensor_content=_floats(5)),
    Tensor(dtype=types_pb2.DT_FLOAT, tensor_shape=_shape(2, 3), tensor_content=_floats(2, 3)),
    Tensor(dtype=types_pb2.DT_FLOAT, tensor_shape=_shape(), float_val=[3.5]),
    Tensor(dtype=types_pb2.DT_FLOAT, tensor_shape=_shape(4), float_val=[3.5]),
    Tensor(dtype=types_pb2.DT_STRING, tensor_shape=_shape(), string_val=[b"fact\0"]),
    Tensor(dtype=types_pb2.DT_STRING, tensor_shape=_shape(2), string_val=[b"a", b"b"]),
    Tensor(dtype=types_pb2.DT_INT64, tensor_shape=_shape(), int64_val=[7]),
)


@pytest.mark.parametrize("tensor", TENSORS, ids=lambda tensor: str(tensor.dtype))
def test_arrays_are_those_of_tensorboard(tensor: Any) -> None:
    ours, theirs = array_of(tensor), tensor_util.make_ndarray(tensor)
    assert ours.shape == theirs.shape
    assert ours.tolist() == theirs.tolist()
    assert ours.dtype in {theirs.dtype, np.dtype(object)}


@pytest.mark.parametrize("texts", [[], [b"a", b"b"]])
def test_one_text_is_one_text(texts: list[bytes]) -> None:
    with pytest.raises(ValueError, match="reshape"):
        array_of(Tensor(dtype=types_pb2.DT_STRING, tensor_shape=_shape(), string_val=texts))


@pytest.mark.parametrize(
    "name",
    [
        "events.out.tfevents.17.host.4.0", "runs/a/events.out.tfevents.17.v2", "tfevents/log.txt", "a/tfevents.profile-empty",
        "model.pt", "TFEVENTS", "\udcff.tfevents.1",
    ],
)  # fmt: skip
def test_event_files_are_those_of_tensorboard(name: str) -> None:
    assert is_events(name) == io_wrapper.IsTensorFlowEventsFile(name)
    assert has_summaries(name) == io_wrapper.IsSummaryEventsFile(name)
