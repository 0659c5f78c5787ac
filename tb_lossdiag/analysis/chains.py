"""Modules of one kind that follow each other, as their numbered names tell."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NamedTuple

_NUMBERED = re.compile(r"(?<![^._])(\d+)(?=\.)")


class _Place(NamedTuple):
    """A name around one of its numbers: `layers.`, 3, `.norm.weight`."""

    before: str
    number: int
    after: str


def end_a_chain(idle: Collection[str], busy: Collection[str]) -> bool:
    """Whether each of these parameters lies in the last of several numbered modules, and the same of those before it are busy.

    So is another parameter of that last module.

    >>> end_a_chain({"layers.1.edges.weight"}, {"layers.0.edges.weight", "layers.0.nodes.weight", "layers.1.nodes.weight"})
    True
    >>> end_a_chain({"layers.1.edges.weight"}, {"layers.0.edges.weight", "layers.0.nodes.weight"})
    False
    """
    rest = [place for name in busy for place in _places(name)]
    ends = {before: 0 for before, _, _ in rest}
    for before, number, _ in [*rest, *(place for name in idle for place in _places(name))]:
        ends[before] = max(ends.get(before, 0), number)
    return all(any(_is_last(place, rest, ends) for place in _places(name)) for name in idle)


def _is_last(place: _Place, busy: list[_Place], ends: dict[str, int]) -> bool:
    others = [each for each in busy if each.before == place.before]
    earlier = {each.number for each in others if each.after == place.after}
    alive = any(each.number == place.number for each in others)
    return place.number == ends.get(place.before) and alive and bool(earlier)


def _places(name: str) -> list[_Place]:
    return [
        _Place(name[: found.start()], int(found.group()), name[found.end() :])
        for found in _NUMBERED.finditer(name)
    ]
