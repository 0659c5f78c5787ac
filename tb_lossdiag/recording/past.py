"""What a folder of event files holds already: how far its training has come, and who wrote in it until when.

Only the ends of the files are read, so that opening a writer costs milliseconds however long the runs were.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from google.protobuf.message import DecodeError
from tensorboard.compat.proto import event_pb2

from tb_lossdiag.quantities import GRADIENT_NORM, LOSS, LOSS_TERM, STEPS
from tb_lossdiag.wire.framing import masked_crc
from tb_lossdiag.wire.leftover import is_tail, left
from tb_lossdiag.wire.schema import PLUGIN, Tag, parse_tag

TRAINING = frozenset(quantity.frame for quantity in (LOSS, LOSS_TERM, GRADIENT_NORM, STEPS))
"""Frames whose steps are those of the training, not of an evaluation beside it."""

_ENDS = (2**20, 2**23, 2**26)
"""Bytes at a file's end that are looked at, more only while none of our records is among them."""
_MOST_FILES = 64
"""The newest files of a folder that are looked at."""
_OURS = f"{PLUGIN}/".encode()
_HEAD = struct.Struct("<QI")
"""A record's length and the checksum of it."""
_MAY_BE_HEAD = re.compile(rb"(?s)(?=[^\0].{3}\0{4}[^\0])")
"""Most lengths below 4 GiB; that some are missed does not matter, and long runs of zeros cost nothing."""


@dataclass(frozen=True)
class Past:
    """What earlier writers left.

    Attributes:
        newest: last step of the training, -1 without one.
        moment: of the newest session, in its name's milliseconds; 0 without one.
        seen: newest wall time of each writer.
        purged_from: the step from which the user wants all that forgotten.
    """

    newest: int = -1
    moment: int = 0
    seen: Mapping[str, float] = field(default_factory=dict)
    purged_from: int | None = None

    @property
    def coming(self) -> int:
        """The step that the training goes on with, as far as the folder tells."""
        return self.newest + 1 if self.purged_from is None else self.purged_from


def look(folder: str, purge_step: int | None = None) -> Past:
    """What lies in a local folder; nothing where it cannot be read."""
    seen: dict[str, float] = {}
    newest: dict[str, int] = {}
    moment = 0
    for event in _events(Path(folder)):
        for tag in filter(None, (parse_tag(value.tag) for value in event.summary.value)):
            moment = max(moment, tag.moment)
            seen[tag.writer] = max(seen.get(tag.writer, event.wall_time), event.wall_time)
            if tag.frame in TRAINING:
                newest[tag.session] = max(newest.get(tag.session, -1), event.step)
    return Past(newest[max(newest)] if newest else -1, moment, seen, purge_step)


def _events(folder: Path) -> Iterator[event_pb2.Event]:
    """Our events at the ends of the newest files, and in tails of writers that were killed or go on."""
    try:
        files = [path for path in folder.iterdir() if "tfevents" in path.name and path.is_file()]
        newest = sorted(files, key=lambda path: path.stat().st_mtime)[-_MOST_FILES:]
        for path in newest:
            yield from _at_end(path)
        for path in filter(lambda path: is_tail(path.name), folder.iterdir()):
            yield from left(str(path))
    except OSError:  # it is gone, or not for us to read
        return


def _at_end(path: Path) -> list[event_pb2.Event]:
    size = path.stat().st_size
    found: list[event_pb2.Event] = []
    with path.open("rb") as file:
        for length in _ENDS:
            file.seek(max(size - length, 0))
            data = file.read(length)
            found = list(_ours(records(data))) if _OURS in data else []
            if length >= size or any(_is_training(event) for event in found):
                break
    return found


def records(data: bytes) -> Iterator[bytes]:
    """The whole TFRecords in a piece of an event file, wherever it begins; what is damaged is skipped."""
    at = _head(data, 0)
    while at is not None:
        begin = at + _HEAD.size
        length, _ = _HEAD.unpack_from(data, at)
        end = begin + length + 4
        if end > len(data):
            return
        yield data[begin : begin + length]
        at = _head(data, end)


def _head(data: bytes, at: int) -> int | None:
    """Where the next record begins, at or after a place."""
    if _is_head(data, at):
        return at
    found = (match.start() for match in _MAY_BE_HEAD.finditer(data, at))
    return next((place for place in found if _is_head(data, place)), None)


def _is_head(data: bytes, at: int) -> bool:
    if at + _HEAD.size > len(data):
        return False
    crc: int = _HEAD.unpack_from(data, at)[1]
    return masked_crc(data[at : at + 8]) == crc


def _ours(found: Iterable[bytes]) -> Iterator[event_pb2.Event]:
    for data in found:
        if _OURS in data:
            try:
                yield event_pb2.Event.FromString(data)
            except DecodeError:
                continue


def _is_training(event: event_pb2.Event) -> bool:
    tags: Iterable[Tag | None] = (parse_tag(value.tag) for value in event.summary.value)
    return any(tag is not None and tag.frame in TRAINING for tag in tags)
