"""Files from elsewhere, kept here: one that has not changed costs nothing, one that has grown what is new of it."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from posixpath import basename
from typing import Any

from tb_lossdiag.process.caches import whole
from tb_lossdiag.wire.leftover import is_tail

_BLOCK = 2**24
"""Bytes that are asked for at once."""
_READ = 3600.0
"""Seconds for which a copy stays, since another process may be reading it."""
_OVERLAP = 2**12
"""Bytes of what is here already that must be there, too, for a file to have grown: events hold the time at which they were written."""


@dataclass(frozen=True)
class RemoteFile:
    """A file elsewhere.

    Attributes:
        path: as its file system has it.
        name: from the folder that was listed.
        size: in bytes, None where nobody says.
        stamp: what changes with its content.
        alone: whether it was named itself, and is a run.
    """

    path: str
    name: str
    size: int | None
    stamp: str
    alone: bool = False


def bring(
    system: Any,
    files: Sequence[RemoteFile],
    copy: Path,
    stamps: Path,
    others: Collection[str] = (),
) -> None:
    """Make a copy what the files are there, tails first: a tail goes on from the event file as it was.

    Two processes that bring the same file write the same bytes to the same places.

    Args:
        system: the file system of fsspec.
        files: what is brought; what is in their folders of the copy and no longer there is removed.
        copy: where they are kept.
        stamps: where it is noted what they were.
        others: names of files that are there as well, and not asked for now.
    """
    copy.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not any(file.alone for file in files):
        _remove_others(files, copy, others)
    for file in sorted(files, key=lambda file: (not is_tail(basename(file.name)), file.name)):
        _bring(system, file, copy / file.name, stamps / f"{file.name}.json")


def make_room(copies: Path, kept: Path, most: int) -> None:
    """Remove the copies of other folders, those first that were not asked for the longest, until all are no more than so many bytes.

    Args:
        copies: where they are, a folder each.
        kept: the one that is being read.
        most: bytes.
    """
    with suppress(OSError):
        if kept.is_dir():
            os.utime(kept)
        found = {place: (place.stat().st_mtime, _size(place)) for place in copies.iterdir()}
        total = sum(size for _, size in found.values())
        for place, (_, size) in sorted(found.items(), key=lambda item: item[1]):
            if total <= most:
                return
            if place != kept and time.time() - place.stat().st_mtime > _READ:
                shutil.rmtree(place, ignore_errors=True)
                total -= size


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _remove_others(files: Sequence[RemoteFile], copy: Path, others: Collection[str]) -> None:
    """Files that are gone there."""
    named = {copy / file.name for file in files}
    stay = named | {copy / name for name in others}
    for folder in {path.parent for path in named}:
        if folder.is_dir():
            for path in folder.iterdir():
                if path not in stay and path.is_file():
                    path.unlink(missing_ok=True)


def _bring(system: Any, file: RemoteFile, place: Path, note: Path) -> None:
    before = _known(place, note)
    if file.size is None:
        _put(place, note, iter([system.cat_file(file.path)]))
    elif before != (file.size, file.stamp) or not file.stamp:
        done = before[0] if file.size >= before[0] and not is_tail(place.name) else 0
        if not done or not _grow(system, file, place, done):
            _put(place, note, _blocks(system, file, 0))
        with whole(note) as written:
            written.write(json.dumps([file.size, file.stamp]).encode())


def _known(place: Path, note: Path) -> tuple[int, str]:
    """Size and stamp of the file as it was brought; nothing where the copy is not whole."""
    try:
        size, stamp = json.loads(note.read_bytes())
        return (size, stamp) if place.stat().st_size >= size else (0, "")
    except (OSError, ValueError, TypeError):
        return 0, ""


def _grow(system: Any, file: RemoteFile, place: Path, done: int) -> bool:
    """Write what is new behind what is here; nothing if that is not how the file goes there."""
    overlap = min(done, _OVERLAP)
    with place.open("r+b") as here:
        here.seek(done - overlap)
        old = here.read(overlap)
        here.seek(done - overlap)
        for count, block in enumerate(_blocks(system, file, done - overlap)):
            if count == 0 and block[:overlap] != old:
                return False
            here.write(block)
    return True


def _blocks(system: Any, file: RemoteFile, begin: int) -> Iterator[bytes]:
    """The file from a byte on, up to the size that was listed.

    Raises:
        OSError: it is shorter than it was.
    """
    size = file.size or 0
    for start in range(begin, size, _BLOCK):
        end = min(start + _BLOCK, size)
        block = system.cat_file(file.path, start=start, end=end)
        if len(block) > end - start:  # a server that knows no ranges
            block = block[start:end]
        if len(block) < end - start:
            raise OSError(f"{file.name} has become shorter while it was read")
        yield block


def _put(place: Path, note: Path, blocks: Iterator[bytes]) -> None:
    """A file that is whole or the one before: others may be reading it. What is not yet lies among the notes, where no run is looked for."""
    place.parent.mkdir(parents=True, exist_ok=True)
    note.parent.mkdir(parents=True, exist_ok=True)
    with whole(place, beside=note.parent) as written:
        written.writelines(blocks)
