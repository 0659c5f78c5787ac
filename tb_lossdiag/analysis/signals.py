"""Curves of an agent's log: levels of their parts, and whether they still rise, such that outliers decide nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import too_few
from tb_lossdiag.analysis.levels import level
from tb_lossdiag.analysis.trend import rising
from tb_lossdiag.diagnosis.judged import with_judged
from tb_lossdiag.diagnosis.rule import Evidence, Text
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles, Steps
from tb_lossdiag.run import Run

_SURE = 1.96
"""Mann and Kendall's z beyond which chance alone orders one series in twenty so."""
_LEVEL = Text("median of {name} over {count} records")
_MOST = 200
"""Values of which each pair has a slope."""
_FEWEST = 5
"""Records of a level."""
_EVALUATIONS = 8
"""Evaluations from which a held-out score has a trend."""
_HUNDREDTH = 0.01
_GAIN = 0.1
"""Share of the whole change below which half a run brings nothing worth its steps."""


@dataclass(frozen=True)
class Signal:
    """One curve where it has a value.

    Attributes:
        quantity: what it is.
        column: of its table.
        steps: int64[T].
        values: float64[T], all finite.
    """

    quantity: Quantity
    column: str
    steps: Steps
    values: Doubles

    def __len__(self) -> int:
        """Number of records."""
        return len(self.values)

    def level(self, first: float, last: float) -> float:
        """Median of the records between two shares of the run, at least five."""
        return float(np.median(self.part(first, last)))

    def part(self, first: float, last: float) -> Doubles:
        """The values between two shares of the records, five or more where there are so many."""
        begin, end = round(first * len(self)), round(last * len(self))
        if end - begin < _FEWEST:
            begin, end = (0, _FEWEST) if first <= 0 else (max(0, end - _FEWEST), end)
        return self.values[begin:end]

    @property
    def early(self) -> float:
        """Level of the first tenth."""
        return self.level(0.0, 0.1)

    @property
    def late(self) -> float:
        """Level of the last quarter."""
        return self.level(0.75, 1.0)

    @property
    def end(self) -> float:
        """Level of the last tenth."""
        return self.level(0.9, 1.0)

    def evidence(self, first: float, share: float, threshold: float) -> Evidence:
        """The records from a share of the run on, and the level of its last share, which was held against a threshold."""
        last = self.part(1 - share, 1.0)
        piece = self.seen(first, float(np.median(last)), threshold)
        name = _LEVEL.format(name=self.quantity.name, count=str(len(last)))
        levels = level(self.values, len(last))
        return with_judged(piece, name, self.steps, levels, self.quantity.unit)

    def seen(self, first: float, observed: float, threshold: float) -> Evidence:
        """The records from a share of the run on, and which of their values was held against what."""
        begin = min(round(first * len(self)), len(self) - 1)
        ends = int(self.steps[begin]), int(self.steps[-1])
        return Evidence(self.quantity.name, self.column, *ends, observed, threshold)


def signal(run: Run, quantity: Quantity, least: int, column: str | None = None) -> Signal:
    """The curve of a quantity.

    Raises:
        NotEnough: it has fewer than `least` values.
    """
    table = run[quantity]
    name = table.columns[0] if column is None else column
    values = table.column(name).astype(np.float64)
    known = np.isfinite(values)
    if known.sum() < least:
        raise too_few(least, Text("records of {name}").format(name=quantity.name))
    return Signal(quantity, name, table.steps[known], values[known])


def together(first: Signal, second: Signal) -> tuple[Doubles, Doubles]:
    """The values of both at the steps that they share."""
    _, mine, others = np.intersect1d(first.steps, second.steps, return_indices=True)
    return first.values[mine], second.values[others]


def rises(values: Doubles) -> bool:
    """Whether values rise as a whole, beyond chance."""
    return rising(values) >= _SURE


def gain(values: Doubles) -> float:
    """How far values rise from their first to their last, by Theil's and Sen's median of all slopes."""
    some = values[np.linspace(0, len(values) - 1, min(len(values), _MOST)).astype(int)]
    first, last = np.triu_indices(len(some), 1)
    return float(np.median((some[last] - some[first]) / (last - first)) * (len(some) - 1))


def still_gains(seen: Signal) -> bool:
    """Whether the second half still rises: beyond chance, and by a part of what the whole run brought that is worth its steps."""
    half = seen.part(0.5, 1.0)
    whole = abs(seen.end - seen.early)
    return rises(half) and gain(half) >= _GAIN * whole


def score(run: Run, least: int) -> Signal:
    """What tells how good an agent is: the score on held-out data where enough of them are known, else the reward.

    Reads `REWARD`, and `HELD_OUT_SCORE` if it is there.

    Raises:
        NotEnough: there are fewer rewards than `least`, too.
    """
    held = run[q.HELD_OUT_SCORE].values[:, 0] if q.HELD_OUT_SCORE in run else np.zeros(0)
    enough = int(np.isfinite(held).sum()) >= least
    return signal(run, q.HELD_OUT_SCORE if enough else q.REWARD, least)


def is_flat(run: Run) -> bool:
    """Whether the agent gets no better any more. Reads what `score` reads."""
    return not still_gains(score(run, _EVALUATIONS))


def ranks_agree(first: Doubles, second: Doubles) -> float:
    """Spearman's correlation; 0 where one of them is constant."""
    if len(first) < 3 or not np.ptp(first) or not np.ptp(second):  # noqa: PLR2004  (two always agree)
        return 0.0
    one, other = (np.argsort(np.argsort(values)) for values in (first, second))
    return float(np.corrcoef(one, other)[0, 1])


def percent(share: float) -> str:
    """A share as a whole number of hundredths; of less than one, what there is.

    >>> percent(0.754), percent(0.004)
    ('75', '0.4')
    """
    return f"{100 * share:.0f}" if not 0 < share < _HUNDREDTH else f"{100 * share:.1g}"
