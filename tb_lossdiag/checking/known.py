"""Verdicts of earlier checks, kept where the user's system keeps what can be made again: runs that have not changed are not read again.

A verdict holds for the very files, settings and program that it was made of. Whatever goes wrong here costs a reading, never an answer.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from tb_lossdiag.checking.kept import BROKEN, Kept
from tb_lossdiag.checking.parts import Judged, Part
from tb_lossdiag.config import Settings
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.foreign import own
from tb_lossdiag.diagnosis.rule import Rule
from tb_lossdiag.process.caches import own_caches
from tb_lossdiag.reader.stamps import Stamp, newest, stamps

OFF = "TB_LOSSDIAG_NO_CACHE"
"""Environment variable that keeps verdicts from being kept, if it is set to anything."""
_FORMAT = 2
_SETTLED = 2.0
"""Seconds since a file was written; before, it may be written again at the same time as its clock has it (FAT counts in twos)."""
_MOST = 64 * 2**20
"""Bytes of all verdicts; above it, those on folders that were not asked for the longest are dropped."""
_OFTEN, _SHARE = 15.0, 20.0
"""Seconds of judging that a kill may cost; and how much longer than writing took, at least, nothing is written again."""


@dataclass(frozen=True)
class Asked:
    """What a verdict would have to be of.

    Attributes:
        about: the folder, the settings and the program.
        name: of the runs in that folder.
        stamps: of the files; nothing where it is not kept.
    """

    about: str = ""
    name: str = ""
    stamps: tuple[Stamp, ...] = ()


class Known:
    """Verdicts that were kept.

    Args:
        settings: how runs are judged.
        rules: those that judge. What another package's rule says may depend on anything, so nothing is kept where there is one.
        wanted: False keeps nothing, and asks for nothing.
    """

    def __init__(self, settings: Settings, rules: Sequence[Rule], *, wanted: bool) -> None:
        usable = wanted and not os.environ.get(OFF) and all(map(own, rules))
        self._folder = _folder() if usable else None
        self._about = ""
        if self._folder is not None:
            self._about = repr((_FORMAT, sys.version, np.__version__, _program(), settings))
        self._files: dict[str, Kept] = {}
        self._written = time.monotonic()

    def asked(self, part: Part) -> Asked:
        """What a verdict on these runs must be of."""
        if self._folder is None or part.remote is not None:
            return Asked()
        root = os.path.abspath(part.root)  # noqa: PTH100  (links stay as they are named)
        about = self._key(root, part.label, part.wanted)
        name = repr(([os.path.relpath(place, part.root) for place in part.places], part.title))
        try:
            return Asked(about, name, tuple(stamps(part.places)))
        except (OSError, ValueError):
            return Asked()

    def answer(self, asked: Asked) -> Judged | None:
        """The verdict, if there is one of these very files."""
        if not asked.stamps:
            return None
        return self._file(asked.about).verdict(asked.name, asked.stamps)

    def keep(self, part: Part, asked: Asked, judged: Judged) -> None:
        """Keep a verdict, if the files are still what they were before they were read, and have been so for a while."""
        if not asked.stamps or not all(map(_lasts, judged.entries)):
            return
        if self.asked(part) != asked or time.time() - newest(asked.stamps) < _SETTLED:
            return
        with suppress(TypeError, ValueError):
            self._file(asked.about).put(asked.name, asked.stamps, judged)
        if time.monotonic() - self._written > _OFTEN:
            self.write(complete=False)

    def write(self, *, complete: bool) -> None:
        """Write what is new, and make room for it.

        Args:
            complete: all runs were asked for.
        """
        began = time.monotonic()
        with suppress(*BROKEN):
            changed = [file.write(complete=complete) for file in self._files.values()]
            if any(changed) and self._folder is not None:
                _trim(self._folder, _MOST)
        now = time.monotonic()
        self._written = now + _SHARE * (now - began)

    def _key(self, root: str, label: str, wanted: frozenset[str]) -> str:
        text = repr((self._about, root, label, sorted(wanted)))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

    def _file(self, about: str) -> Kept:
        assert self._folder is not None  # noqa: S101  (else there are no stamps)
        if about not in self._files:
            self._files[about] = Kept(self._folder / about[:40], about)
        return self._files[about]


def _folder() -> Path | None:
    """Where verdicts are kept; nowhere if somebody else could put some there."""
    try:
        folder = own_caches() / "verdicts"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        stat = folder.stat()
    except (OSError, RuntimeError, ValueError):
        return None
    foreign = hasattr(os, "getuid") and (stat.st_uid != os.getuid() or stat.st_mode & 0o022)
    return None if foreign else folder


@cache
def _program() -> str:
    """What changes with this program: its files, since a working copy has one version for many programs."""
    top = Path(__file__).parents[1]
    files = sorted(path for path in top.rglob("*") if path.suffix in {".py", ".mo"})
    found = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return hashlib.sha256(repr(found).encode()).hexdigest()


def _lasts(entry: dict[str, Any]) -> bool:
    """Whether a run would be judged so again: a disk may be back, and there may be memory enough for a rule."""
    failed = (outcome["outcome"] == Verdict.FAILED.value for outcome in entry["outcomes"])
    return entry["status"] != "unreadable" and not any(failed)


def _trim(folder: Path, most: int) -> None:
    """Drop what was not asked for the longest."""
    with os.scandir(folder) as entries:
        files = [(entry.stat().st_mtime, entry.stat().st_size, entry.path) for entry in entries]
    size = sum(size for _, size, _ in files)
    for _, freed, path in sorted(files):
        if size <= most:
            return
        Path(path).unlink(missing_ok=True)
        size -= freed
