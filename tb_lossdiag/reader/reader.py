"""Reads runs through a `DataProvider`, keeping what cannot change."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tensorboard.context import RequestContext
from tensorboard.data.provider import RunTagFilter

from tb_lossdiag.quantities import frame_quantities
from tb_lossdiag.reader.assemble import SessionData, Shard, assemble
from tb_lossdiag.reader.bounds import DAMAGED
from tb_lossdiag.reader.own_values import with_own_values
from tb_lossdiag.reader.scalars import LeftOut, ScalarRun, Scalars
from tb_lossdiag.reader.series import with_scalars
from tb_lossdiag.run import Run
from tb_lossdiag.wire.schema import (
    FACTS,
    PLUGIN,
    UNCHECKED,
    Fact,
    Tag,
    TooNew,
    check_fact,
    decode_fact,
    decode_header,
    parse_tag,
    readable,
)

_ALL = 2**31 - 1
"""More samples than a tag can hold: the provider then returns every one."""

Stamp = tuple[str, int, str, int]
"""A tag's text, its newest step and wall time (spelled: NaN equals itself then), and the version of its format."""


@dataclass(frozen=True)
class Listing:
    """What one listing says of a run, without reading it.

    Attributes:
        run: its name.
        version: changes exactly when something was recorded.
        tags: where each tag of ours ends.
        headers: quantities of each.
        problem: why it cannot be read, or None.
        scalars: plain scalars that fill in what we did not record; without tags of ours they are all there is.
        damaged: tags under our name that are not ours, or not any more.
    """

    run: str
    version: str
    tags: Mapping[Tag, Stamp]
    problem: str | None = None
    scalars: ScalarRun | None = None
    damaged: int = 0

    @property
    def parts(self) -> frozenset[str]:
        """TensorBoard's runs that this one is made of."""
        return frozenset({self.run}) | (self.scalars.runs if self.scalars else frozenset())

    @property
    def newest(self) -> float:
        """Wall time of the newest record; minus infinity where that is none."""
        ours = (stamp[2] for stamp in self.tags.values())
        times = (float(time) for time in (*ours, *(self.scalars.times if self.scalars else ())))
        return max((time for time in times if time < math.inf), default=-math.inf)


@dataclass
class _CachedRun:
    """What the reader keeps of a run. One at a time reads it; other runs are not kept waiting."""

    version: str = ""
    run: Run | None = None
    values: dict[Tag, tuple[Stamp, Any]] = field(default_factory=dict)
    parts: frozenset[str] = frozenset()
    lock: threading.Lock = field(default_factory=threading.Lock)


class Reader:
    """Runs of a data provider. Thread-safe; an unchanged run costs its share of one listing.

    Args:
        provider: a `tensorboard.data.provider.DataProvider`.
        scalars: how to read runs that nobody instrumented; None takes the usual tags.
        salt: part of every version: what was made of a run is out of date with another one.
    """

    def __init__(self, provider: Any, scalars: Scalars | None = None, salt: str = "") -> None:
        self._salt = salt
        self._provider = provider
        self._scalars = scalars or Scalars(provider)
        self._kept: dict[tuple[str, str], _CachedRun] = {}
        self._lock = threading.Lock()

    def listings(
        self, context: RequestContext | None = None, experiment_id: str = ""
    ) -> dict[str, Listing]:
        """The runs that hold records of ours or a loss among their scalars, by name."""
        context = context or RequestContext()
        listed = self._provider.list_tensors(
            context, experiment_id=experiment_id, plugin_name=PLUGIN
        )
        ours = {run: entry for run, tags in listed.items() if (entry := _listing(run, tags))}
        found = self._scalars.found(context, experiment_id, ours)
        named = {run: _with(ours.get(run), run, found.get(run)) for run in {*ours, *found}}
        listings = {run: entry for run, entry in named.items() if entry is not None}
        listings |= {run: Listing(run, why, {}, why) for run, why in self._problems().items()}
        spelled = (_spelled(listings[run]) for run in sorted(listings))
        return {e.run: replace(e, version=self._salt + e.version) for e in spelled}

    def left_out(
        self, listings: Mapping[str, Listing], experiment_id: str = ""
    ) -> dict[str, LeftOut]:
        """Runs with scalars that these listings, the last that were made, leave out: nothing among them is known as a loss."""
        taken = {part for listing in listings.values() for part in listing.parts} | {*listings}
        without = self._scalars.without_loss(experiment_id)
        return {run: entry for run, entry in sorted(without.items()) if not entry.runs & taken}

    def _problems(self) -> Mapping[str, str]:
        """Runs that the provider could not read; only our own says so."""
        found: Mapping[str, str] = getattr(self._provider, "problems", {})
        return found

    def read(
        self, listing: Listing, context: RequestContext | None = None, experiment_id: str = ""
    ) -> Run:
        """The run of a listing; only tags that changed since the last call are read again.

        Raises:
            ValueError: the listing has a problem, or nothing of what was recorded can be read.
        """
        if listing.problem is not None:
            raise ValueError(listing.problem)
        with self._lock:
            kept = self._kept.setdefault((experiment_id, listing.run), _CachedRun())
        with kept.lock:
            if kept.run is None or kept.version != listing.version:
                self._refresh(kept, listing, context or RequestContext(), experiment_id)
            assert kept.run is not None  # noqa: S101  (set by _refresh)
            return kept.run

    def forget(self, run: str, experiment_id: str = "") -> None:
        """Keep nothing of a run: it is gone, or makes room for others. Asked for again it is read as a whole."""
        with self._lock:
            kept = self._kept.pop((experiment_id, run), None)
        if kept is not None:
            self._scalars.forget(kept.parts, experiment_id)

    def _refresh(
        self, kept: _CachedRun, listing: Listing, context: RequestContext, experiment_id: str
    ) -> None:
        kept.parts = listing.parts
        for tag, stamp in listing.tags.items():
            if tag not in kept.values or kept.values[tag][0] != stamp:
                data = self._data(listing.run, stamp[0], context, experiment_id)
                kept.values[tag] = (stamp, _decoded(tag, stamp[3], data))
        kept.values = {tag: value for tag, value in kept.values.items() if tag in listing.tags}
        run = assemble(listing.run, _sessions(kept, listing), self._lost(listing))
        if listing.scalars is not None:
            read = self._scalars.read(listing.scalars, context, experiment_id)
            run = with_scalars(run, listing.scalars.plan, read, listing.scalars.unread())
        run = with_own_values(run)
        if not run.tables and "damaged" in run.facts:
            raise ValueError(f"nothing is left: {run.facts['damaged']} values or more are damaged")
        kept.run, kept.version = run, listing.version

    def _lost(self, listing: Listing) -> int:
        """Records of a run that the provider left out; only our own counts them."""
        found: Mapping[str, int] = getattr(self._provider, "damaged", {})
        return listing.damaged + sum(found.get(part, 0) for part in listing.parts)

    def _data(
        self, run: str, tag: str, context: RequestContext, experiment_id: str
    ) -> list[Any] | None:
        """All values of one tag, None if one of them is such that TensorBoard cannot take any of them apart.

        Never several tags at once: the data server bounds an answer's size.
        """
        try:
            found = self._provider.read_tensors(
                context,
                experiment_id=experiment_id,
                plugin_name=PLUGIN,
                downsample=_ALL,
                run_tag_filter=RunTagFilter(runs=[run], tags=[tag]),
            )
        except DAMAGED:
            return None
        return list(found.get(run, {}).get(tag, []))


def _listing(run: str, series: Mapping[str, Any]) -> Listing | None:
    """The listing of a run, None if nothing in it is ours."""
    tags: dict[Tag, Stamp] = {}
    problem, damaged = None, 0
    for text, entry in series.items():
        tag, header = parse_tag(text), decode_header(entry.plugin_content)
        if isinstance(header, TooNew):
            problem = (
                f"recorded with format {header.version} of a newer tb-lossdiag: upgrade this one"
            )
        elif tag is not None and header is not None and header.frame == tag.frame:
            tags[tag] = (text, entry.max_step, repr(entry.max_wall_time), header.version)
        else:
            damaged += 1
    version = f"{hash((frozenset(tags.values()), damaged)):x}"
    return Listing(run, version, tags, problem, damaged=damaged) if series else None


def _spelled(listing: Listing) -> Listing:
    """The same listing; a folder's name that is no text is spelled out, and cannot be read under it."""
    name = readable(listing.run)
    why = "the name of its folder is not UTF-8: rename it"
    return listing if name == listing.run else Listing(name, listing.version, {}, why)


def _with(ours: Listing | None, run: str, found: ScalarRun | None) -> Listing | None:
    """Our listing with the scalars that add something; None if there is nothing to judge."""
    if found is None or (ours is not None and ours.problem is not None):
        return ours
    if ours is not None:
        recorded = {q.name for tag in ours.tags for q in frame_quantities(tag.frame)}
        found = replace(found, plan=found.plan.without(recorded))
    elif not found.plan.can_be_judged():
        return None
    if ours is not None and not found.plan.sources and found.runs <= {run}:
        return ours
    stamps = {found.stamps[source] for source in found.plan.series()}
    version = f"{ours.version if ours else ''}-{hash(frozenset(stamps)):x}"
    base = ours or Listing(run, "", {})
    return replace(base, version=version, scalars=found)


def _decoded(tag: Tag, version: int, data: list[Any] | None) -> Any:
    """A shard, or the facts of a session: None for a damaged one."""
    if tag.frame != FACTS:
        return Shard.lost() if data is None else Shard.of(tag, version, data)
    return [None] if data is None else [_fact(tag, version, datum) for datum in data]


def _fact(tag: Tag, version: int, datum: Any) -> Fact | None:
    payload = datum.numpy.item() if datum.numpy.size == 1 else None
    if not isinstance(payload, bytes):
        return None
    if version > UNCHECKED:
        return check_fact(tag, payload, datum.step, datum.wall_time)
    return decode_fact(payload)


def _sessions(kept: _CachedRun, listing: Listing) -> list[SessionData]:
    """Sessions in the order they began; names sort by time."""
    tags: dict[str, list[Tag]] = {}
    for tag in listing.tags:
        tags.setdefault(tag.session, []).append(tag)
    sessions = []
    for name in sorted(tags):
        own = {tag: kept.values[tag][1] for tag in tags[name]}
        read = own.pop(Tag(FACTS, name), [])
        facts = [fact for fact in read if fact is not None]
        shards = sorted(own.items(), key=lambda item: item[0].shard)
        sessions.append(SessionData(facts, shards, len(read) - len(facts)))
    return sessions
