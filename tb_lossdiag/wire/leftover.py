"""What a tail file says (see `recording/tail.py`): the newest records of a writer, as far as they are not in its event file."""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from google.protobuf.message import DecodeError
from tensorboard.compat.proto import event_pb2, summary_pb2

from tb_lossdiag.wire.schema import PLUGIN, parse_tag
from tb_lossdiag.wire.slots import MOST, content

VERSION = "lossdiag tail 1"
SUFFIX = ".tail"
_AROUND = 12
"""Bytes before a record's data: its length and that one's checksum; four more come after it."""
_TRIES = 3
"""A file that is being written may be caught in between."""

Event = tuple[list[summary_pb2.Summary.Value], int, float]
"""Values, step and wall time."""


@dataclass(frozen=True, eq=False)
class Leftover:
    """The content of a tail file.

    Attributes:
        event_file: name of the event file it goes on from.
        position: bytes of that file that hold nothing of `events`; what comes after them may repeat some.
        newest: step of the newest record in those bytes, by series.
        events: the records.
    """

    event_file: str
    position: int
    newest: dict[str, int]
    events: tuple[Event, ...]


@lru_cache(2**16)
def series(tag: str) -> str | None:
    """A tag of ours without its shard, None for another one's.

    >>> series("lossdiag/loss/0001-0/3"), series("lossdiag/facts/0001-0"), series("loss/train")
    ('lossdiag/loss/0001-0', 'lossdiag/facts/0001-0', None)
    """
    parsed = parse_tag(tag)
    return None if parsed is None else f"lossdiag/{parsed.frame}/{parsed.session}"


def tail_path(event_file: str) -> str:
    """Where an event file's tail is.

    >>> tail_path("runs/events.out.tfevents.17.host.4.0")
    'runs/lossdiag.17.host.4.0.tail'
    """
    folder, name = os.path.split(event_file)
    return os.path.join(folder, name.replace("events.out.tfevents", "lossdiag") + SUFFIX)  # noqa: PTH118


def event_file_name(tail: str) -> str:
    """The event file that a tail of this name was made beside.

    >>> event_file_name("lossdiag.17.host.4.0.tail")
    'events.out.tfevents.17.host.4.0'
    """
    return tail.replace("lossdiag", "events.out.tfevents", 1).removesuffix(SUFFIX)


def is_tail(name: str) -> bool:
    """Whether a file of this name is one.

    >>> is_tail("lossdiag.17.host.4.0.tail"), is_tail("events.out.tfevents.17.host.4.0")
    (True, False)
    """
    return name.startswith(f"{PLUGIN}.") and name.endswith(SUFFIX)


def read(path: str) -> Leftover | None:
    """What a tail file says; None if there is no such file, or it is damaged, or from another version."""
    for _ in range(_TRIES):
        found = content(_bytes(path))
        if found is not None:
            return _decoded(found)
    return None


def left(path: str) -> Iterator[event_pb2.Event]:
    """The records of a tail file as events, none of a damaged one."""
    found = read(path)
    for values, step, walltime in found.events if found is not None else ():
        summary = summary_pb2.Summary(value=values)
        yield event_pb2.Event(wall_time=walltime, step=step, summary=summary)


def records(data: bytes) -> Iterator[event_pb2.Event]:
    """The events of an event file's bytes, up to the first that is damaged or cut off."""
    at = 0
    while at + _AROUND <= len(data):
        begin = at + _AROUND
        at = begin + int(struct.unpack_from("<Q", data, at)[0]) + 4
        if at > len(data):
            return
        event = event_pb2.Event()
        try:
            event.ParseFromString(data[begin : at - 4])
        except DecodeError:
            return
        yield event


def _bytes(path: str) -> bytes:
    """A file's content; nothing if it is none of ours."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        with open(os.open(path, flags), "rb") as file:  # noqa: PTH123  (a pipe must not make us wait)
            regular = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
            return file.read(3 * MOST + 1) if regular else b""
    except OSError:
        return b""


def _decoded(data: bytes) -> Leftover | None:
    head, *events = [*records(data)] or [event_pb2.Event()]
    if not head.file_version.startswith(f"{VERSION} "):
        return None
    newest: dict[str, int] = {}
    found: list[Event] = []
    for event in events:
        marks = [value for value in event.summary.value if value.WhichOneof("value") is None]
        newest.update({value.tag: event.step for value in marks})
        if not marks:
            found.append((list(event.summary.value), event.step, event.wall_time))
    name = head.file_version.removeprefix(f"{VERSION} ")
    return Leftover(os.path.basename(name), head.step, newest, tuple(found))  # noqa: PTH119
