"""Reads runs through a `DataProvider`, keeping what cannot change."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tensorboard.context import RequestContext
from tensorboard.data.provider import RunTagFilter

from tb_lossdiag.reader.assemble import SessionData, Shard, assemble
from tb_lossdiag.records import Run
from tb_lossdiag.schema import (
    FACTS,
    PLUGIN,
    Fact,
    Tag,
    TooNew,
    decode_fact,
    decode_header,
    parse_tag,
)

_ALL = 2**31 - 1
"""More samples than a tag can hold: the provider then returns every one."""

Stamp = tuple[str, int, float]


@dataclass(frozen=True)
class Listing:
    """What one listing says of a run, without reading it.

    Attributes:
        run: its name.
        version: changes exactly when something was recorded.
        problem: why it cannot be read, or None.
    """

    run: str
    version: str
    tags: Mapping[Tag, Stamp]
    problem: str | None = None


@dataclass
class _Kept:
    """What the reader keeps of a run."""

    version: str = ""
    run: Run | None = None
    values: dict[Tag, tuple[Stamp, Any]] = field(default_factory=dict)


class Reader:
    """Runs of a data provider. Thread-safe; an unchanged run costs its share of one listing.

    Args:
        provider: a `tensorboard.data.provider.DataProvider`.
    """

    def __init__(self, provider: Any) -> None:
        self._provider = provider
        self._kept: dict[tuple[str, str], _Kept] = {}
        self._lock = threading.Lock()

    def listings(
        self, context: RequestContext | None = None, experiment_id: str = ""
    ) -> dict[str, Listing]:
        """The runs that hold records of ours, by name."""
        found = self._provider.list_tensors(
            context or RequestContext(), experiment_id=experiment_id, plugin_name=PLUGIN
        )
        listings = {run: _listing(run, tags) for run, tags in found.items()}
        return {run: entry for run, entry in sorted(listings.items()) if entry is not None}

    def read(
        self, listing: Listing, context: RequestContext | None = None, experiment_id: str = ""
    ) -> Run:
        """The run of a listing; only tags that changed since the last call are read again.

        Raises:
            ValueError: the listing has a problem.
        """
        if listing.problem is not None:
            raise ValueError(listing.problem)
        with self._lock:
            kept = self._kept.setdefault((experiment_id, listing.run), _Kept())
            if kept.run is None or kept.version != listing.version:
                self._refresh(kept, listing, context or RequestContext(), experiment_id)
            assert kept.run is not None  # noqa: S101  (set by _refresh)
            return kept.run

    def _refresh(
        self, kept: _Kept, listing: Listing, context: RequestContext, experiment_id: str
    ) -> None:
        for tag, stamp in listing.tags.items():
            if tag not in kept.values or kept.values[tag][0] != stamp:
                data = self._data(listing.run, str(tag), context, experiment_id)
                kept.values[tag] = (stamp, _decoded(tag, data))
        kept.values = {tag: value for tag, value in kept.values.items() if tag in listing.tags}
        kept.run = assemble(listing.run, _sessions(kept, listing))
        kept.version = listing.version

    def _data(self, run: str, tag: str, context: RequestContext, experiment_id: str) -> list[Any]:
        """All values of one tag. Never several tags at once: the data server bounds an answer's size."""
        found = self._provider.read_tensors(
            context,
            experiment_id=experiment_id,
            plugin_name=PLUGIN,
            downsample=_ALL,
            run_tag_filter=RunTagFilter(runs=[run], tags=[tag]),
        )
        return list(found.get(run, {}).get(tag, []))


def _listing(run: str, series: Mapping[str, Any]) -> Listing | None:
    """The listing of a run, None if nothing in it is ours."""
    tags: dict[Tag, Stamp] = {}
    problem = None
    for text, entry in series.items():
        tag, header = parse_tag(text), decode_header(entry.plugin_content)
        if isinstance(header, TooNew):
            problem = (
                f"recorded with format {header.version} of a newer tb-lossdiag: upgrade this one"
            )
        elif tag is not None and header is not None:
            tags[tag] = (text, entry.max_step, entry.max_wall_time)
    if not tags and problem is None:
        return None
    return Listing(run, f"{hash(frozenset(tags.values())):x}", tags, problem)


def _decoded(tag: Tag, data: list[Any]) -> Any:
    if tag.frame != FACTS:
        return Shard.of(data)
    facts = [_fact(datum) for datum in data]
    return [fact for fact in facts if fact is not None]


def _fact(datum: Any) -> Fact | None:
    payload = datum.numpy.item() if datum.numpy.size == 1 else None
    return decode_fact(payload) if isinstance(payload, bytes) else None


def _sessions(kept: _Kept, listing: Listing) -> list[SessionData]:
    """Sessions in the order they began; names sort by time."""
    names = sorted({tag.session for tag in listing.tags})
    sessions = []
    for name in names:
        own = {tag: kept.values[tag][1] for tag in listing.tags if tag.session == name}
        facts = own.pop(Tag(FACTS, name), [])
        shards = sorted(own.items(), key=lambda item: item[0].shard)
        sessions.append(SessionData(facts, shards))
    return sessions
