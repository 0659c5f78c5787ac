"""Opens a folder of event files the way TensorBoard's own Python loader does, but for what would make that one give up."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.data.provider import RunTagFilter

from tb_lossdiag.reader import files, remote
from tb_lossdiag.reader.curves import PLUGIN_NAME, Curve, Curves
from tb_lossdiag.reader.tails import with_tails
from tb_lossdiag.wire.schema import PLUGIN

_EVERY = RunTagFilter()


class Folder(MultiplexerDataProvider):  # type: ignore[misc]
    """A `DataProvider` over everything that lies in a folder now.

    Attributes:
        problems: why a run cannot be read, by its name.
        damaged: records of a run that were left out, by its name.
    """

    def __init__(self, path: Path, places: Iterable[Path] | None = None) -> None:
        """Read all of it, or what lies in some places of it."""
        multiplexer = EventMultiplexer(tensor_size_guidance={PLUGIN: 0})
        super().__init__(multiplexer, str(path))
        self._curves: dict[str, Curves] = {}
        self.problems: dict[str, str] = {}
        self.damaged: dict[str, int] = {}
        for folder in files.runs(path) if places is None else places:
            name = os.path.relpath(folder, path)
            multiplexer.AddRun(str(folder), name)
            self._read_run(multiplexer.GetAccumulator(name), name, files.Events(folder))

    def _read_run(self, accumulator: Any, name: str, events: files.Events) -> None:
        accumulator._generator = events  # noqa: SLF001  (its own opens pipes, and ends at the first thing it does not know)
        before = -1
        while before < events.taken:
            before = events.taken
            events.damaged += not _took(accumulator)
        if events.problem is not None:
            self.problems[name] = events.problem
        self.damaged[name] = events.damaged
        self._curves[name] = events.curves

    def list_scalars(self, ctx: Any = None, *, plugin_name: str, **asked: Any) -> Any:
        """As TensorBoard's own, from what was kept aside."""
        if plugin_name != PLUGIN_NAME:
            return super().list_scalars(ctx, plugin_name=plugin_name, **asked)
        return self._chosen(lambda curve: curve.listed(), asked.get("run_tag_filter"))

    def read_scalars(self, ctx: Any = None, *, plugin_name: str, **asked: Any) -> Any:
        """As TensorBoard's own, from what was kept aside, and all of it: nothing here is a sample."""
        if plugin_name != PLUGIN_NAME:
            return super().read_scalars(ctx, plugin_name=plugin_name, **asked)
        return self._chosen(lambda curve: curve.data(), asked.get("run_tag_filter"))

    def _chosen(
        self, made: Callable[[Curve], Any], wanted: RunTagFilter | None
    ) -> dict[str, dict[str, Any]]:
        runs, tags = (wanted or _EVERY).runs, (wanted or _EVERY).tags
        found = {
            run: {tag: made(curve) for tag, curve in curves if tags is None or tag in tags}
            for run, curves in self._curves.items()
            if runs is None or run in runs
        }
        return {run: some for run, some in found.items() if some}


def _took(accumulator: Any) -> bool:
    """Whether the accumulator has taken all events; it goes on behind the one that it could not take."""
    try:
        accumulator.Reload()
    except Exception:  # noqa: BLE001  (whatever TensorBoard raises for what stands in a file)
        return False
    return True


def open_folder(logdir: str, places: Iterable[Path] | None = None) -> Any:
    """A `DataProvider` (see `Folder`) over everything that lies in a folder now, the tails of its runs included.

    The Python loader is used on purpose: when it returns, all is read; TensorBoard's data server cannot say when it is done.

    Args:
        logdir: a folder; runs are its sub-folders with event files. Or one event file: a run of that name in its folder.
            Of an address such as `s3://…` all files are brought here.
        places: the runs that are read, as `event_folders` finds them; all without it.

    Raises:
        OSError: there is no such folder, it is a file and no event file, or it cannot be read.
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
    """The folder on this machine that runs are named from, and the places in it that hold event files.

    Raises:
        FileNotFoundError: there is no such folder.
        NotADirectoryError: it is a file, and no event file.
    """
    path = Path(remote.here(logdir)).expanduser()
    if files.is_event_file(path):
        return path.parent, iter([path])
    if not path.exists():
        raise FileNotFoundError(f"no such folder: {logdir}")
    if not path.is_dir():
        raise NotADirectoryError(f"not a folder, and no event file: {logdir}")
    return path, files.runs(path)
