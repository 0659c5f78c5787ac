"""Makes one event writer compute its record checksums natively.

TensorBoard's own loop is pure Python: 0.1 µs per byte with the interpreter lock held, 95 % of the cost of a record. Only the writer
given here is changed; TensorBoard itself is not patched.
"""

from __future__ import annotations

import struct
from typing import Any, Protocol

import google_crc32c

_MASK_DELTA = 0xA282EAD8


class ByteFile(Protocol):
    """What the record writer writes to."""

    @property
    def closed(self) -> bool:
        """Whether it is closed."""
        ...

    def write(self, data: bytes) -> object:
        """Append bytes."""
        ...

    def flush(self) -> None:
        """Bring them to the file."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...


def masked_crc(data: bytes) -> int:
    """CRC-32C of the data, rotated and offset as the TFRecord format asks.

    >>> hex(masked_crc(b""))
    '0xa282ead8'
    """
    crc: int = google_crc32c.value(data)
    return (((crc >> 15) | (crc << 17)) + _MASK_DELTA) & 0xFFFFFFFF


class RecordWriter:
    """Writes TFRecords: length, its checksum, data, its checksum; little-endian."""

    def __init__(self, file: ByteFile) -> None:
        """Write to `file`."""
        self._writer = file

    def write(self, data: bytes) -> None:
        """Append one record."""
        length = struct.pack("<Q", len(data))
        head = length + struct.pack("<I", masked_crc(length))
        self._writer.write(head + data + struct.pack("<I", masked_crc(data)))

    def flush(self) -> None:
        """Bring pending bytes to the file."""
        self._writer.flush()

    def close(self) -> None:
        """Close the file."""
        self._writer.close()

    @property
    def closed(self) -> bool:
        """Whether the file is closed."""
        return self._writer.closed


def use_native_checksum(file_writer: Any) -> bool:
    """Give torch's `FileWriter` the fast record writer; False where its inside is not as known (it then stays as it was)."""
    queue: Any = getattr(getattr(file_writer, "event_writer", None), "_async_writer", None)
    worker: Any = getattr(queue, "_worker", None)
    stock = getattr(queue, "_writer", None)
    file = getattr(stock, "_writer", None)
    if file is None or getattr(worker, "_record_writer", None) is not stock:
        return False
    if isinstance(stock, RecordWriter):
        return True
    queue.flush()  # the worker must not be between two records
    queue._writer = worker._record_writer = RecordWriter(file)  # noqa: SLF001
    return True
