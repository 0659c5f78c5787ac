"""The verdicts on a folder's runs as one file: whether a run has changed is told from its line, and only what is asked for is taken apart.

    header        {"about": whose, "pool": what rules say of many runs alike}
    a run a line  name, stamps of its files and verdict, tabs between; places in the pool stand for what is there

What nine runs in ten share is most of a verdict (what became of each rule), so it stands in the file once.
"""

from __future__ import annotations

import json
import os
import re
import zlib
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from tb_lossdiag.checking.parts import Judged
from tb_lossdiag.process.caches import whole
from tb_lossdiag.reader import LeftOut
from tb_lossdiag.reader.stamps import Stamp

_POOLED = ("outcomes", "unlocks")
"""Parts of an entry whose items are much the same in many runs."""
_MOST = 4096
"""Items of the pool; those of all rules in every outcome are a fourth of that."""
_OWN = re.compile(r"\d")
"""What makes a sentence one run's own: so the pool stays as small as there are rules."""
BROKEN = (OSError, zlib.error, ValueError, LookupError, TypeError, AttributeError)
"""What a damaged file, or one of somebody else's, raises."""


class Kept:
    """A file of verdicts: what it held when it was opened, and what was put there since.

    Args:
        path: of it; what is not there, or damaged, holds nothing.
        about: of which folder, settings and program.
    """

    def __init__(self, path: Path, about: str) -> None:
        """Read it."""
        self._path, self._about = path, about
        self._lines: dict[bytes, bytes] = {}
        self._fresh: dict[bytes, bytes] = {}
        self._asked: set[bytes] = set()
        self._pool: list[Any] = []
        self._places: dict[str, int] = {}
        self._seen_before: dict[Any, int] = {}
        self._seen = _state(path)
        self._read()

    def verdict(self, name: str, stamps: Iterable[Stamp]) -> Judged | None:
        """What was said of a run whose files are these."""
        key = _spelled(name)
        self._asked.add(key)
        line = self._fresh.get(key) or self._lines.get(key)
        own = b"\t".join((key, _spelled(list(stamps)), b""))
        if line is None or not line.startswith(own):
            return None
        try:
            return _judged(json.loads(line[len(own) :]), self._pool)
        except BROKEN:
            self._lines.clear()  # whoever spoils one line and keeps the checksum may have spoilt all
            return None

    def put(self, name: str, stamps: Iterable[Stamp], judged: Judged) -> None:
        """Keep what is said of a run.

        Raises:
            TypeError: it is no plain data.
            ValueError: it would not be the same again.
        """
        key = _spelled(name)
        content = _spelled(_plain(judged, self._place))
        if _judged(json.loads(content), self._pool) != judged:
            raise ValueError("not plain data")
        self._fresh[key] = b"\t".join((key, _spelled(list(stamps)), content))

    def write(self, *, complete: bool) -> bool:
        """Write it, if something was put there, which is returned; what another process has written meanwhile stays.

        Args:
            complete: all runs that there are were asked for: others are gone.

        Raises:
            OSError: it cannot be written.
        """
        gone = set(self._lines) - self._asked if complete else set[bytes]()
        if not self._fresh and not gone:
            self._touch()
            return False
        if _state(self._path) != self._seen:
            self._take(Kept(self._path, self._about))
        lines = {**self._lines, **self._fresh}
        kept = [line for key, line in lines.items() if key not in gone]
        header = _spelled({"about": self._about, "pool": self._pool})
        with whole(self._path) as file:
            file.write(zlib.compress(b"\n".join((header, *kept)), 1))
        self._lines, self._fresh = {key: lines[key] for key in lines if key not in gone}, {}
        self._seen = _state(self._path)
        return True

    def _touch(self) -> None:
        """It was asked for, so others make room first."""
        if self._seen is not None and _state(self._path) == self._seen:
            with suppress(OSError):
                os.utime(self._path)
            self._seen = _state(self._path)

    def _take(self, other: Kept) -> None:
        """Take over what another process has put there: its places are those of its own pool."""
        for key, line in other._lines.items():
            if self._lines.get(key) == line or key in self._fresh:
                continue
            with suppress(*BROKEN):
                _, stamps, content = line.split(b"\t", 2)
                judged = _judged(json.loads(content), other._pool)
                spelled = _spelled(_plain(judged, self._place))
                self._lines[key] = b"\t".join((key, stamps, spelled))
                self._asked.add(key)

    def _read(self) -> None:
        try:
            header, *lines = zlib.decompress(self._path.read_bytes()).split(b"\n")
            found = json.loads(header)
            if found["about"] != self._about:
                return
            self._pool = list(found["pool"])
            self._lines = {line[: line.index(b"\t")]: line for line in lines}
        except BROKEN:
            self._pool, self._lines = [], {}
        self._places = {json.dumps(item): place for place, item in enumerate(self._pool)}

    def _place(self, item: Any) -> Any:
        """Where an item is in the pool; itself where it is of one run alone."""
        look = _look(item)
        place = self._seen_before.get(look)
        if place is None:
            place = self._put(item)
            if type(place) is int and look is not None:
                self._seen_before[look] = place
        return place

    def _put(self, item: Any) -> Any:
        """The same, where it may be a new one."""
        text = json.dumps(item)
        place = self._places.get(text)
        if place is not None:
            return place
        if len(self._pool) >= _MOST or _own(item):
            return item
        self._places[text] = len(self._pool)
        self._pool.append(json.loads(text))
        return self._places[text]


def _look(item: Mapping[str, Any]) -> Any:
    """What tells an item from others at a fraction of what its JSON costs, None where it is not that simple."""
    values = [tuple(value) if type(value) is list else value for value in item.values()]
    look = (*item, *values, *map(type, values))
    try:
        hash(look)
    except TypeError:
        return None
    return look


def _own(item: Mapping[str, Any]) -> bool:
    told = (item.get(part) for part in ("reason", "how"))
    return any(isinstance(text, str) and _OWN.search(text) for text in told)


def _state(path: Path) -> tuple[int, int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns, stat.st_ino


def _spelled(value: Any) -> bytes:
    """As JSON without a tab or the end of a line in it."""
    return json.dumps(value, allow_nan=False, separators=(",", ":")).encode()


def _plain(judged: Judged, place: Callable[[Any], Any]) -> dict[str, Any]:
    left = {
        run: [sorted(e.runs), e.tags, e.no_descent, e.more, e.perhaps]
        for run, e in judged.left_out.items()
    }
    return {
        "entries": [
            {**entry, **{part: [place(item) for item in entry[part]] for part in _POOLED}}
            for entry in judged.entries
        ],
        "left_out": left,
        "used": sorted(judged.used),
        "measures": judged.measures,
    }


def _judged(content: Mapping[str, Any], pool: list[Any]) -> Judged:
    """A verdict; what stands in the pool is one object for all runs."""
    for entry in content["entries"]:
        for part in _POOLED:
            entry[part] = [pool[one] if type(one) is int else one for one in entry[part]]
    left = {
        run: LeftOut(frozenset(runs), tuple(tags), *others)
        for run, (runs, tags, *others) in content["left_out"].items()
    }
    return Judged(tuple(content["entries"]), left, frozenset(content["used"]), content["measures"])
