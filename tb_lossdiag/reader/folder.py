"""A folder of event files and logs, as a data provider gives them; nothing that lies in it may make reading give up."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tensorboard.data.provider import Run, RunTagFilter

from tb_lossdiag.reader import files, remote
from tb_lossdiag.reader.contents import Contents
from tb_lossdiag.reader.curves import PLUGIN_NAME
from tb_lossdiag.reader.logs.file import read as read_log
from tb_lossdiag.reader.logs.names import is_log, named
from tb_lossdiag.reader.tails import with_tails
from tb_lossdiag.reader.written import Written
from tb_lossdiag.wire.schema import PLUGIN

Kept = Mapping[str, Mapping[str, Written]]
"""Tags by run."""
_EVERY = RunTagFilter()


class Folder:
    """As much of a `DataProvider` as a `Reader` asks, over plain scalars and our own records that lie in a folder now.

    TensorBoard's own loader keeps a sample of all that is logged; here is all of what is judged, and nothing else.

    Args:
        path: what runs are named from.
        places: their folders.

    Attributes:
        problems: why a run cannot be read, by its name.
        damaged: records of a run that were left out, by its name.
    """

    has_logs = True

    def __init__(self, path: Path, places: Iterable[Path]) -> None:
        """Read all of it."""
        found = {run: c for place in places for run, c in _contents(place, path)}
        self.problems = {run: c.problem for run, c in found.items() if c.problem is not None}
        self.damaged = {run: contents.damaged for run, contents in found.items()}
        self._runs = [Run(run, run, contents.began) for run, contents in found.items()]
        self._scalars = {run: dict(contents.curves()) for run, contents in found.items()}
        self._tensors = {run: dict(contents.payloads()) for run, contents in found.items()}

    def list_runs(self, _context: Any = None, **_: Any) -> list[Run]:
        """All of them."""
        return self._runs

    def list_scalars(self, _context: Any = None, *, plugin_name: str, **asked: Any) -> Any:
        """As TensorBoard's own."""
        chosen = _chosen(self._scalars, plugin_name == PLUGIN_NAME, **asked)
        return {r: {tag: one.listed() for tag, one in tags.items()} for r, tags in chosen.items()}

    def read_scalars(self, _context: Any = None, *, plugin_name: str, **asked: Any) -> Any:
        """As TensorBoard's own, and all of it: nothing here is a sample."""
        chosen = _chosen(self._scalars, plugin_name == PLUGIN_NAME, **asked)
        return {r: {tag: one.data() for tag, one in tags.items()} for r, tags in chosen.items()}

    def list_tensors(self, _context: Any = None, *, plugin_name: str, **asked: Any) -> Any:
        """As TensorBoard's own."""
        chosen = _chosen(self._tensors, plugin_name == PLUGIN, **asked)
        return {r: {tag: one.listed() for tag, one in tags.items()} for r, tags in chosen.items()}

    def read_tensors(self, _context: Any = None, *, plugin_name: str, **asked: Any) -> Any:
        """As TensorBoard's own, and all of it."""
        chosen = _chosen(self._tensors, plugin_name == PLUGIN, **asked)
        return {r: {tag: one.data() for tag, one in tags.items()} for r, tags in chosen.items()}


def _contents(place: Path, root: Path) -> Iterator[tuple[str, Contents]]:
    """The runs of a place by name: one for a folder of event files, one or more for a log."""
    name = os.path.relpath(place, root)
    if place.is_dir() or files.is_event_file(place):
        yield name, Contents.of(place)
        return
    yield from ((named(name, part), contents) for part, contents in read_log(place).items())


def _chosen(kept: Kept, asked: bool, run_tag_filter: RunTagFilter | None = None, **_: Any) -> Kept:
    """What is asked for; runs without any are none."""
    runs, tags = (run_tag_filter or _EVERY).runs, (run_tag_filter or _EVERY).tags
    found = {
        run: {tag: series for tag, series in some.items() if tags is None or tag in tags}
        for run, some in kept.items()
        if asked and (runs is None or run in runs)
    }
    return {run: some for run, some in found.items() if some}


def open_folder(logdir: str, places: Iterable[Path] | None = None) -> Any:
    """A `DataProvider` (see `Folder`) over everything that lies in a folder now, the tails of its runs included.

    It is read here on purpose: when this returns, all is read; TensorBoard's data server cannot say when it is done.

    Args:
        logdir: a folder; runs are its sub-folders with event files, and logs that lie where no event files do. Or one event file
            or log: a run of that name in its folder.
            Of an address such as `s3://…` all files are brought here.
        places: the runs that are read, as `event_folders` finds them; all without it.

    Raises:
        OSError: there is no such folder, it is a file and neither an event file nor a log, or it cannot be read.
        ValueError: nothing installed understands the address.
    """
    if remote.is_address(logdir):
        there = remote.listed(logdir)
        there.bring()
        root, found = there.copy, iter(there.folders())
    else:
        root, found = event_folders(logdir)
    return with_tails(Folder(root, found if places is None else places), str(root), pause=0.0)


def event_folders(logdir: str) -> tuple[Path, Iterator[Path]]:
    """The folder on this machine that runs are named from, and the places in it that hold event files, or are logs.

    Raises:
        FileNotFoundError: there is no such folder.
        NotADirectoryError: it is a file, and neither an event file nor a log.
    """
    path = Path(remote.here(logdir)).expanduser()
    if files.is_event_file(path) or is_log(path):
        return path.parent, iter([path])
    if not path.exists():
        raise FileNotFoundError(f"no such folder: {logdir}")
    if not path.is_dir():
        raise NotADirectoryError(f"not a folder, and no event file or log: {logdir}")
    return path, files.places(path)
