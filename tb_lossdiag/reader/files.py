"""Event files as they lie in a folder: whatever is in them, reading ends, and what is damaged costs only itself."""

from __future__ import annotations

import os
import stat
import struct
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from tb_lossdiag.reader.event_names import has_summaries, is_events
from tb_lossdiag.reader.logs.names import is_usual, of_a_folder
from tb_lossdiag.wire.framing import masked_crc

_HEAD = struct.Struct("<QI")
_FOOT = struct.Struct("<I")
_LONGEST = 2**28
"""Bytes of the longest record that is read: four times the longest of ours; what is longer is a picture or a bomb."""
_NAMES = 8
"""Names under which one folder is read: links may make thousands of them."""


def runs(root: Path) -> Iterator[Path]:
    """Folders with event files at or below a folder. Links are followed, but never back to a folder above. Of a file: itself."""
    if is_event_file(root):
        yield root
        return
    for folder, inside in _walked(root):
        if any(is_events(str(file)) for file in inside):
            yield folder


def places(root: Path) -> Iterator[Path]:
    """Folders with event files at or below a folder, then the logs there that say what no event file does."""
    logs: list[Path] = []
    found: list[Path] = []
    for folder, inside in _walked(root):
        if any(is_events(str(file)) for file in inside):
            found.append(folder)
            yield folder
        logs += filter(is_usual, inside)
    yield from of_a_folder(logs, found)


def logs(root: Path) -> list[Path]:
    """The logs among `places`."""
    return [place for place in places(root) if not place.is_dir()]


def _walked(root: Path) -> Iterator[tuple[Path, list[Path]]]:
    """Folders at or below one, with their files."""
    seen: Counter[str] = Counter()
    waiting = [(root, os.path.realpath(root), frozenset[str]())]
    while waiting:
        folder, real, above = waiting.pop()
        seen[real] += 1
        if real in above or seen[real] > _NAMES:
            continue
        files, folders = _listed(folder)
        yield folder, files
        inside = above | {real}
        waiting += [(inner, _real(inner, real), inside) for inner in reversed(folders)]


def _real(folder: Path, above: str) -> str:
    """Where a folder really is whose own folder really is there: only a link is asked."""
    if folder.is_symlink():
        return os.path.realpath(folder)
    return os.path.join(above, folder.name)  # noqa: PTH118  (thousands of folders)


def event_files(folder: Path) -> list[Path]:
    """The event files of one folder in the order in which TensorBoard reads them; pipes and the like are none. Of a file: itself."""
    if is_event_file(folder):
        return [folder]
    files = (str(file) for file in _listed(folder)[0])
    return [Path(file) for file in sorted(files) if has_summaries(file)]


def is_event_file(place: Path) -> bool:
    """Whether this is one event file."""
    return is_events(str(place)) and stat.S_ISREG(_mode(place))


def _listed(folder: Path) -> tuple[list[Path], list[Path]]:
    """Regular files and folders in a folder; nothing of one that may not be entered."""
    files: list[Path] = []
    folders: list[Path] = []
    try:
        with os.scandir(folder) as entries:  # names that are no text come as they are
            for entry in sorted(entries, key=lambda entry: entry.name):
                if _is(entry, os.DirEntry.is_file):
                    files.append(folder / entry.name)
                elif _is(entry, os.DirEntry.is_dir):
                    folders.append(folder / entry.name)
    except OSError:
        return [], []
    return files, folders


def _is(entry: os.DirEntry[str], what: Callable[[os.DirEntry[str]], bool]) -> bool:
    try:
        return what(entry)
    except OSError:  # a link to itself
        return False


def _mode(place: Path) -> int:
    try:
        return place.stat().st_mode
    except (OSError, ValueError):  # a link to nowhere, or to itself
        return 0


def records(path: Path) -> Iterator[bytes | None]:
    """The records of a file as far as their lengths are right; None for one whose own checksum is wrong."""
    with path.open("rb") as file:
        left = os.fstat(file.fileno()).st_size
        while len(head := file.read(_HEAD.size)) == _HEAD.size:
            length, check = _HEAD.unpack(head)
            left -= _HEAD.size + length + _FOOT.size
            if left < 0 or masked_crc(head[:8]) != check:
                return
            if length > _LONGEST:
                file.seek(length + _FOOT.size, os.SEEK_CUR)
                continue
            data, foot = file.read(length), file.read(_FOOT.size)
            yield data if _FOOT.pack(masked_crc(data)) == foot else None
