"""LD519's margins: what a loss compares does not differ any more, and neither do the answers of the model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import at_steps, columns, first_finite
from tb_lossdiag.analysis.inputs import all_alike
from tb_lossdiag.analysis.modules import layout, model_of
from tb_lossdiag.diagnosis.rule import Evidence, Text, short_number
from tb_lossdiag.records import Doubles, Steps
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "What the loss compares differs by {end}% of its margin in the last {checks} check-ups, {start}% at the start, and the effective rank of what `{name}` answers fell from {first} to {rank}: all samples become one point."
)


@dataclass(frozen=True)
class Within:
    """What is compared, and a module that gives the model's output.

    Attributes:
        name: of the module.
        steps: int64[N] of the check-ups that know both.
        apart: float64[N] how far what is compared is apart, in margins.
        rank: float64[N] directions that the module's answers span.
    """

    name: str
    steps: Steps
    apart: Doubles
    rank: Doubles

    def narrowed(self, checks: int, apart: float, share: float) -> bool:
        """Whether both have fallen that far, in the newest check-up and in the median of the last ones."""
        if len(self.steps) <= checks:
            return False
        least = share * self.rank[0]
        newest = _worst(self.apart, checks) <= apart and _worst(self.rank, checks) <= least
        return newest and self.apart[0] > apart

    def message(self, checks: int) -> Text:
        """What is said of it."""
        return _MESSAGE.format(
            name=self.name,
            end=short_number(100 * self.end(checks)),
            start=short_number(100 * float(self.apart[0])),
            checks=str(checks),
            first=short_number(float(self.rank[0])),
            rank=short_number(float(self.rank[-1])),
        )

    def end(self, checks: int) -> float:
        """The median of the last ones, in margins."""
        return float(np.median(self.apart[-checks:]))

    def evidence(self, checks: int, bound: float) -> Evidence:
        """Where that is recorded."""
        ends = int(self.steps[-checks]), int(self.steps[-1])
        return Evidence(q.COMPARED_IN_MARGINS.name, "", *ends, self.end(checks), bound)


def within_margin(run: Run, min_rank: float) -> list[Within]:
    """Of each module that gives the model's output and spans so many directions at first; `EFFECTIVE_RANK` must be there."""
    found = []
    for _, steps, apart in columns(run, q.COMPARED_IN_MARGINS):
        for name in sorted(layout(run).last):
            rank = at_steps(run, q.EFFECTIVE_RANK, steps, name)
            known = np.isfinite(rank) & np.isfinite(apart)
            known &= ~all_alike(run, steps, model_of(name))
            if first_finite(rank) >= min_rank and known.any():
                found.append(Within(name, steps[known], apart[known], rank[known]))
    return found


def _worst(values: Doubles, checks: int) -> float:
    return float(max(values[-1], np.median(values[-checks:])))
