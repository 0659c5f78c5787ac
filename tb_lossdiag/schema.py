"""Records on the wire: tag names, headers and payloads of the event file's values.

A frame's record is one tensor float32[C, Q], little-endian, under the tag `lossdiag/<frame>/<session>/<shard>`; facts are string
tensors under `lossdiag/facts/<session>`. The why is in CONTRIBUTING.md; the messages are in `lossdiag.proto`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from google.protobuf.message import DecodeError
from tensorboard.compat.proto import summary_pb2, tensor_pb2, tensor_shape_pb2, types_pb2

from tb_lossdiag.lossdiag_pb2 import Columns, Fact, Header, Report, Session, Words
from tb_lossdiag.records import Floats

__all__ = ["Columns", "Fact", "Header", "Report", "Session", "Words"]

PLUGIN = "lossdiag"
VERSION = 1
SHARD = 512
"""Records of one tag. A full shard never changes, so readers keep it; one shard stays far below any message limit."""
SHARD_BYTES = 32 * 2**20
"""Upper bound of one tag's payload; TensorBoard's data server refuses answers over 256 MiB."""
FACTS = "facts"
_PARSED = 2**16
"""Tags and headers that stay parsed: every poll of the tab lists all of them again."""


@dataclass(frozen=True)
class Tag:
    """A tag of ours, parsed."""

    frame: str
    session: str
    shard: int = 0

    def __str__(self) -> str:
        """The tag as TensorBoard sees it."""
        if self.frame == FACTS:
            return f"{PLUGIN}/{FACTS}/{self.session}"
        return f"{PLUGIN}/{self.frame}/{self.session}/{self.shard}"


@lru_cache(_PARSED)
def parse_tag(text: str) -> Tag | None:
    """The parts of a tag, None if it is not one of ours.

    >>> parse_tag("lossdiag/loss/0001-0/3")
    Tag(frame='loss', session='0001-0', shard=3)
    >>> parse_tag("loss/train") is None
    True
    """
    match text.split("/"):
        case [plugin, frame, session] if plugin == PLUGIN and frame == FACTS:
            return Tag(frame, session)
        case [plugin, frame, session, shard] if plugin == PLUGIN and shard.isdecimal():
            return Tag(frame, session, int(shard))
    return None


@dataclass(frozen=True)
class TooNew:
    """A header written by a newer version of this package."""

    version: int


def encode_header(frame: str) -> bytes:
    """`plugin_data.content` of a frame's tags."""
    return Header(version=VERSION, frame=frame).SerializeToString()


@lru_cache(_PARSED)
def decode_header(content: bytes) -> Header | TooNew | None:
    """The header, `TooNew` for a newer format, None for something else. It is kept: do not change it."""
    header = Header()
    try:
        header.ParseFromString(content)
    except DecodeError:
        return None
    if header.version > VERSION:
        return TooNew(header.version)
    return header if header.version else None


def matrix_value(tag: Tag, matrix: Floats, *, first: bool) -> summary_pb2.Summary.Value:
    """A frame's record.

    Args:
        tag: where it goes.
        matrix: float32[C, Q].
        first: whether it is the first value of its tag in this file; metadata travels only with that one.
    """
    tensor = tensor_pb2.TensorProto(
        dtype=types_pb2.DT_FLOAT,
        tensor_shape=_shape(*matrix.shape),
        tensor_content=np.ascontiguousarray(matrix, "<f4").tobytes(),
    )
    return _value(tag, tensor, first=first)


def fact_value(tag: Tag, fact: Fact, *, first: bool) -> summary_pb2.Summary.Value:
    """A fact, as a string scalar."""
    tensor = tensor_pb2.TensorProto(
        dtype=types_pb2.DT_STRING, tensor_shape=_shape(), string_val=[fact.SerializeToString()]
    )
    return _value(tag, tensor, first=first)


def decode_fact(data: bytes) -> Fact | None:
    """The fact, None if the bytes are not one."""
    fact = Fact()
    try:
        fact.ParseFromString(data)
    except DecodeError:
        return None
    return fact


def _shape(*sizes: int) -> tensor_shape_pb2.TensorShapeProto:
    dims = [tensor_shape_pb2.TensorShapeProto.Dim(size=size) for size in sizes]
    return tensor_shape_pb2.TensorShapeProto(dim=dims)


def _value(tag: Tag, tensor: tensor_pb2.TensorProto, *, first: bool) -> summary_pb2.Summary.Value:
    value = summary_pb2.Summary.Value(tag=str(tag), tensor=tensor)
    if first:
        # Without data_class both of TensorBoard's loaders hide a third-party tag.
        value.metadata.data_class = summary_pb2.DATA_CLASS_TENSOR
        value.metadata.plugin_data.plugin_name = PLUGIN
        value.metadata.plugin_data.content = encode_header(tag.frame)
    return value
