"""The file: arrays and a description, never code."""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from tb_lossdiag.quantities import BY_NAME
from tb_lossdiag.records import Table
from tb_lossdiag.run import LiveReport, Restart, Run

VERSION = 1
_BEGUN = 1_600_000_000.0
"""When every bundled run begins: what happened when is nobody's business, how long it took is what rules look at."""
_ABOUT = "about"
_PARTS = ("steps", "walltimes", "values")
_LARGEST = 2**30
"""Bytes that a file may unfold to."""


def write(path: str, run: Run, package: str) -> None:
    """Write a run.

    Raises:
        OSError: the file cannot be written.
    """
    begun = min((float(t.walltimes.min()) for t in run.tables.values() if len(t)), default=0.0)
    shift = _BEGUN - begun if math.isfinite(begun) else 0.0
    about = {
        "version": VERSION,
        "package": package,
        "facts": dict(run.facts),
        "tables": {name: list(table.columns) for name, table in run.tables.items()},
        "reported": [asdict(_later(one, shift)) for one in run.reported],
        "restarts": [asdict(_later(one, shift)) for one in run.restarts],
    }
    arrays: dict[str, Any] = {_ABOUT: np.frombuffer(json.dumps(about).encode(), np.uint8)}
    for index, table in enumerate(run.tables.values()):
        arrays |= {
            f"{index}.steps": table.steps,
            f"{index}.walltimes": table.walltimes + shift,
            f"{index}.values": table.values,
        }
    with Path(path).open("wb") as file:
        np.savez_compressed(file, **arrays)


def read(path: str) -> Run:
    """Read a run.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no bundle, or of a newer version of this package.
    """
    try:
        with zipfile.ZipFile(path) as unfolded:
            size = sum(part.file_size for part in unfolded.infolist())
        if size > _LARGEST:
            raise ValueError(f"{path}: unfolds to {size} bytes, which no bundle does")
        with np.load(path, allow_pickle=False) as arrays:
            about = json.loads(arrays[_ABOUT].tobytes())
            if about["version"] > VERSION:
                raise ValueError(f"{path}: made by a newer tb-lossdiag ({about['package']})")
            return _run(about, arrays)
    except (zipfile.BadZipFile, KeyError, TypeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: no bundle of tb-lossdiag") from error


def _run(about: Mapping[str, Any], arrays: Any) -> Run:
    return Run(
        "run",
        dict(_tables(about["tables"], arrays)),
        dict(about["facts"]),
        tuple(LiveReport(**one) for one in about["reported"]),
        tuple(Restart(**one) for one in about["restarts"]),
    )


def _tables(columns: Mapping[str, Any], arrays: Any) -> Iterator[tuple[str, Table]]:
    """Those of quantities that this version knows."""
    for index, (name, named) in enumerate(columns.items()):
        if name in BY_NAME:
            steps, walltimes, values = (arrays[f"{index}.{part}"] for part in _PARTS)
            yield name, Table(BY_NAME[name], tuple(named), steps, walltimes, values)


def _later(moment: Any, shift: float) -> Any:
    return type(moment)(**{**asdict(moment), "walltime": moment.walltime + shift})
