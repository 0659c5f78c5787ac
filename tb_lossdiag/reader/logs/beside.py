"""The logs of a folder, for a data provider that knows event files only."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tensorboard.data.provider import RunTagFilter

from tb_lossdiag.reader import files
from tb_lossdiag.reader.contents import Contents
from tb_lossdiag.reader.curves import PLUGIN_NAME
from tb_lossdiag.reader.logs.file import read
from tb_lossdiag.reader.logs.names import named

_SHARE = 0.05
"""Share of the time that looking for logs may take."""
_PAUSE = 5.0
"""Seconds between two looks at least: TensorBoard's own between two looks at its event files."""
Stamp = tuple[int, int]


def with_logs(provider: Any, logdir: str) -> Any:
    """The provider, with the logs that lie in the folder where that is local.

    Args:
        provider: a `tensorboard.data.provider.DataProvider`.
        logdir: the folder that it reads. Empty or remote: there are none.
    """
    if not logdir or "://" in logdir or getattr(provider, "has_logs", False):
        return provider
    return WithLogs(provider, Path(logdir).expanduser())


class WithLogs:
    """A data provider with logs as runs of scalars. Thread-safe.

    Args:
        provider: of the event files.
        folder: where logs are looked for.

    Attributes:
        problems: why a log cannot be read, by its run's name.
        damaged: lines of a log that were left out, by its run's name.
    """

    def __init__(self, provider: Any, folder: Path) -> None:
        self._provider, self._folder = provider, folder
        self._lock = threading.Lock()
        self._until = 0.0
        self._read: dict[Path, tuple[Stamp, dict[str, Contents]]] = {}
        self._runs: dict[str, Contents] = {}
        self.problems: Mapping[str, str] = {}
        self.damaged: Mapping[str, int] = {}

    def __getattr__(self, name: str) -> Any:
        """Everything else is the provider's."""
        return getattr(self._provider, name)

    def list_scalars(self, context: Any = None, *, plugin_name: str, **asked: Any) -> Any:
        """As the provider's, and the tags of the logs."""
        listed = self._provider.list_scalars(context, plugin_name=plugin_name, **asked)
        if plugin_name != PLUGIN_NAME or asked.get("run_tag_filter") is not None:
            return listed
        return {**self._listed(), **listed}

    def read_scalars(self, context: Any = None, *, plugin_name: str, **asked: Any) -> Any:
        """As the provider's, and the logs' numbers, all of them."""
        chosen = asked.get("run_tag_filter") or RunTagFilter()
        with self._lock:
            runs = dict(self._runs)
        mine = [run for run in chosen.runs or () if run in runs]
        if plugin_name != PLUGIN_NAME or not mine:
            return self._provider.read_scalars(context, plugin_name=plugin_name, **asked)
        return {
            run: {
                t: c.data()
                for t, c in runs[run].curves()
                if chosen.tags is None or t in chosen.tags
            }
            for run in mine
        }

    def _listed(self) -> dict[str, dict[str, Any]]:
        with self._lock:
            began = time.monotonic()
            if began >= self._until:
                self._look()
                took = time.monotonic() - began
                self._until = began + max(_PAUSE, took / _SHARE)
            found = {run: dict(contents.curves()) for run, contents in self._runs.items()}
        return {r: {t: c.listed() for t, c in tags.items()} for r, tags in found.items() if tags}

    def _look(self) -> None:
        """Read what is new; a log that has grown is read as a whole."""
        old, self._read = self._read, {}
        for path in files.logs(self._folder):
            stamp = _stamp(path)
            if stamp is not None:
                known = old.get(path)
                self._read[path] = known if known and known[0] == stamp else (stamp, read(path))
        self._runs = {
            named(os.path.relpath(path, self._folder), part): contents
            for path, (_, runs) in self._read.items()
            for part, contents in runs.items()
        }
        self.problems = {run: c.problem for run, c in self._runs.items() if c.problem is not None}
        self.damaged = {run: contents.damaged for run, contents in self._runs.items()}


def _stamp(path: Path) -> Stamp | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns
