"""Records on the wire: tag names, headers and payloads of the event file's values.

A frame's record is one tensor float32[C * Q + 1], little-endian, under the tag `lossdiag/<frame>/<session>/<shard>`: the matrix row
by row, then a checksum; facts are string tensors under `lossdiag/facts/<session>`. The why is in CONTRIBUTING.md; the messages are in
`lossdiag.proto`.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from functools import lru_cache

import google_crc32c
import numpy as np
from google.protobuf.message import DecodeError
from tensorboard.compat.proto import summary_pb2, tensor_pb2, tensor_shape_pb2, types_pb2

from tb_lossdiag.records import Floats
from tb_lossdiag.wire.lossdiag_pb2 import (
    Closed,
    Columns,
    Fact,
    Header,
    Renumbered,
    Report,
    Session,
    Words,
)

__all__ = ["Closed", "Columns", "Fact", "Header", "Renumbered", "Report", "Session", "Words"]

PLUGIN = "lossdiag"
VERSION = 2
"""2 added checksums; 1, a tensor float32[C, Q] without one, is still read."""
UNCHECKED = 1
"""The newest format without checksums."""
DESCRIBED = 2
"""Values of a tag in a file that carry metadata: without it a tag is nobody's, so one damaged record must not take the only one."""
SHARD = 512
"""Records of one tag. A full shard never changes, so readers keep it; one shard stays far below any message limit."""
SHARD_BYTES = 32 * 2**20
"""Upper bound of one tag's payload; TensorBoard's data server refuses answers over 256 MiB."""
FACTS = "facts"
SEVERITIES = frozenset({"info", "warning", "error"})
"""What a report says of a finding."""
FIRST_FACT = -(2**40)
"""`Event.step` of a session's first fact: facts are numbered below all steps, so that TensorBoard's `purge_step` leaves them."""
_MOMENT = re.compile("[0-9a-f]{1,12}")
_NAME_PARTS = 4
_PARSED = 2**16
"""Tags and headers that stay parsed: every poll of the tab lists all of them again."""
_CRC_KEY = b"\x7d"
"""Field 15, fixed32, as protobuf writes it: the last field of every header and fact."""
_CRC = struct.Struct("<I")
_SEAL = len(_CRC_KEY) + _CRC.size
_AT = struct.Struct("<qd")
_SINGLE = np.dtype("<f4")
_LONGEST_SHARD = 9
"""Digits of a shard's number: more than any run has, and few enough for `int`."""


@dataclass(frozen=True)
class Tag:
    """A tag of ours, parsed."""

    frame: str
    session: str
    shard: int = 0

    @property
    def moment(self) -> int:
        """When the session began, in milliseconds since the epoch or later: after all that its folder held. 0 if it is not said."""
        first = self.session.partition("-")[0]
        return int(first, 16) if _MOMENT.fullmatch(first) else 0

    @property
    def writer(self) -> str:
        """Who wrote the session; one that old versions wrote counts as a writer of its own."""
        parts = self.session.split("-")
        return parts[3] if len(parts) == _NAME_PARTS else self.session

    def __str__(self) -> str:
        """The tag as TensorBoard sees it."""
        if self.frame == FACTS:
            return f"{PLUGIN}/{FACTS}/{self.session}"
        return f"{PLUGIN}/{self.frame}/{self.session}/{self.shard}"


def session_name(moment: int, number: int, process: int, writer: str) -> str:
    """Name of a session; those of a folder sort in the order in which they began.

    Args:
        moment: milliseconds since the epoch, later than that of every session the folder held.
        number: of the session in its process.
        process: its id.
        writer: the same for all sessions of one writer.

    >>> Tag("loss", session_name(0x19A, 2, 0x1F, "5c3e")).writer
    '5c3e'
    """
    return f"{moment:012x}-{number:06x}-{process:x}-{writer}"


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
        case [plugin, frame, session, shard] if plugin == PLUGIN and frame != FACTS:
            return Tag(frame, session, int(shard)) if _is_shard(shard) else None
    return None


def _is_shard(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= _LONGEST_SHARD


@dataclass(frozen=True)
class TooNew:
    """A header written by a newer version of this package."""

    version: int


def readable(text: str) -> str:
    r"""A name as it can be written: what no file holds (half a surrogate pair) is spelled out.

    >>> readable("fit\udc80")
    'fit\\udc80'
    """
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def encode_header(frame: str) -> bytes:
    """`plugin_data.content` of a frame's tags."""
    return _sealed(Header(version=VERSION, frame=frame).SerializeToString(), 0)


@lru_cache(_PARSED)
def decode_header(content: bytes) -> Header | TooNew | None:
    """The header, `TooNew` for a newer format, None for something else or a damaged one. It is kept: do not change it."""
    header = Header()
    try:
        header.ParseFromString(content)
    except DecodeError:
        return None
    if header.version > UNCHECKED and not _is_sealed(content, 0):
        return None
    if header.version > VERSION:
        return TooNew(header.version)
    return header if header.version else None


def matrix_value(
    tag: Tag, matrix: Floats, step: int, walltime: float, *, first: bool
) -> summary_pb2.Summary.Value:
    """A frame's record.

    Args:
        tag: where it goes.
        matrix: float32[C, Q].
        step: of its event.
        walltime: of its event.
        first: whether it is one of the first `DESCRIBED` values of its tag in this file; metadata travels only with those.
    """
    data = np.ascontiguousarray(matrix, "<f4").tobytes()
    crc = google_crc32c.extend(_place(str(tag), step, walltime), data)
    tensor = tensor_pb2.TensorProto(
        dtype=types_pb2.DT_FLOAT,
        tensor_shape=_shape(matrix.size + 1),
        tensor_content=data + _CRC.pack(crc),
    )
    return _value(tag, tensor, first=first)


def decode_matrix(content: bytes) -> Floats:
    """float32[C * Q] of the payload of a record, whose checksum nobody needs to look at."""
    return np.frombuffer(content, "<f4")[:-1]


def check_matrix(tag: Tag, values: Floats, step: int, walltime: float) -> Floats | None:
    """float32[C * Q] of a record that was read, None if any bit of it, its tag or its event is not as it was written."""
    data = values.astype(_SINGLE, copy=False).tobytes()
    place = google_crc32c.extend(_tag_crc(tag), _AT.pack(step, walltime))
    crc = google_crc32c.extend(place, data[: -_CRC.size])
    return values[:-1] if data[-_CRC.size :] == _CRC.pack(crc) else None


def fact_value(
    tag: Tag, fact: Fact, step: int, walltime: float, *, first: bool
) -> summary_pb2.Summary.Value:
    """A fact, as a string scalar."""
    data = _sealed(fact.SerializeToString(), _place(str(tag), step, walltime))
    tensor = tensor_pb2.TensorProto(
        dtype=types_pb2.DT_STRING, tensor_shape=_shape(), string_val=[data]
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


def check_fact(tag: Tag, data: bytes, step: int, walltime: float) -> Fact | None:
    """The fact that was read, None if any bit of it, its tag or its event is not as it was written."""
    return decode_fact(data) if _is_sealed(data, _place(str(tag), step, walltime)) else None


@lru_cache(_PARSED)
def _tag_crc(tag: Tag) -> int:
    """CRC-32C of a tag, once for all its records."""
    crc: int = google_crc32c.value(str(tag).encode())
    return crc


def _place(tag: str, step: int, walltime: float) -> int:
    """CRC-32C of where a payload stands: what its own checksum goes on from."""
    place: int = google_crc32c.value(tag.encode() + _AT.pack(step, walltime))
    return place


def _sealed(message: bytes, start: int) -> bytes:
    """A message with the checksum of all before it as its last field."""
    return message + _CRC_KEY + _CRC.pack(google_crc32c.extend(start, message))


def _is_sealed(data: bytes, start: int) -> bool:
    return len(data) >= _SEAL and _sealed(data[:-_SEAL], start) == data


def _shape(*sizes: int) -> tensor_shape_pb2.TensorShapeProto:
    dims = [tensor_shape_pb2.TensorShapeProto.Dim(size=size) for size in sizes]
    return tensor_shape_pb2.TensorShapeProto(dim=dims)


def _value(tag: Tag, tensor: tensor_pb2.TensorProto, *, first: bool) -> summary_pb2.Summary.Value:
    value = summary_pb2.Summary.Value(tag=str(tag), tensor=tensor)
    if first:
        described(value, tag)
    return value


def described(value: summary_pb2.Summary.Value, tag: Tag) -> None:
    """Give a value the metadata that the first one of its tag needs in a file."""
    # Without data_class both of TensorBoard's loaders hide a third-party tag.
    value.metadata.data_class = summary_pb2.DATA_CLASS_TENSOR
    value.metadata.plugin_data.plugin_name = PLUGIN
    value.metadata.plugin_data.content = encode_header(tag.frame)
