"""Tail files beside event files (see `recording/tail.py`), as the newest records of a local folder's runs.

A data provider is put around TensorBoard's own, so that whoever reads runs reads these records as any others. What the event file has
counts; a tail is left out for as long as TensorBoard has not read the records before it.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tensorboard.data import provider as data

from tb_lossdiag.reader.names import run_names
from tb_lossdiag.reader.tensors import array_of
from tb_lossdiag.wire.leftover import Leftover, is_tail, read, series, tail_path
from tb_lossdiag.wire.schema import PLUGIN, encode_header, parse_tag

_PAUSE = 5.0
"""Seconds between two looks at a run's tails: TensorBoard's own between two looks at its event files."""
_NONE = -(2**63)
"""Less than any step; those of facts are negative."""

Values = Mapping[str, list[Any]]
"""Tensor data by tag, in the order they were written."""


def with_tails(provider: Any, logdir: str, pause: float = _PAUSE) -> Any:
    """The provider, with the records of tail files where the folder is local.

    Args:
        provider: a `tensorboard.data.provider.DataProvider`.
        logdir: the folder that it reads; its runs are sub-folders. Empty or remote: there are no tails.
        pause: seconds between two looks at a run's tails.
    """
    if not logdir or "://" in logdir:
        return provider
    return WithTails(provider, os.path.expanduser(logdir), pause)  # noqa: PTH111


@dataclass
class _Seen:
    """What was seen of a run.

    Attributes:
        looked: when.
        stamps: of its tail files then.
        found: the content of each.
        usable: the newest content of each whose earlier records TensorBoard had read.
        base: what `values` were made of.
        values: what they add to the event files.
    """

    looked: float = float("-inf")
    stamps: dict[str, tuple[int, int]] = field(default_factory=dict)
    found: dict[str, Leftover | None] = field(default_factory=dict)
    usable: dict[str, Leftover] = field(default_factory=dict)
    base: tuple[list[Leftover], dict[str, int]] | None = None
    values: Values = field(default_factory=dict)


class WithTails:
    """A data provider with tails. Thread-safe."""

    def __init__(self, provider: Any, logdir: str, pause: float) -> None:
        self._provider, self._logdir, self._pause = provider, logdir, pause
        self._seen: dict[str, _Seen] = {}
        self._lock = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        """Everything else is the provider's."""
        return getattr(self._provider, name)

    def list_tensors(
        self, context: Any, *, experiment_id: str, plugin_name: str, **named: Any
    ) -> Any:
        """As the provider's, up to the newest record of a tail."""
        listed = self._provider.list_tensors(
            context, experiment_id=experiment_id, plugin_name=plugin_name, **named
        )
        if plugin_name != PLUGIN or named.get("run_tag_filter") is not None:
            return listed
        names = run_names(self._provider, context, experiment_id) | set(listed)
        with self._lock:
            self._seen = {name: self._look(name, listed.get(name, {})) for name in sorted(names)}
            added = {name: seen.values for name, seen in self._seen.items() if seen.values}
        return {**listed, **{run: _listed(listed.get(run, {}), v) for run, v in added.items()}}

    def read_tensors(
        self, context: Any, *, experiment_id: str, plugin_name: str, **named: Any
    ) -> Any:
        """As the provider's, and the records of the tails last listed."""
        found = self._provider.read_tensors(
            context, experiment_id=experiment_id, plugin_name=plugin_name, **named
        )
        chosen = named.get("run_tag_filter")
        if plugin_name != PLUGIN or chosen is None or chosen.runs is None or chosen.tags is None:
            return found
        runs = {run: dict(tags) for run, tags in found.items()}
        for run in chosen.runs:
            with self._lock:
                values = self._seen[run].values if run in self._seen else {}
            for tag in set(chosen.tags) & set(values):
                tags = runs.setdefault(run, {})
                tags[tag] = _joined(tags.get(tag, []), values[tag])
        return runs

    def _look(self, run: str, tags: Mapping[str, Any]) -> _Seen:
        seen = self._seen.get(run) or _Seen()
        if time.monotonic() - seen.looked >= self._pause:
            seen.looked = time.monotonic()
            self._read(seen, os.path.join(self._logdir, run))  # noqa: PTH118
        newest = _newest(tags) if seen.found else {}
        for path, left in seen.found.items():
            if left is not None and all(newest.get(n, _NONE) >= s for n, s in left.newest.items()):
                seen.usable[path] = left
        base = list(seen.usable.values()), newest
        if seen.base != base:
            seen.base, seen.values = base, _values(*base)
        return seen

    def _read(self, seen: _Seen, folder: str) -> None:
        stamps = dict(_tails(folder))
        for path, stamp in stamps.items():
            if seen.stamps.get(path) != stamp:
                seen.found[path] = read(path) or seen.found.get(path)
        seen.stamps = stamps
        seen.found = {path: left for path, left in seen.found.items() if path in stamps}
        seen.usable = {path: left for path, left in seen.usable.items() if path in stamps}


def _tails(folder: str) -> Iterator[tuple[str, tuple[int, int]]]:
    """Tail files with what changes when they are written; of a run that is one event file, its own."""
    own = None if os.path.isdir(folder) else os.path.basename(tail_path(folder))  # noqa: PTH112, PTH119
    folder = folder if own is None else os.path.dirname(folder)  # noqa: PTH120
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if is_tail(entry.name) and own in {None, entry.name}:
                    stamp = entry.stat()
                    yield entry.path, (stamp.st_mtime_ns, stamp.st_size)
    except OSError:
        return


def _newest(tags: Mapping[str, Any]) -> dict[str, int]:
    """Newest step of each series that the provider lists."""
    newest: dict[str, int] = {}
    for tag, entry in tags.items():
        if (name := series(tag)) is not None:
            newest[name] = max(newest.get(name, _NONE), entry.max_step)
    return newest


def _values(tails: Sequence[Leftover], newest: Mapping[str, int]) -> dict[str, list[Any]]:
    """What tails have that is newer."""
    found: dict[str, list[Any]] = {}
    for left in tails:
        for values, step, walltime in left.events:
            for value in values:
                name = series(value.tag)
                if name is not None and step > newest.get(name, _NONE):
                    found.setdefault(value.tag, []).extend(_datum(value, step, walltime))
    return found


def _datum(value: Any, step: int, walltime: float) -> Iterator[Any]:
    """A value as the provider gives it; nothing if it is damaged."""
    if value.tensor.tensor_shape.dim and not value.tensor.tensor_content:
        return  # one number for a shape as large as somebody likes
    try:
        array = array_of(value.tensor)
    except (TypeError, ValueError):
        return
    yield data.TensorDatum(step=step, wall_time=walltime, numpy=array)


def _listed(tags: Mapping[str, Any], values: Values) -> dict[str, Any]:
    """The tags of a run, the tails' ones included."""
    listed = dict(tags)
    for tag, some in values.items():
        known, parsed = listed.get(tag), parse_tag(tag)
        if parsed is None or not some:
            continue
        last = some[-1]
        listed[tag] = data.TensorTimeSeries(
            max_step=last.step,
            max_wall_time=max(last.wall_time, known.max_wall_time if known else last.wall_time),
            plugin_content=known.plugin_content if known else encode_header(parsed.frame),
            description=known.description if known else "",
            display_name=known.display_name if known else "",
        )
    return listed


def _joined(old: Any, new: list[Any]) -> list[Any]:
    """The file's data and what is newer than them."""
    last = old[-1].step if old else _NONE
    return [*old, *(datum for datum in new if datum.step > last)]
