"""What is judged at once: runs that may be halves of one training, read together, so that a big folder is read in pieces.

Two runs of different parts never become one (`tb_lossdiag.reader.family`), so the parts say what the whole folder would.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from posixpath import join, normpath
from typing import Any

from tb_lossdiag.checking.aside import stdout_aside
from tb_lossdiag.config import Policy, Settings
from tb_lossdiag.reader import LeftOut, Listing, Reader, Scalars, open_folder
from tb_lossdiag.reader.remote import Remote, is_address
from tb_lossdiag.reader.stamps import Stamp, newest, stamps
from tb_lossdiag.report import document
from tb_lossdiag.report.measures import measures
from tb_lossdiag.wire.leftover import is_tail

Json = dict[str, Any]


@dataclass(frozen=True)
class Part:
    """Some runs of a folder.

    Attributes:
        root: what they are named from.
        places: their folders, or one event file.
        label: what their names begin with.
        wanted: those that are judged, empty for all.
        remote: where their files are, if not on this machine.
        title: of the run that lies in the root itself, where it is the only one: its folder's name.
    """

    root: str
    places: tuple[Path, ...]
    label: str = ""
    wanted: frozenset[str] = frozenset()
    remote: Remote | None = None
    title: str = "."

    @property
    def name(self) -> str:
        """What to call them when they could not be read at all."""
        return self.named(os.path.relpath(self.places[0], self.root))

    def reader(self, mapped: Mapping[str, tuple[str, ...]]) -> Reader:
        """Reads them.

        Raises:
            OSError: they are elsewhere, and cannot be brought here.
        """
        root, places = self.root, self.places
        if self.remote is not None:  # the copy may be another machine's than the one that asks
            self.remote.bring()
            root, places = str(self.remote.copy), tuple(self.remote.folders())
        provider = open_folder(root, places)
        return Reader(provider, Scalars(provider, limit=0, mapped=mapped))

    def files(self) -> frozenset[Any]:
        """What changes when one of their files does."""
        if self.remote is not None:
            return frozenset(self.remote.files)
        return frozenset(_stamps(self.places))

    def newest(self) -> float:
        """When one of their files was written last, in seconds since 1970; 0 for files elsewhere, whose clocks are anybody's."""
        return 0.0 if self.remote is not None else newest(_stamps(self.places))

    def is_open(self) -> bool:
        """Whether a writer has not closed one of them: its tail file lies there until then."""
        return any(is_tail(Path(path).name) for path, *_ in _stamps(self.places))

    def alike(self) -> Part:
        """The same whatever its files are by now."""
        return replace(self, remote=None)

    def listings(self, reader: Reader) -> list[Listing]:
        """Those that are judged."""
        listed = reader.listings().values()
        return [one for one in listed if not self.wanted or self.wanted & (one.parts | {one.run})]

    def named(self, run: str) -> str:
        """A run's name among those of all places."""
        if is_address(self.label):
            return self.label if run == "." else f"{self.label}/{run}"
        if not self.label:
            return self.title if run == "." else run
        return normpath(join(self.label, run))


def _stamps(places: Iterable[Path]) -> Iterator[Stamp]:
    """Of the files that can be looked at: a place may go while runs are going on."""
    for place in places:
        with contextlib.suppress(OSError):
            yield from stamps([place])


@dataclass(frozen=True)
class Judged:
    """What came of a part.

    Attributes:
        entries: of the document.
        left_out: runs that are not judged.
        used: quantities that the user named a scalar for, where there was one.
        measures: of each run that could be read, by its name.
    """

    entries: tuple[Json, ...]
    left_out: Mapping[str, LeftOut]
    used: frozenset[str]
    measures: Mapping[str, Json]


def judge(part: Part, settings: Settings) -> Judged:
    """Read a part and run the rules: what was read of one run is let go of before the next.

    What other packages print while they are imported or judge goes to standard error: on the other one stands the report.
    """
    with stdout_aside():
        policy = Policy.of(settings)
        try:
            reader = part.reader(settings.mapped)
        except OSError as error:  # a bucket that refuses one run must not hide the others
            if part.remote is None:
                raise
            problem = document.unreadable(part.name, document.why(ValueError(str(error))))
            return Judged((problem,), {}, frozenset(), {})
        listed = part.listings(reader)
        entries, measured = [], {}
        for listing in listed:
            entry, own = _entry(part, reader, listing, policy, settings.language)
            entries.append(entry)
            measured[entry["run"]] = own
            reader.forget(listing.run)
    left = {} if part.wanted and listed else reader.left_out({one.run: one for one in listed})
    scalars = (one.scalars for one in listed if one.scalars)
    used = frozenset(key for found in scalars for key in found.plan.mapped)
    named = {part.named(run): why for run, why in left.items()}
    return Judged(tuple(entries), named, used, measured)


def _entry(
    part: Part, reader: Reader, listing: Listing, policy: Policy, language: str
) -> tuple[Json, Json]:
    """One run of the document, and its measures."""
    name = part.named(listing.run)
    try:
        run = reader.read(listing)
        made = document.entry(run, policy.diagnose(run), language, policy.rules)
    except Exception as error:  # noqa: BLE001  (one bad run must not hide the others)
        return document.unreadable(name, document.why(error)), {}
    return {**made, "run": name}, measures(run)
