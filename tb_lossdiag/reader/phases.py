"""Sub-runs that are halves of one training: `x/train` and `x/validation` are the run `x`.

Keras and fairseq write one event file per phase; torch's `add_scalars` writes one per curve, in `<main tag>_<name>`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from tb_lossdiag.reader.logs.names import file_of
from tb_lossdiag.reader.styles import normalised

_TRAIN = ("train", "training", "train_inner")
_HELD_OUT = ("val", "valid", "validation", "eval", "evaluation", "dev", "test")
_PHASE = re.compile(rf"(?:(.+)_)?({'|'.join((*_TRAIN, *_HELD_OUT))})", re.IGNORECASE)
_ROOT = "."


@dataclass(frozen=True, order=True)
class Source:
    """A time series of TensorBoard: its run and tag."""

    run: str
    tag: str


@dataclass(frozen=True)
class _Part:
    """What a run's name says: a phase of `parent`, or a run of its own (`phase` empty)."""

    parent: str
    phase: str
    curve: bool = False


def grouped(
    listed: Mapping[str, Collection[str]], alone: Collection[str]
) -> dict[str, dict[str, Source]]:
    """Runs with their tags; a tag of a phase's sub-run has the phase in front ("train/epoch_loss").

    Args:
        listed: tags of every run.
        alone: runs that are never part of another one.
    """
    parts = {run: _part(run, tags) for run, tags in listed.items()}
    groups: dict[str, dict[str, Source]] = {}
    for run, tags in listed.items():
        part = parts[run]
        merges = part.phase and run not in alone and _belongs(part, parts, {*listed, *alone})
        group = groups.setdefault(part.parent if merges else run, {})
        for tag in tags:
            group.setdefault(_named(part, tag), Source(run, tag))
            if not merges and part.phase in _TRAIN:  # a folder may be called `train` for no reason
                group.setdefault(tag, Source(run, tag))
    return groups


def family(run: str) -> str:
    """The run that a sub-run may be a half of, whatever its tags say: runs of different families never become one.

    >>> family("a/b/train"), family("a/loss_val"), family("validation"), family("a/b")
    ('a/b', 'a', '.', 'a/b')
    >>> family("a/metrics.jsonl#2")
    'a/metrics.jsonl'
    """
    run = file_of(run)
    parent, _, last = run.rpartition("/")
    return family(parent or _ROOT) if _PHASE.fullmatch(last) else run


def _part(run: str, tags: Collection[str]) -> _Part:
    parent, _, last = run.rpartition("/")
    found = _PHASE.fullmatch(last)
    if found is None:
        return _Part(run, "")
    main, phase = found.group(1), found.group(2).lower()
    if main is None:
        other = _HELD_OUT if phase in _TRAIN else _TRAIN
        holds_both = any(_phase_of(tag) in other for tag in tags)
        return _Part(run, "") if holds_both else _Part(parent or _ROOT, phase)
    if any(tag.replace("/", "_") == main for tag in tags):
        return _Part(parent or _ROOT, phase, curve=True)
    return _Part(run, "")


def _phase_of(tag: str) -> str:
    """The phase that a tag names itself."""
    return re.split("[/_]", normalised(tag), maxsplit=1)[0]


def _belongs(part: _Part, parts: Mapping[str, _Part], runs: Collection[str]) -> bool:
    """A folder named `train` alone may be just a name; with its run or a sibling of the other kind it is a phase."""
    phases = {other.phase for other in parts.values() if other.parent == part.parent}
    both = bool(phases & set(_TRAIN)) and bool(phases & set(_HELD_OUT))
    return part.curve or both or part.parent in runs


def _named(part: _Part, tag: str) -> str:
    """The tag with its phase in front, unless it says so itself."""
    if part.curve and normalised(tag).endswith("loss"):
        return f"{part.phase}/loss"
    if not part.phase or normalised(tag).startswith((f"{part.phase}/", f"{part.phase}_")):
        return tag
    return f"{part.phase}/{tag}"
