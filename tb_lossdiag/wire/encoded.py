"""Records as the very bytes that protobuf makes of them: what stays from record to record is made once."""

from __future__ import annotations

import math
import struct

import google_crc32c
from tensorboard.compat.proto import types_pb2

from tb_lossdiag.wire.schema import Tag, readable

_TIME = struct.Struct("<d")
_SINGLE = struct.Struct("<f")
_AT = struct.Struct("<qd")
_CRC = struct.Struct("<I")
_MORE = 0x80


class ValueCoder:
    """Writes records of one tag whose payloads have one size; see `schema.matrix_value`.

    Args:
        tag: theirs.
        size: of a matrix, in bytes.
    """

    def __init__(self, tag: Tag, size: int) -> None:
        self.tag, self.size = str(tag), size
        name, payload = self.tag.encode(), size + _CRC.size
        self._crc: int = google_crc32c.value(name)
        shape = _field(2, _field(2, b"\x08" + varint(payload // 4)))
        kind = b"\x08" + varint(types_pb2.DT_FLOAT)
        tensor = (
            kind + shape + b"\x22" + varint(payload)
        )  # the payload follows, to the end of it all
        value = _field(1, name) + b"\x42" + varint(len(tensor) + payload) + tensor
        self._head = b"\x0a" + varint(len(value) + payload) + value

    def __call__(self, matrix: bytes, step: int, walltime: float) -> bytes:
        """A record as a field of a summary, without metadata."""
        place = google_crc32c.extend(self._crc, _AT.pack(step, walltime))
        return self._head + matrix + _CRC.pack(google_crc32c.extend(place, matrix))


def scalar_value(tag: str, number: float) -> bytes:
    """An ordinary scalar as a field of a summary."""
    try:
        single = _SINGLE.pack(number)
    except OverflowError:  # protobuf makes infinity of it
        single = _SINGLE.pack(math.copysign(math.inf, number))
    return _field(1, _field(1, readable(tag).encode()) + b"\x15" + single)


def event(summary: bytes, step: int, walltime: float) -> bytes:
    """An event with a summary; step and wall time are not below 0."""
    when = b"\x09" + _TIME.pack(walltime) if walltime else b""
    number = b"\x10" + varint(step) if step else b""
    return b"".join((when, number, b"\x2a", varint(len(summary)), summary))


def varint(number: int) -> bytes:
    r"""A whole number of at least 0, seven bits a byte.

    >>> varint(300)
    b'\xac\x02'
    """
    out = bytearray()
    while number >= _MORE:
        out.append(number & (_MORE - 1) | _MORE)
        number >>= 7
    out.append(number)
    return bytes(out)


def _field(number: int, content: bytes) -> bytes:
    """A field that has a length."""
    return bytes([number << 3 | 2]) + varint(len(content)) + content
