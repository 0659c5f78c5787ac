"""Findings that were there before: a project with old findings can still let only new ones fail its checks.

A finding is known by run, code and subject; steps and numbers change from run to run.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tb_lossdiag.report.findings import walk
from tb_lossdiag.visible import in_json

VERSION = 1
Json = dict[str, Any]
Key = tuple[str, str, str]


def write(path: str | Path, runs: Iterable[Mapping[str, Any]]) -> None:
    """Write the findings of these runs as the baseline, sorted, so that a diff shows what changed."""
    keys = sorted({key for run in runs for key in _keys(run)})
    found = [{"run": run, "code": code, "subject": subject} for run, code, subject in keys]
    text = json.dumps({"version": VERSION, "findings": found}, indent=2, ensure_ascii=False)
    Path(path).write_text(in_json(text) + "\n", "utf-8")


def read(path: str | Path) -> frozenset[Key]:
    """The findings of a baseline.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no baseline of ours.
    """
    try:
        document = json.loads(Path(path).read_text("utf-8"))
        known = {(f["run"], f["code"], f["subject"]) for f in document["findings"]}
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} is no baseline: write one with --write-baseline") from error
    if document.get("version") != VERSION:
        raise ValueError(f"{path}: version {document.get('version')!r}, expected {VERSION}")
    return frozenset(known)


def mark(runs: Iterable[Json], known: frozenset[Key]) -> None:
    """Say of every finding whether it is `known`."""
    for run in runs:
        for finding in walk(run["findings"]):
            finding["known"] = (run["run"], finding["code"], finding["subject"]) in known


def _keys(run: Mapping[str, Any]) -> Iterator[Key]:
    for finding in walk(run["findings"]):
        yield run["run"], finding["code"], finding["subject"]
