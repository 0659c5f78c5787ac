"""Mutations of event files: some of bytes, some of what the bytes say, so that they reach beyond the checksums."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import numpy as np
from google.protobuf.message import DecodeError
from tensorboard.compat.proto import event_pb2

from helpers import damaged_files
from tb_lossdiag.wire.framing import framed
from tb_lossdiag.wire.schema import FACTS, check_fact, fact_value, matrix_value, parse_tag

Records = list[bytes]
_Change = Callable[[Records, random.Random], None]
INTERESTING = (0, 1, -1, 2**31 - 1, -(2**31), 2**53 + 1, 2**62, 2**63 - 1, -(2**63))
TIMES = (float("nan"), float("inf"), -float("inf"), 1e300, -1.0, 0.0)
NAMES = ("", "x" * 5000, "\x00", "\x1b[2J", "\u202e", "a/b/../c", "loss", "9" * 5000, "=1+1", "😀")


def mutated(records: Sequence[bytes], chance: random.Random) -> bytes:
    """An event file made of these records, changed in one to four ways."""
    changed = list(records)
    for _ in range(chance.randint(1, 4)):
        chance.choice(_OF_RECORDS)(changed, chance)
    data = b"".join(map(framed, changed))
    return _of_bytes(data, chance) if chance.random() < _RAW else data


_RAW = 0.2
"""Share of files in which bytes are changed as well, so that the file's own checksums do not fit."""


def _of_bytes(data: bytes, chance: random.Random) -> bytes:
    kind = chance.randrange(3)
    if kind == 0:
        return damaged_files.flipped(data, chance.randrange(8 * len(data)))
    place = chance.randrange(len(data))
    if kind == 1:
        return data[:place]
    return data[:place] + chance.randbytes(chance.randint(1, 40)) + data[place:]


def _bits(records: Records, chance: random.Random) -> None:
    """Bits of a message whose checksum fits again."""
    place = chance.randrange(len(records))
    for _ in range(chance.randint(1, 8)):
        if records[place]:
            bit = chance.randrange(8 * len(records[place]))
            records[place] = damaged_files.flipped(records[place], bit)


def _drop(records: Records, chance: random.Random) -> None:
    begin = chance.randrange(len(records))
    del records[begin : begin + chance.randint(1, 5)]
    records[:] = records or [b""]


def _repeat(records: Records, chance: random.Random) -> None:
    begin = chance.randrange(len(records))
    records[begin:begin] = records[begin : begin + chance.randint(1, 5)] * chance.randint(1, 5)


def _swap(records: Records, chance: random.Random) -> None:
    a, b = chance.randrange(len(records)), chance.randrange(len(records))
    records[a], records[b] = records[b], records[a]


def _insert(records: Records, chance: random.Random) -> None:
    records.insert(chance.randrange(len(records) + 1), chance.randbytes(chance.randint(0, 200)))


def _event(change: Callable[[event_pb2.Event, random.Random], None]) -> _Change:
    def on(records: Records, chance: random.Random) -> None:
        place = chance.randrange(len(records))
        event = event_pb2.Event()
        try:
            event.ParseFromString(records[place])
            change(event, chance)
        except (ValueError, DecodeError):
            return
        records[place] = event.SerializeToString()

    return on


def _place(event: event_pb2.Event, chance: random.Random) -> None:
    if chance.random() < 0.5:
        event.step = chance.choice(INTERESTING)
    else:
        event.wall_time = chance.choice(TIMES)
    _seal(event)


def _tag(event: event_pb2.Event, chance: random.Random) -> None:
    for value in event.summary.value[:1]:
        parts = value.tag.split("/")
        parts[chance.randrange(len(parts))] = chance.choice(NAMES)
        value.tag = "/".join(parts)
    _seal(event)


def _tensor(event: event_pb2.Event, chance: random.Random) -> None:
    for value in event.summary.value[:1]:
        kind = chance.randrange(4)
        if kind == 0:
            value.tensor.dtype = chance.randint(0, 25)
        elif kind == 1:
            value.tensor.tensor_shape.dim.add(size=chance.choice((0, 1, -1, 2**20, 2**40)))
        elif kind == 2:
            del value.tensor.tensor_shape.dim[:]
        else:
            size = chance.randrange(len(value.tensor.tensor_content) + 1)
            value.tensor.tensor_content = value.tensor.tensor_content[:size]


def _metadata(event: event_pb2.Event, chance: random.Random) -> None:
    for value in event.summary.value[:1]:
        kind = chance.randrange(4)
        if kind == 0:
            value.metadata.data_class = chance.randint(0, 3)
        elif kind == 1:
            value.metadata.plugin_data.plugin_name = chance.choice(("lossdiag", "scalars", *NAMES))
        elif kind == 2:
            value.metadata.plugin_data.content = chance.randbytes(chance.randint(0, 20))
        else:
            value.ClearField("metadata")


def _numbers(event: event_pb2.Event, chance: random.Random) -> None:
    """Other numbers with a checksum that fits: what a writer of ours could have written."""
    for value in event.summary.value:
        tag = parse_tag(value.tag)
        if tag is not None and tag.frame != FACTS and len(value.tensor.tensor_content) > 4:
            numbers = np.frombuffer(value.tensor.tensor_content, "<f4")[:-1].copy()
            odd = (np.nan, np.inf, -np.inf, 3.4e38, -1.0, 0.0, 1e-45)
            numbers[chance.randrange(len(numbers))] = chance.choice(odd)
            made = matrix_value(tag, numbers, event.step, event.wall_time, first=False)
            value.tensor.CopyFrom(made.tensor)


def _facts(event: event_pb2.Event, chance: random.Random) -> None:
    """Another fact with a checksum that fits."""
    for value in event.summary.value[:1]:
        tag = parse_tag(value.tag)
        if tag is None or tag.frame != FACTS or not value.tensor.string_val:
            return
        fact = check_fact(tag, value.tensor.string_val[0], event.step, event.wall_time)
        if fact is None:
            return
        kind = fact.WhichOneof("kind")
        if kind == "session":
            fact.session.start_step = chance.choice(INTERESTING)
        elif kind == "columns":
            names = list(fact.columns.names) or [""]
            names[chance.randrange(len(names))] = chance.choice((*NAMES, *names))
            fact.columns.names[:] = names[: chance.randint(0, len(names))]
        elif kind == "words":
            fact.words.values[chance.choice((*NAMES, "source", "optimizer"))] = chance.choice(NAMES)
        value.CopyFrom(fact_value(tag, fact, event.step, event.wall_time, first=True))


def _seal(event: event_pb2.Event) -> None:
    """Checksums of ours fit again, as if a writer of ours had meant it."""
    for value in event.summary.value:
        tag = parse_tag(value.tag)
        if tag is not None and tag.frame != FACTS and len(value.tensor.tensor_content) > 4:
            numbers = np.frombuffer(value.tensor.tensor_content, "<f4")[:-1]
            made = matrix_value(tag, numbers, event.step, event.wall_time, first=False)
            value.tensor.CopyFrom(made.tensor)


_OF_RECORDS: tuple[_Change, ...] = (
    _bits,
    _drop,
    _repeat,
    _swap,
    _insert,
    *map(_event, (_place, _tag, _tensor, _metadata, _numbers, _facts)),
)
