"""Where a run goes when nobody says."""

from __future__ import annotations

import itertools
from pathlib import Path


def fresh(parent: Path | str, name: str = "run") -> str:
    """The first of "name_1", "name_2" … in a folder that does not exist yet."""
    paths = (Path(parent) / f"{name}_{number}" for number in itertools.count(1))
    return str(next(path for path in paths if not path.exists()))


def newest(parent: Path | str) -> str | None:
    """The folder in a folder that an event file was written to last; None if there is none."""
    found = [path for path in Path(parent).glob("*/events.out.tfevents.*") if path.is_file()]
    return str(max(found, key=lambda path: path.stat().st_mtime).parent) if found else None


def taken_up(parent: Path | str, *, resumed: bool) -> str:
    """The newest run of a folder for a training that is resumed, otherwise a new one."""
    return (newest(parent) if resumed else None) or fresh(parent)
