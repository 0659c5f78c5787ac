"""What tells that files of runs are as they were when they were read, without reading them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from tb_lossdiag.reader.event_names import is_events
from tb_lossdiag.wire.leftover import is_tail, tail_path

Stamp = tuple[str, int, int, int, int]
"""Of a file: name, size, when it was written, when anything of it was changed, and its number on its disk, which a replaced file has not."""


def stamps(places: Iterable[Path]) -> list[Stamp]:
    """Those of all event files and tails of some runs, by name.

    Args:
        places: folders of runs, or single event files.

    Raises:
        OSError: something is not there, or may not be looked at.
    """
    return sorted(_stamp(path) for place in places for path in _files(place))


def newest(found: Iterable[Stamp]) -> float:
    """When one of them was written last, in seconds since 1970."""
    return max((written for _, _, written, _, _ in found), default=0) / 1e9


def _files(place: Path) -> list[str]:
    if not place.is_dir():
        tail = tail_path(os.fspath(place))
        return [os.fspath(place), *([tail] if Path(tail).exists() else [])]
    with os.scandir(place) as entries:
        return [entry.path for entry in entries if _wanted(entry.name)]


def _wanted(name: str) -> bool:
    return is_events(name) or is_tail(name)


def _stamp(path: str) -> Stamp:
    stat = os.stat(path)  # noqa: PTH116  (thousands of files)
    return path, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino
