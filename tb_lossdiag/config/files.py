"""Finds and reads the configuration: `lossdiag.toml`, or the table `[tool.lossdiag]` or `[lossdiag]` of a `pyproject.toml`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from tb_lossdiag.config.settings import Settings

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

OWN = "lossdiag.toml"
_PROJECT = "pyproject.toml"
_LONGEST = 2**20


def discover(*starts: str | Path) -> Path | None:
    """The nearest configuration at or above the first of these folders that has one; folders that are not local are skipped."""
    for start in starts:
        for place in _upwards(Path(start).expanduser()):
            if (found := _here(place)) is not None:
                return found
    return None


def _upwards(folder: Path) -> tuple[Path, ...]:
    if not os.path.isdir(folder):  # noqa: PTH112  (pathlib's raises where a folder may not be entered)
        return ()
    folder = folder.resolve()
    return (folder, *folder.parents)


def load(path: str | Path) -> Settings:
    """Read a configuration.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no TOML, or says something that is not understood.
    """
    place = Path(path)
    try:
        table = _table(place)
        own = _ours(table)
        mine = table if own is None and place.name != _PROJECT else own or {}
        return Settings.of(mine, str(place))
    except RecursionError:
        raise ValueError(f"{place}: nested too deeply") from None


def _here(folder: Path) -> Path | None:
    found = (path for path in _candidates(folder) if os.path.isfile(path))  # noqa: PTH113  (the same)
    return next((path for path in found if _speaks(path)), None)


def _candidates(folder: Path) -> Iterator[Path]:
    yield folder / OWN
    yield folder / _PROJECT


def _speaks(path: Path) -> bool:
    """Whether a project file has our table. Others need not even be valid: they are none of our business."""
    if path.name == OWN:
        return True
    try:
        stat = path.stat()
    except OSError:
        return False
    return _spoke(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=64)
def _spoke(path: Path, *_: int) -> bool:
    """The same of a file as it was written then: the tab asks every few seconds."""
    try:
        return "lossdiag" in path.read_text("utf-8") and _ours(_table(path)) is not None
    except (OSError, ValueError):
        return False


def _table(path: Path) -> dict[str, Any]:
    """What a file says.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no TOML.
    """
    if path.stat().st_size > _LONGEST:
        raise ValueError(f"{path}: more than a megabyte, which no configuration is")
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except RecursionError:
        raise ValueError(f"{path}: nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _ours(table: Mapping[str, Any]) -> Mapping[str, Any] | None:
    tool = table.get("tool", {})
    found = tool.get("lossdiag") if isinstance(tool, Mapping) else None
    found = table.get("lossdiag") if found is None else found
    return found if isinstance(found, Mapping) else None
