"""The event file: record checksums computed natively, and many records handed to the writer's thread at once.

TensorBoard's own checksum is pure Python: 0.1 µs per byte with the interpreter lock held, 95 % of the cost of a record. Each record
also wakes its thread, which opens the file anew. Only the writer given here is changed; TensorBoard itself is not patched.
"""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Callable
from typing import Any, Protocol

import google_crc32c
from tensorboard.compat.proto import event_pb2, summary_pb2

from tb_lossdiag.underway import Underway

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


class Framed(bytes):
    """Records that are complete as they are."""


def framed(data: bytes) -> bytes:
    """A TFRecord: length, its checksum, data, its checksum; little-endian."""
    length = struct.pack("<Q", len(data))
    return b"".join(
        (length, struct.pack("<I", masked_crc(length)), data, struct.pack("<I", masked_crc(data)))
    )


class RecordWriter:
    """Writes TFRecords.

    Args:
        file: where to.
        position: bytes that are in it.

    Attributes:
        position: the same, now.
        ours: how many of them came framed.
    """

    def __init__(self, file: ByteFile, position: int = 0) -> None:
        self._writer = file
        self.position, self.ours = position, 0

    def write(self, data: bytes) -> None:
        """Append one record, or several framed ones."""
        record = data if isinstance(data, Framed) else framed(data)
        self._writer.write(record)
        self.ours += len(record) if record is data else 0
        self.position += len(record)  # last: see `EventFile.settle`

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


def use_native_checksum(file_writer: Any) -> RecordWriter | None:
    """Give torch's `FileWriter` the fast record writer; None where its inside is not as known (it then stays as it was)."""
    queue: Any = getattr(getattr(file_writer, "event_writer", None), "_async_writer", None)
    worker: Any = getattr(queue, "_worker", None)
    stock = getattr(queue, "_writer", None)
    file = getattr(stock, "_writer", None)
    if file is None or getattr(worker, "_record_writer", None) is not stock:
        return None
    if isinstance(stock, RecordWriter):
        return stock
    queue.flush()  # the worker must not be between two records
    native = RecordWriter(file, _size(getattr(file, "filename", b"")))
    queue._writer = worker._record_writer = native  # noqa: SLF001
    return native


def _size(path: str | bytes) -> int:
    with contextlib.suppress(OSError):
        return os.path.getsize(path)  # noqa: PTH202
    return 0


class Listener(Protocol):
    """Takes what is written, too."""

    def take(self, values: list[summary_pb2.Summary.Value], step: int, walltime: float) -> None:
        """Take an event."""
        ...


class EventFile:
    """Where the journal writes; outlives the writer just long enough for the last step.

    Attributes:
        file_writer: torch's `FileWriter`, None before there is a file.
        listener: takes every event as well.
        underway: events that are not known to be in the file.
        position: what is underway comes after so many bytes of it.
    """

    def __init__(self) -> None:
        """Without a file."""
        self.file_writer: Any = None
        self.listener: Listener | None = None
        self._open: Callable[[], object] = lambda: None
        self.underway = Underway()
        self.position = 0
        self._native: RecordWriter | None = None
        self._frames: list[bytes] = []
        self._given = 0

    def open_with(self, opener: Callable[[], object]) -> None:
        """Call this whenever there must be a file."""
        self._open = opener

    def use(self, file_writer: Any) -> None:
        """Write to this file from now on."""
        native = use_native_checksum(file_writer)
        if native is not self._native:
            self._native, self._given = native, 0
        self.file_writer = file_writer

    @property
    def path(self) -> str:
        """Where the file is."""
        return os.fsdecode(self.file_writer.event_writer._file_name)  # noqa: SLF001

    def settle(self) -> None:
        """Take note of what has arrived in the file, which its thread goes on writing."""
        if self._native is not None:
            self.position = self._native.position
            waiting = sum(map(len, self._frames))
            self.underway.arrived(self._given - self._native.ours + waiting)

    def open(self) -> None:
        """See to it that there is a file: torch closes it with the writer and opens a new one on demand."""
        self._open()

    def __call__(self, values: list[summary_pb2.Summary.Value], step: int, walltime: float) -> None:
        """Write an event; it may wait for `commit`."""
        summary = summary_pb2.Summary(value=values)
        if self._native is not None:
            event = event_pb2.Event(wall_time=walltime, step=step, summary=summary)
            frame = framed(event.SerializeToString())
            self._frames.append(frame)
            self.underway.put(frame, values, step)
        else:
            self.file_writer.add_summary(summary, step, walltime)
        if self.listener is not None:
            self.listener.take(values, step, walltime)

    def commit(self) -> None:
        """Hand what waits to the writer's thread."""
        frames, self._frames = self._frames, []
        if frames:
            data = Framed(b"".join(frames))
            self._given += len(data)
            self.file_writer.event_writer._async_writer.write(data)  # noqa: SLF001
