"""Batches that a resumed run was given as it had been at its beginning, and whether an epoch may have begun there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import Sighting, at_steps, columns
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles, Steps
from tb_lossdiag.run import Run


class Resumed(NamedTuple):
    """A resume after which the batches were those of an earlier process, at as many steps from its beginning.

    Attributes:
        begins: the first step looked at after the resume.
        steps: int64[N], the steps whose batches were the same.
        apart: steps between both beginnings, as they are numbered and as they were counted.
    """

    begins: int
    steps: Steps
    apart: tuple[int, int]


class Part(NamedTuple):
    """What was seen of one process's data.

    Attributes:
        steps: int64[N].
        values: float64[N], numbers of batches.
    """

    steps: Steps
    values: Doubles

    @property
    def begins(self) -> int:
        """Its first step that was looked at."""
        return int(self.steps[0])

    def same(self, other: Part, least: int) -> Steps:
        """int64[N]: its steps with the other one's batches of as many steps from the beginning; none if one differs or fewer than `least` could."""
        _, own, its = np.intersect1d(
            self.steps - self.begins, other.steps - other.begins, return_indices=True
        )
        values = self.values[own]
        told = len(values) >= least and len(np.unique(values)) == len(values)
        return self.steps[own if told and (values == other.values[its]).all() else own[:0]]

    def fits(self, epoch: int) -> bool:
        """Whether all batches at the same place of an epoch are the same."""
        places = (self.steps - self.begins) % epoch
        both = np.stack((places.astype(np.float64), self.values))
        return len(np.unique(places)) == len(np.unique(both, axis=1).T)


@dataclass(frozen=True)
class SeenAgain:
    """What was seen of one watched model's data.

    Attributes:
        column: its name.
        parts: of each process.
        resumed: resumes at which the data began anew.
    """

    column: str
    parts: tuple[Part, ...]
    resumed: tuple[Resumed, ...]

    @property
    def may_be_epochs(self) -> bool:
        """Whether the data may come in epochs of one length and order, one of which began at each of these resumes."""
        ways = zip(*(one.apart for one in self.resumed), strict=True)
        return any(self._fits(epoch) for apart in ways for epoch in divisors(math.gcd(*apart)))

    def _fits(self, epoch: int) -> bool:
        return all(part.fits(epoch) for part in self.parts)


def divisors(number: int) -> list[int]:
    """What a positive number can be divided by.

    >>> divisors(12)
    [1, 2, 3, 4, 6, 12]
    """
    small = np.arange(1, math.isqrt(number) + 1)
    found: list[int] = small[number % small == 0].tolist()
    return sorted({*found, *(number // each for each in found)})


def resumes(run: Run) -> list[int]:
    """Steps at which another process took the run up."""
    return [restart.step for restart in run.restarts if restart.kind == "resumed"]


def seen_again(run: Run, seen: Sighting, starts: list[int], least: int) -> SeenAgain:
    """What was seen of a watched model's data, process by process; reads `STEPS`.

    Args:
        run: the run.
        seen: numbers of the model's batches.
        starts: steps at which the run was resumed.
        least: check-ups that two processes must have in common, with batches that differ from each other.
    """
    edges = np.searchsorted(seen.steps, starts)
    pieces = zip(np.split(seen.steps, edges), np.split(seen.values, edges), strict=True)
    parts = tuple(Part(*piece) for piece in pieces if len(piece[0]))
    resumed = []
    for late, part in enumerate(parts):
        found = ((part.same(early, least), early) for early in parts[:late])
        steps, early = max(found, key=lambda one: len(one[0]), default=(part.steps[:0], part))
        if len(steps):
            numbered = part.begins - early.begins
            counted = steps_between(run, seen.column, early.begins, part.begins)
            resumed.append(Resumed(part.begins, steps, (numbered, counted or numbered)))
    return SeenAgain(seen.column, parts, tuple(resumed))


def steps_between(run: Run, column: str, first: int, end: int) -> int:
    """Steps of a watched optimizer from one on and before another."""
    found = (s for s in columns(run, q.STEPS) if s.column == column)
    return int(sum(s.values[(s.steps >= first) & (s.steps < end)].sum() for s in found))


@dataclass(frozen=True)
class Place:
    """Where in its epochs a run was resumed.

    Attributes:
        steps: before.
        each: batches of a step.
        epoch: batches of an epoch.
    """

    steps: int
    each: float
    epoch: int

    @property
    def at_an_end(self) -> bool:
        """Whether an epoch may have ended there; each may end in a step of fewer batches, and the count be off by one."""
        seen = self.steps * self.each
        epochs = round(seen / self.epoch)
        return abs(seen - epochs * self.epoch) <= self.each * (epochs + 1)


def place(run: Run, column: str, begins: int) -> Place | None:
    """Where the process that began at this step took over; None where its loader says nothing, or a step takes another number of batches."""
    taken, size = (_value_at(run, each, begins) for each in (q.EPOCH_TAKEN, q.EPOCH_BATCHES))
    each = _value_at(run, q.BACKWARDS, begins, column)
    steps = steps_between(run, column, 0, begins)
    if size > 0 and 0 < each <= taken <= each + 1 and steps:  # one may be fetched ahead
        return Place(steps, each, int(size))
    return None


def _value_at(run: Run, quantity: Quantity, step: int, column: str = "") -> float:
    return float(at_steps(run, quantity, np.array([step]), column)[0])
