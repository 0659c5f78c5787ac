"""What writers that were killed left in tail files becomes records, before the next writer in the folder has any of its own."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from tensorboard.compat.proto import summary_pb2

from tb_lossdiag.collect.state.other_writers import open_elsewhere
from tb_lossdiag.recording.event_file import EventFile
from tb_lossdiag.wire.leftover import (
    Event,
    Leftover,
    event_file_name,
    is_tail,
    read,
    records,
    series,
)
from tb_lossdiag.wire.schema import FACTS, described, parse_tag
from tb_lossdiag.wire.slots import locked, open_here


def take_over(folder: str, event_file: EventFile, purged_from: int | None) -> None:
    """Write the records of dead writers' tails to the event file, and remove those tails.

    Args:
        folder: of the run; nothing happens in a remote one.
        event_file: of the new writer.
        purged_from: the `purge_step` of the new writer: records at or after it are undone.

    Raises:
        OSError: the records could not be written; the tails stay.
    """
    if event_file.file_writer is None or "://" in folder:
        return
    for path in sorted(Path(folder).iterdir()):
        if is_tail(path.name) and _taken(path, event_file, purged_from):
            path.unlink(missing_ok=True)


def _taken(path: Path, event_file: EventFile, purged_from: int | None) -> bool:
    """Take over a tail unless its writer lives; whether that was done."""
    with contextlib.suppress(FileNotFoundError), path.open("r+b") as file:
        if _dead(file, path):
            _take(path, event_file, purged_from)
            with contextlib.suppress(PermissionError):  # where open files cannot be removed
                path.unlink()  # while it is locked: nobody else takes it over
            return True
    return False


def _dead(file: BinaryIO, path: Path) -> bool:
    """Whether nobody writes a tail any more, and nobody else has taken it over."""
    ours = locked(file.fileno())
    if ours is None:
        name = event_file_name(path.name)
        ours = not (open_here(str(path)) or open_elsewhere(name))
    return ours and os.fstat(file.fileno()).st_nlink > 0


def _take(path: Path, event_file: EventFile, purged_from: int | None) -> None:
    if (left := read(str(path))) is None:
        return
    first: set[str] = set()
    for values, step, walltime in _missing(left, path.parent):
        kept = [v for v in values if purged_from is None or step < purged_from or _fact(v)]
        if kept:
            event_file([_described(value, first) for value in kept], step, walltime)
    event_file.flush()


def _missing(left: Leftover, folder: Path) -> Iterator[Event]:
    """Records that the dead writer's event file does not have: those that are newer than all it has of their kind."""
    newest: dict[str, int] = {}
    for name, step in _written(left, folder / left.event_file):
        newest[name] = max(step, newest.get(name, step))
    for values, step, walltime in left.events:
        known = (v for v in values if _known(v))
        new = [v for v in known if step > newest.get(series(v.tag) or v.tag, step - 1)]
        yield new, step, walltime


def _written(left: Leftover, path: Path) -> Iterable[tuple[str, int]]:
    """Kinds and steps of the records that reached the event file after its tail was written.

    A window that was open in the tail may have been closed since: its record covers what the tail has of it.
    """
    try:
        with path.open("rb") as file:
            file.seek(left.position)
            data = file.read()
    except OSError:
        return
    for event in records(data):
        yield from ((series(v.tag) or v.tag, event.step) for v in event.summary.value)


def _known(value: summary_pb2.Summary.Value) -> bool:
    return series(value.tag) is not None or value.HasField("simple_value")


def _fact(value: summary_pb2.Summary.Value) -> bool:
    tag = parse_tag(value.tag)
    return tag is not None and tag.frame == FACTS


def _described(value: summary_pb2.Summary.Value, first: set[str]) -> summary_pb2.Summary.Value:
    """The value with the metadata that the first one of its tag needs."""
    tag = parse_tag(value.tag)
    if tag is not None and value.tag not in first:
        first.add(value.tag)
        described(value, tag)
    return value
