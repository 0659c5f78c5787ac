"""Which settings the runs with a cause have more often than the others."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

Settings = Mapping[str, str]

_FEW = 8
"""Different values, up to which each is looked at; of more, if they are numbers, the lowest and the highest quarter."""
_RUNS = 3
"""Runs with the cause and the value, below which it may be anything."""
_TIMES = 1.5
"""How much more often than among all."""
_CHANCE = 0.01
"""How likely it is that any of the values that were looked at stands out so much by chance."""
_SHOWN = 3


@dataclass(frozen=True)
class Over:
    """A value that runs with a cause have more often.

    Attributes:
        name: of the setting.
        value: as it is set, or "≤ 0.1", "≥ 0.1".
        among: runs with the cause and the value.
        of: runs with the cause.
        all_with: runs with the value.
        chance: of so many by chance, times the values that were looked at.
    """

    name: str
    value: str
    among: int
    of: int
    all_with: int
    chance: float


def over_represented(runs: Mapping[str, Settings], sick: Iterable[str]) -> list[Over]:
    """What stands out, the least likely first; of several that mean the same runs the first.

    Args:
        runs: settings of each run, by its name.
        sick: names of those with the cause.
    """
    chosen = set(sick) & set(runs)
    looked = list(_candidates(runs))
    found = []
    for name, value, having in looked:
        among = len(having & chosen)
        expected = len(having) * len(chosen) / len(runs)
        if among >= _RUNS and among >= _TIMES * expected:
            chance = _at_least(among, len(having), len(chosen), len(runs)) * len(looked)
            if chance < _CHANCE:
                over = Over(name, value, among, len(chosen), len(having), min(chance, 1.0))
                found.append((over, frozenset(having)))
    found.sort(key=lambda each: (each[0].chance, each[0].name))
    return list({having: over for over, having in reversed(found)}.values())[::-1][:_SHOWN]


def _candidates(runs: Mapping[str, Settings]) -> Iterator[tuple[str, str, set[str]]]:
    """Name, value and the runs that have it; what all have alike tells nothing."""
    names = Counter(name for settings in runs.values() for name in settings)
    for name in sorted(names):
        having = {run: settings[name] for run, settings in runs.items() if name in settings}
        values = set(having.values())
        if len(values) > _FEW:
            yield from _quarters(name, having)
        elif len(values) > 1 or len(having) < len(runs):
            for value in sorted(values):
                yield name, value, {run for run, own in having.items() if own == value}


def _quarters(name: str, having: Mapping[str, str]) -> Iterator[tuple[str, str, set[str]]]:
    """The lowest and the highest quarter of numbers; nothing of what is no number."""
    try:
        numbers = {run: float(value) for run, value in having.items()}
    except ValueError:
        return
    ordered = sorted(numbers.values())
    low, high = ordered[len(ordered) // 4], ordered[-1 - len(ordered) // 4]
    yield name, f"≤ {low:.3g}", {run for run, number in numbers.items() if number <= low}
    yield name, f"≥ {high:.3g}", {run for run, number in numbers.items() if number >= high}


def _at_least(among: int, having: int, chosen: int, total: int) -> float:
    """Fisher's exact test: chance that of `chosen` runs drawn from all so many or more have what `having` of `total` have."""
    most: Sequence[int] = range(among, min(having, chosen) + 1)
    whole = _ways(total, chosen)
    return sum(
        math.exp(_ways(having, k) + _ways(total - having, chosen - k) - whole)
        for k in most
        if chosen - k <= total - having
    )


def _ways(of: int, some: int) -> float:
    """Logarithm of the number of ways to choose some of them."""
    return math.lgamma(of + 1) - math.lgamma(some + 1) - math.lgamma(of - some + 1)
