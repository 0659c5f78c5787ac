"""A file's runs: sessions told apart, as much of each as is kept of event files."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any

from tb_lossdiag.reader.contents import Contents
from tb_lossdiag.reader.logs import separated, text, whole
from tb_lossdiag.reader.logs.clock import Clock
from tb_lossdiag.reader.logs.row import moment, number, numbers
from tb_lossdiag.reader.logs.text import Row

_LARGEST = 256 * 2**20
"""Bytes of a log that is read: millions of rows. What is larger holds samples or the log of many trainings."""
_HEAD = 1000
"""Rows in which the clock is looked for."""
_SEPARATED, _WHOLE, _STRICT = (".csv", ".tsv"), (".json",), (".jsonl", ".ndjson", ".json")
_MOST_TAGS = 50_000
_OFTEN = 5
"""Times as many records, from which on one loss is of the steps and the other of evaluations."""


def read(path: Path) -> dict[str, Contents]:
    """The runs of a file, by what tells them apart: "" for the only one, else a number or W&B's name.

    What a file has of a session before is undone where a later row goes back within it, as in event files; where numbers begin
    again, another training wrote on into the same file.
    """
    try:
        return _runs(path)
    except (OSError, ValueError) as error:
        return {"": _unread(path, error)}


def _runs(path: Path) -> dict[str, Contents]:
    stat = path.stat()
    if stat.st_size > _LARGEST:
        raise ValueError(f"{stat.st_size >> 20} MB; logs are read up to {_LARGEST >> 20} MB")
    rows = _rows(path)
    head = list(islice(rows, _HEAD))
    clock = Clock.of([_flat(row) for row in head if row])
    return _sessions(chain(head, rows), clock, stat.st_mtime)


def _unread(path: Path, error: OSError | ValueError) -> Contents:
    made = Contents()
    why = error.strerror if isinstance(error, OSError) else None
    made.problem = f"{path.name}: {why or error}"
    return made


def _rows(path: Path) -> Iterator[Row | None]:
    suffix = path.suffix.lower()
    if suffix in _SEPARATED:
        return separated.rows(path)
    if suffix in _WHOLE and not _is_lines(path):
        return whole.rows(path)
    return text.lines(path, strict=suffix in _STRICT)


def _is_lines(path: Path) -> bool:
    """Whether a file's first line is a row, and not the whole of a document."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        first, second = file.readline(1 << 20), file.readline(1)
    row = text.parsed(first)
    return row is not None and bool(second) and "log_history" not in row


def _flat(row: Row) -> Mapping[str, Any]:
    """The keys of a row, W&B's and those within objects as well: where the clock may be."""
    known = {str(key): value for key, value in row.items() if not isinstance(value, Mapping)}
    return {**numbers(row), **known}


@dataclass
class _Session:
    """One training, as it is read.

    Attributes:
        contents: what it said.
        first: its first step.
        last: its newest one.
        offset: added to steps that begin again with each epoch.
        epoch: the newest.
    """

    contents: Contents = field(default_factory=Contents)
    first: int | None = None
    last: int = -1
    offset: int = 0
    epoch: float = 0.0
    tags: set[str] = field(default_factory=set)

    def step(self, named: int | None, epoch: float | None, *, counted: bool) -> int:
        """The step of a row."""
        if named is None:
            self.last = self.last + 1 if counted else max(self.last, 0)
            return self.last
        if epoch is not None and epoch > self.epoch and named + self.offset < self.last:
            self.offset = self.last
        self.last, self.epoch = named + self.offset, self.epoch if epoch is None else epoch
        self.first = self.last if self.first is None else self.first
        return self.last

    def begins_again(self, named: int | None, epoch: float | None) -> bool:
        """Whether a row is of another training: its steps begin where this one's did, or before."""
        if named is None or self.first is None or (epoch is not None and epoch > self.epoch):
            return False
        return named < self.last - self.offset and named <= self.first


def _sessions(rows: Iterable[Row | None], clock: Clock, written: float) -> dict[str, Contents]:
    runs: dict[str, list[_Session]] = {}
    damaged = 0
    for row in rows:
        if row is None:
            damaged += 1
            continue
        for run, mine in separated.by_run(row).items():
            _take(runs.setdefault(run, [_Session()]), mine, clock, written)
    found = {
        _part(run, place, len(sessions)): session.contents
        for run, sessions in runs.items()
        for place, session in enumerate(sessions)
    }
    for contents in found.values():
        contents.damaged = damaged
        _evaluated(contents)
    if not found and damaged:
        raise ValueError(f"none of its {damaged} lines is a row of numbers")
    return found


def _evaluated(contents: Contents) -> None:
    """Where steps say their loss far more often, what the training set costs is an evaluation, and no curve: nanoGPT's `step 250: train loss 1.9, val loss 2.0`."""
    counts = {tag: len(series.steps) for tag, series in contents.curves()}
    if counts.get("loss", 0) >= _OFTEN * counts.get("train_loss", math.inf):
        contents.forget("train_loss")


def _part(run: str, place: int, count: int) -> str:
    """Of one session its run's name; of several, with its number."""
    number_ = str(place + 1) if count > 1 else ""
    return f"{run}#{number_}" if run and number_ else run or number_


def _take(sessions: list[_Session], row: Mapping[str, Any], clock: Clock, written: float) -> None:
    flat = _flat(row)
    named, epoch = clock.step_of(flat), number(flat.get(clock.epoch)) if clock.epoch else None
    if sessions[-1].begins_again(named, epoch):
        sessions.append(_Session())
    session = sessions[-1]
    step = session.step(named, epoch, counted=not clock.step)
    at = moment(flat[clock.time]) if clock.time in flat else None
    session.contents.began = session.contents.began or at or written
    for tag, value in numbers(row).items():
        if tag.rpartition("/")[2] not in clock.keys and tag not in clock.keys:
            session.tags.add(tag)
            if len(session.tags) > _MOST_TAGS:
                raise ValueError(f"more than {_MOST_TAGS} different names: no log of a training")
            session.contents.put(tag, step, at or written, value)
