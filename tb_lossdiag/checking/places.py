"""What was named: folders, runs of one, event files."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from posixpath import basename

from tb_lossdiag.checking.parts import Part
from tb_lossdiag.reader import event_folders, family
from tb_lossdiag.reader.logs.names import file_of, is_log
from tb_lossdiag.reader.remote import Remote, here, is_address, listed

_SHOWN = 20
"""Runs that are named to somebody who named none that is there."""
_SPEC = re.compile(r"([^:/\\]+):(?!//)(.+)")
"""A name and a folder."""


@dataclass(frozen=True)
class Place:
    """A folder, or one event file.

    Attributes:
        path: of it.
        label: what the names of its runs begin with, "" where it is the only place.
        wanted: runs that are judged, empty for all.
    """

    path: str
    label: str = ""
    wanted: frozenset[str] = field(default_factory=frozenset)

    @property
    def folder(self) -> str:
        """What reports take the names of runs to be relative to: where they are labelled, the working folder."""
        if is_address(self.path):
            return "" if self.label else self.path
        return "" if self.label else str(event_folders(self.path)[0])

    def parts(self) -> Iterator[Part]:
        """What is judged at once, in the order of the runs' names.

        Raises:
            OSError: there is no such place.
            ValueError: it holds no run of a name that is wanted, or nothing installed understands its address.
        """
        there = listed(self.path) if is_address(self.path) else None
        root, found = (there.copy, there.folders()) if there else event_folders(self.path)
        families: dict[str, list[Path]] = {}
        for folder in found:
            families.setdefault(family(_name(folder, root)), []).append(folder)
        chosen = {family(name) for name in self.wanted} or set(families)
        self._require(families, root)
        title = self._title(root) if set(families) == {"."} else "."
        for name in sorted(chosen):
            yield self._part(root, families[name], there, title)

    def _part(self, root: Path, folders: list[Path], there: Remote | None, title: str) -> Part:
        own = there and there.within(folders)
        return Part(str(root), tuple(folders), self.label, self.wanted, own, title)

    def _title(self, root: Path) -> str:
        """What a place is called that is a run itself: TensorBoard has "." for it, which tells nobody which one."""
        if is_address(self.path):
            return basename(self.path.rstrip("/")) or "."
        return root.expanduser().resolve().name or "."

    def _require(self, families: dict[str, list[Path]], root: Path) -> None:
        for run in sorted(self.wanted):
            if family(run) not in families:
                names = [*families, *(_name(f, root) for some in families.values() for f in some)]
                raise ValueError(no_run(run, self.path, names))


def no_run(run: str, logdir: str, names: Iterable[str]) -> str:
    """What to say to somebody who named a run that is not there."""
    known = list(dict.fromkeys(names))
    near = get_close_matches(run, known, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are: {_some(known)}"
    return f"no run {run!r} in {logdir}; {hint}"


def places(named: Sequence[str], spec: str = "") -> list[Place]:
    """What words mean: a folder or event file, then runs of it or more of them.

    Args:
        named: as written. After the first, a run of the first folder counts as that, before a folder of that name does.
        spec: `name:folder,name:folder`, as `tensorboard --logdir_spec` takes it.

    Raises:
        OSError: there is no such place.
        ValueError: nothing was named, or a word is neither a run nor a place.
    """
    specified = [_specified(part) for part in spec.split(",") if part.strip()]
    if not named:
        if not specified:
            raise ValueError("name a folder with event files, as for tensorboard --logdir")
        return specified
    first, *more = map(here, named)
    if not is_address(first):
        event_folders(first)
    runs, others = _told_apart(first, more)
    if not others and not specified:
        return [Place(first, wanted=runs)]
    labelled = (Place(word, _label(word)) for word in others)
    return [Place(first, _label(first), runs), *labelled, *specified]


def _label(path: str) -> str:
    """What the runs of a place are called by among others: a folder, or that of an event file."""
    return path.rstrip("/") if is_address(path) else os.path.normpath(event_folders(path)[0])


def _told_apart(first: str, words: Iterable[str]) -> tuple[frozenset[str], list[str]]:
    """Runs of the first folder, and further places."""
    runs: set[str] = set()
    others: list[str] = []
    for word in words:
        run = _run(first, word)
        if run is not None:
            runs.add(run)
        elif is_address(word) or Path(word).expanduser().exists():
            others.append(word)
        elif is_address(first):
            runs.add(word)
        else:
            root, found = event_folders(first)
            raise ValueError(no_run(word, first, (_name(folder, root) for folder in found)))
    return frozenset(runs), others


def _run(folder: str, word: str) -> str | None:
    """The name of the run that a word means in a folder here, by its name or its path."""
    if is_address(folder):
        return None
    root = Path(folder).expanduser()
    there = root / file_of(word)
    if (there.is_dir() or is_log(there)) and not Path(word).is_absolute():
        return _name(root / word, root)
    inside = Path(word).expanduser().is_dir() and Path(word).resolve().is_relative_to(
        root.resolve()
    )
    return _name(Path(word).resolve(), root.resolve()) if inside else None


def _name(folder: Path, root: Path) -> str:
    """The name of the run in a folder, as TensorBoard has it."""
    return os.path.relpath(folder, root)


def _specified(part: str) -> Place:
    text = part.strip()
    found = None if os.path.splitdrive(text)[0] else _SPEC.fullmatch(text)
    if found:
        return Place(here(found[2]), found[1])
    return Place(here(text), text if is_address(text) else os.path.normpath(here(text)))


def _some(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "") or "none"
