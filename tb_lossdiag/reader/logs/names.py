"""Which files are taken for logs, and what their runs are called."""

from __future__ import annotations

import math
import os
import re
import stat
from collections.abc import Collection, Iterable
from pathlib import Path, PurePath

SUFFIXES = (".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".log", ".txt")
"""Of files that somebody may name."""
STATE = "trainer_state.json"
"""Transformers' own: in the output folder, and again in each checkpoint, up to that step."""
_USUAL = re.compile(
    # Transformers; torchtune, detectron2, DETR; Lightning, Ultralytics, Stable-Baselines3 and RLlib, Keras; W&B's downloads.
    r"trainer_state\.json|log_history\.json|(?:metrics|progress|result|log|train_log|training_log)\.(?:jsonl?|ndjson)|log\.txt"
    r"|(?:metrics|progress|results|history|log|train_log|training_log)\.csv|wandb_export(?:_.*)?\.csv",
    re.IGNORECASE,
)
"""Names under which loops leave their log without being asked for one; verl's file logger takes the experiment's name."""
_LINES = (".jsonl", ".ndjson")
_CHECKPOINT = re.compile(r"checkpoint-(\d+)")
_PART = re.compile(rf"(.*({'|'.join(map(re.escape, SUFFIXES))}))#[^/]+", re.IGNORECASE | re.DOTALL)
"""A run of a file that holds several."""
_COUNTED = rb"(?:\w+/)?\w*(?:step|steps|iter|iteration|epoch|update)"
_KNOWN_STEP = re.compile(
    # A key of a row; a name in the first line of a table.
    rb"[\"']" + _COUNTED + rb"[\"']\s*:|\A[^{\n]*?(?:^|[\"',;\t ])" + _COUNTED + rb"[\"',;\t ]",
    re.IGNORECASE,
)
HEAD = 1 << 14
"""Bytes of the beginning of a file that are looked at: a log says there what counts its steps."""


def is_log(place: Path) -> bool:
    """Whether this is a file of a kind that a log may have: for one that somebody names."""
    return place.suffix.lower() in SUFFIXES and _is_file(place)


def is_usual(path: Path) -> bool:
    """Whether a file that nobody named is a log: by its name, and by how it begins."""
    return may_be_usual(path.name) and (path.name == STATE or _counts_steps(path))


def may_be_usual(name: str) -> bool:
    """Whether a file is looked into: by its name alone."""
    return name.lower().endswith(_LINES) or _USUAL.fullmatch(name) is not None


def counts_steps(head: bytes) -> bool:
    """Whether a file that begins so is a log: it says what counts its steps."""
    return _KNOWN_STEP.search(head) is not None


def _counts_steps(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return counts_steps(file.read(HEAD))
    except OSError:
        return False


def of_a_folder(logs: Iterable[Path], events: Collection[Path]) -> list[Path]:
    """Those that are no second copy: an event file at or below the same folder says the same, and the newest checkpoint says all.

    Args:
        logs: usual ones.
        events: folders with event files.
    """
    told = {above for folder in events for above in (folder, *folder.parents)}
    found = [path for path in logs if _home(path) not in told]
    newest: dict[Path, Path] = {}
    for path in found:
        if path.name == STATE:
            newest[_home(path)] = max(newest.get(_home(path), path), path, key=_age)
    return [path for path in found if path.name != STATE or newest[_home(path)] == path]


def _home(path: Path) -> Path:
    """The folder of the training that a log is of: a checkpoint's is the one above."""
    return path.parent.parent if _age(path) < math.inf else path.parent


def _age(path: Path) -> float:
    """The step of the checkpoint that a state is part of; the output folder's own is the newest."""
    found = _CHECKPOINT.fullmatch(path.parent.name) if path.name == STATE else None
    return int(found[1]) if found else math.inf


def named(file: str, part: str) -> str:
    """What a run of a file is called; the only one is called as the file is.

    >>> named("a/metrics.jsonl", "2"), named("a/metrics.jsonl", "")
    ('a/metrics.jsonl#2', 'a/metrics.jsonl')
    """
    return f"{file}#{part.replace('/', '_')}" if part else file


def file_of(run: str) -> str:
    """The file that a run of a log is in; of any other run, its name.

    >>> file_of("a/metrics.jsonl#2"), file_of("a/b#2")
    ('a/metrics.jsonl', 'a/b#2')
    """
    found = _PART.fullmatch(run)
    return found[1] if found else run


def is_log_run(run: str) -> bool:
    """Whether a run's name says that it was read of a log."""
    return PurePath(file_of(run)).suffix.lower() in SUFFIXES


def _is_file(place: Path) -> bool:
    try:
        return stat.S_ISREG(os.stat(place).st_mode)  # noqa: PTH116  (as the neighbours ask)
    except (OSError, ValueError):
        return False
