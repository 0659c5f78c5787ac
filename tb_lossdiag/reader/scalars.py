"""Runs that nobody instrumented: plain scalars in their event files, read through the data provider."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from tensorboard.context import RequestContext
from tensorboard.data.provider import RunTagFilter

from tb_lossdiag.reader.phases import Source, grouped
from tb_lossdiag.reader.plan import Mapped, Plan, plan, wanted
from tb_lossdiag.reader.series import Series

PLUGIN_NAME = "scalars"
DEFAULT_LIMIT = 1000
"""Values of a scalar tag that TensorBoard keeps (a random sample and the last), unless `--samples_per_plugin scalars=N` says else."""
_ALL = 2**31 - 1
_SHARE = 0.05
"""Share of the time that listing scalars may take: big folders are listed less often instead of slowing every request."""

Stamp = tuple[int, float]


@dataclass(frozen=True)
class Found:
    """A run with scalars that mean something.

    Attributes:
        plan: what they mean.
        stamps: where each series ends; changes when something is written.
        runs: TensorBoard's runs it is made of.
    """

    plan: Plan
    stamps: Mapping[Source, Stamp]
    runs: frozenset[str]


@dataclass
class _Kept:
    """The last listing of an experiment."""

    alone: frozenset[str]
    found: dict[str, Found]
    until: float
    series: dict[Source, tuple[Stamp, Series]] = field(default_factory=dict)


class Scalars:
    """Plain scalars of a data provider. Thread-safe.

    Args:
        provider: a `tensorboard.data.provider.DataProvider`.
        limit: most values that it keeps of a tag, 0 for all; series that reach it are marked as thinned.
        mapped: tags that the user names.

    Raises:
        ValueError: the mapping names no quantity.
    """

    def __init__(
        self, provider: Any, limit: int = DEFAULT_LIMIT, mapped: Mapped | None = None
    ) -> None:
        self._provider = provider
        self._limit = limit
        self._mapped = mapped or {}
        for key in self._mapped:
            wanted(key)
        self._kept: dict[str, _Kept] = {}
        self._lock = threading.Lock()

    def found(
        self, context: RequestContext, experiment_id: str, alone: Collection[str]
    ) -> dict[str, Found]:
        """Runs with a recognised scalar, by name. Sub-runs of phases are joined, but for those in `alone`."""
        with self._lock:
            kept = self._kept.get(experiment_id)
            fresh = kept is not None and kept.alone == frozenset(alone)
            if kept is None or not fresh or time.monotonic() >= kept.until:
                kept = self._listed(context, experiment_id, frozenset(alone), kept)
                self._kept[experiment_id] = kept
            return kept.found

    def read(
        self, found: Found, wanted_plan: Plan, context: RequestContext, experiment_id: str
    ) -> dict[Source, Series]:
        """The series of a plan; only those that grew since the last call are read again."""
        with self._lock:
            kept = self._kept[experiment_id]
            for source in wanted_plan.series():
                stamp = found.stamps[source]
                if source not in kept.series or kept.series[source][0] != stamp:
                    data = self._data(source, context, experiment_id)
                    kept.series[source] = (stamp, Series.of(data, self._limit))
            return {source: kept.series[source][1] for source in wanted_plan.series()}

    def _listed(
        self, context: RequestContext, experiment_id: str, alone: frozenset[str], old: _Kept | None
    ) -> _Kept:
        began = time.monotonic()
        listed = self._provider.list_scalars(
            context, experiment_id=experiment_id, plugin_name=PLUGIN_NAME
        )
        found = {}
        for run, tags in grouped(listed, alone).items():
            entry = _found(tags, listed, self._mapped)
            if entry.plan.sources:
                found[run] = entry
        now = time.monotonic()
        until = now + (now - began) / _SHARE
        known = {source for entry in found.values() for source in entry.stamps}
        series = (
            {source: kept for source, kept in old.series.items() if source in known} if old else {}
        )
        return _Kept(alone, found, until, series)

    def _data(self, source: Source, context: RequestContext, experiment_id: str) -> list[Any]:
        answer = self._provider.read_scalars(
            context,
            experiment_id=experiment_id,
            plugin_name=PLUGIN_NAME,
            downsample=_ALL,
            run_tag_filter=RunTagFilter(runs=[source.run], tags=[source.tag]),
        )
        return list(answer.get(source.run, {}).get(source.tag, []))


def _found(tags: Mapping[str, Source], listed: Mapping[str, Any], mapped: Mapped) -> Found:
    chosen = plan(tags, mapped)
    stamps = {source: _stamp(listed[source.run][source.tag]) for source in chosen.series()}
    return Found(chosen, stamps, frozenset(source.run for source in tags.values()))


def _stamp(entry: Any) -> Stamp:
    return entry.max_step, entry.max_wall_time
