"""Runs that nobody instrumented: plain scalars in their event files, read through the data provider."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tensorboard.context import RequestContext
from tensorboard.data.provider import RunTagFilter

from tb_lossdiag.quantities import LOSS
from tb_lossdiag.reader.bounds import DAMAGED
from tb_lossdiag.reader.curves import PLUGIN_NAME
from tb_lossdiag.reader.logs.names import is_log_run
from tb_lossdiag.reader.phases import Source, grouped
from tb_lossdiag.reader.plan import Plan, TagMap, plan, require_known
from tb_lossdiag.reader.series import Series
from tb_lossdiag.reader.unread import facts, ordered, resembling
from tb_lossdiag.visible import visible

logger = logging.getLogger(__name__)

DEFAULT_LIMIT = 1000
"""Values of a scalar tag that TensorBoard keeps (a random sample and the last), unless `--samples_per_plugin scalars=N` says else."""
_EXPERIMENTS = 16
"""Experiments whose listing is kept; TensorBoard's own loaders have one."""
_SHOWN = 4
"""Tags of a run that is left out, to choose from."""
_ALL = 2**31 - 1
_SHARE = 0.05
"""Share of the time that listing scalars may take: big folders are listed less often instead of slowing every request."""

Stamp = tuple[int, str]


@dataclass(frozen=True)
class ScalarRun:
    """A run with scalars that mean something.

    Attributes:
        plan: what they mean.
        stamps: where each series ends; changes when something is written.
        runs: TensorBoard's runs it is made of.
        tags: all that it has, with phases in front.
    """

    plan: Plan
    stamps: Mapping[Source, Stamp]
    runs: frozenset[str]
    tags: Mapping[str, Source] = field(default_factory=dict)

    @property
    def times(self) -> list[str]:
        """Wall times, spelled, of the ends of its series."""
        return [time for _, time in self.stamps.values()]

    def unread(self) -> dict[str, str]:
        """Facts about scalars that nobody knows. Not for each listing: there may be thousands."""
        return facts(self.tags, self.plan)


@dataclass(frozen=True)
class LeftOut:
    """A run with scalars that has no curve to judge.

    Attributes:
        runs: TensorBoard's runs it is made of.
        tags: some of its tags, those first that may be the loss.
        no_descent: the tag that says that its loss measures no progress, else "".
        more: tags that are not named here.
        perhaps: the tag that may be the loss by what it is called, else "".
    """

    runs: frozenset[str]
    tags: tuple[str, ...]
    no_descent: str
    more: int = 0
    perhaps: str = ""

    @classmethod
    def of(cls, entry: ScalarRun, tags: Collection[str]) -> LeftOut:
        """A run with these tags."""
        first = ordered(tags)[:_SHOWN]
        more = len(tags) - len(first)
        return cls(entry.runs, tuple(first), entry.plan.no_descent, more, resembling(LOSS, tags))


@dataclass
class _CachedListing:
    """The last listing of an experiment."""

    alone: frozenset[str]
    found: dict[str, ScalarRun]
    without_loss: dict[str, LeftOut]
    until: float


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
        self, provider: Any, limit: int = DEFAULT_LIMIT, mapped: TagMap | None = None
    ) -> None:
        self._provider = provider
        self._limit = limit
        self._mapped = mapped or {}
        require_known(self._mapped, "map")
        self._kept: dict[str, _CachedListing] = {}
        self._series: dict[tuple[str, Source], tuple[Stamp, Series]] = {}
        self._lock = threading.Lock()
        self._series_lock = threading.Lock()

    def without_loss(self, experiment_id: str) -> Mapping[str, LeftOut]:
        """Runs with scalars, but none that is a loss, as the last listing saw them."""
        with self._lock:
            kept = self._kept.get(experiment_id)
            return kept.without_loss if kept is not None else {}

    def found(
        self, context: RequestContext, experiment_id: str, alone: Collection[str]
    ) -> dict[str, ScalarRun]:
        """Runs with a recognised scalar, by name. Sub-runs of phases are joined, but for those in `alone`."""
        with self._lock:
            kept = self._kept.get(experiment_id)
            known = kept is not None and kept.alone == frozenset(alone)
            if kept is None or not known or time.monotonic() >= kept.until:
                kept = self._listed(context, experiment_id, frozenset(alone))
                self._keep(experiment_id, kept)
            return kept.found

    def read(
        self, found: ScalarRun, context: RequestContext, experiment_id: str
    ) -> dict[Source, Series]:
        """The series of a run; only those that grew since the last call are read again."""
        wanted = {source: (experiment_id, source) for source in found.plan.series()}
        with self._series_lock:
            kept = {source: self._series.get(key) for source, key in wanted.items()}
        read = {s: k for s, k in kept.items() if k is not None and k[0] == found.stamps[s]}
        old = [source for source in wanted if source not in read]
        for run in {source.run for source in old}:
            tags = [source.tag for source in old if source.run == run]
            for tag, data in self._data(run, tags, context, experiment_id).items():
                source = Source(run, tag)
                limit = 0 if is_log_run(run) else self._limit
                read[source] = (found.stamps[source], Series.of(data, limit))
        with self._series_lock:
            self._series.update({wanted[source]: read[source] for source in old})
        return {source: read[source][1] for source in wanted}

    def forget(self, runs: Collection[str], experiment_id: str) -> None:
        """Keep no series of these runs."""
        self._drop(lambda source: source.run in runs, experiment_id)

    def _listed(
        self, context: RequestContext, experiment_id: str, alone: frozenset[str]
    ) -> _CachedListing:
        began = time.monotonic()
        listed = self._list(context, experiment_id)
        groups = grouped(listed, alone)
        entries = {run: _found(tags, listed, self._mapped) for run, tags in groups.items()}
        found = {run: entry for run, entry in entries.items() if entry.plan.sources}
        without = {
            run: LeftOut.of(entry, groups[run])
            for run, entry in entries.items()
            if not entry.plan.can_be_judged()
        }
        now = time.monotonic()
        return _CachedListing(alone, found, without, now + (now - began) / _SHARE)

    def _list(self, context: RequestContext, experiment_id: str) -> Mapping[str, Mapping[str, Any]]:
        """Tags of every run; none, with a warning, from a provider that fails here: our own records stand without them."""
        try:
            listed: Mapping[str, Mapping[str, Any]] = self._provider.list_scalars(
                context, experiment_id=experiment_id, plugin_name=PLUGIN_NAME
            )
        except Exception as error:  # noqa: BLE001  (a provider may be anything, hosted ones included)
            logger.warning("Loss Doctor could not list plain scalars: %s", visible(str(error)))
            return {}
        return listed

    def _keep(self, experiment_id: str, kept: _CachedListing) -> None:
        """Keep a listing; drop what was read of runs that are gone, and the listing of the experiment that is the oldest."""
        self._kept.pop(experiment_id, None)
        self._kept[experiment_id] = kept
        listed = {source for entry in kept.found.values() for source in entry.stamps}
        self._drop(lambda source: source not in listed, experiment_id)
        if len(self._kept) > _EXPERIMENTS:
            oldest = next(iter(self._kept))
            del self._kept[oldest]
            self._drop(lambda _: True, oldest)

    def _drop(self, unwanted: Callable[[Source], bool], experiment_id: str) -> None:
        with self._series_lock:
            for key in [k for k in self._series if k[0] == experiment_id and unwanted(k[1])]:
                del self._series[key]

    def _data(
        self, run: str, tags: Sequence[str], context: RequestContext, experiment_id: str
    ) -> dict[str, list[Any] | None]:
        """All tags of a run at once: a call to the data server takes tens of milliseconds, however little it brings.

        Where one of the values is none, each tag alone: None for those that cannot be read.
        """
        try:
            return self._asked(run, tags, context, experiment_id)
        except DAMAGED:
            if len(tags) == 1:
                return {tags[0]: None}
        alone = [self._data(run, [tag], context, experiment_id) for tag in tags]
        return {tag: data for answer in alone for tag, data in answer.items()}

    def _asked(
        self, run: str, tags: Sequence[str], context: RequestContext, experiment_id: str
    ) -> dict[str, list[Any] | None]:
        answer = self._provider.read_scalars(
            context,
            experiment_id=experiment_id,
            plugin_name=PLUGIN_NAME,
            downsample=_ALL,
            run_tag_filter=RunTagFilter(runs=[run], tags=tags),
        )
        found = answer.get(run, {})
        return {tag: list(found.get(tag, [])) for tag in tags}


def _found(tags: Mapping[str, Source], listed: Mapping[str, Any], mapped: TagMap) -> ScalarRun:
    chosen = plan(tags, mapped)
    stamps = {source: _stamp(listed[source.run][source.tag]) for source in chosen.series()}
    return ScalarRun(chosen, stamps, frozenset(source.run for source in tags.values()), tags)


def _stamp(entry: Any) -> Stamp:
    return entry.max_step, repr(entry.max_wall_time)  # NaN equals itself then
