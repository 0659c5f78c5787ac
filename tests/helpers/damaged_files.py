"""Event files taken apart, damaged and put together again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2, tensor_shape_pb2

from tb_lossdiag.run import Run
from tb_lossdiag.wire.framing import framed
from tb_lossdiag.wire.schema import FACTS, Columns, Header, decode_fact, parse_tag

_SEAL = 5


def event_file(folder: Path) -> Path:
    """The one event file of a run's folder."""
    (path,) = (path for path in folder.iterdir() if "tfevents" in path.name)
    return path


def payloads(path: Path) -> Iterator[bytes]:
    """The records of an event file."""
    data = path.read_bytes()
    while data:
        size = int.from_bytes(data[:8], "little")
        yield data[12 : 12 + size]
        data = data[16 + size :]


def write(folder: Path, events: list[event_pb2.Event]) -> None:
    """A run's folder with these events."""
    folder.mkdir(parents=True, exist_ok=True)
    data = b"".join(framed(event.SerializeToString()) for event in events)
    (folder / "events.out.tfevents.0.damage").write_bytes(data)


def flipped(data: bytes, bit: int) -> bytes:
    """The bytes with one bit changed."""
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def as_first_format(path: Path) -> list[event_pb2.Event]:
    """The events as the first format had them: matrices with their shape, nothing with a checksum."""
    events = [event_pb2.Event.FromString(data) for data in payloads(path)]
    axes: dict[str, Columns] = {}
    for event in events:
        for value in event.summary.value:
            _unchecked(value, axes)
    return events


def _unchecked(value: summary_pb2.Summary.Value, axes: dict[str, Columns]) -> None:
    tag = parse_tag(value.tag)
    if tag is None:
        return
    if value.HasField("metadata"):
        header = Header(version=1, frame=tag.frame)
        value.metadata.plugin_data.content = header.SerializeToString()
    tensor: tensor_pb2.TensorProto = value.tensor
    if tag.frame != FACTS:
        named = axes[tag.frame]
        sizes = len(named.names), len(named.quantities)
        dims = [tensor_shape_pb2.TensorShapeProto.Dim(size=size) for size in sizes]
        tensor.tensor_shape.CopyFrom(tensor_shape_pb2.TensorShapeProto(dim=dims))
        tensor.tensor_content = tensor.tensor_content[:-4]
        return
    tensor.string_val[0] = tensor.string_val[0][:-_SEAL]
    fact = decode_fact(tensor.string_val[0])
    assert fact is not None
    if fact.WhichOneof("kind") == "columns":
        axes[fact.columns.frame] = fact.columns


def untrue(found: Run, truth: Run) -> list[str]:
    """What a run says that the true one does not: whole tables, columns, steps, wall times, numbers."""
    return [name for name in found.tables if not _holds(found, truth, name)]


def _holds(found: Run, truth: Run, name: str) -> bool:
    table, true = found.tables[name], truth.tables.get(name)
    if true is None or not set(table.columns) <= set(true.columns):
        return False
    rows = np.searchsorted(true.steps, table.steps)
    if not np.isin(table.steps, true.steps).all():
        return False
    there = true.at(table.steps, table.columns)
    same = (table.values == there) | np.isnan(table.values)
    return bool(same.all() and (true.walltimes[rows] == table.walltimes).all())
