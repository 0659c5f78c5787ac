"""LD405 term-conflict."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.curve import Curve, curve_of
from tb_lossdiag.analysis.levels import Bools, Span, longest, median
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity, pair
from tb_lossdiag.records import Doubles, Table
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "The gradients of `{first}` and `{second}` point against each other (median cosine {cosine}, sizes {one} and {two}) over {records} decompositions.{stalled}"
)
_STALLED = Text(" Meanwhile the loss stands still.")
_GROW = Text(
    " Meanwhile both gradients grow ({one_times} and {two_times} times): each pulls harder against the other."
)
_MOVES = Text("")
_ADVICE = Text("""What one term wins, the other loses. In this order:

- a weight that says which one matters more; now `{small}` asks for {share} of what `{big}` asks for;
- separate last layers, so that they share only what both need;
- take the conflict out of the gradients at the shared parameters: each loses its part against the other.

```python
def without_conflict(mine, other):
    dot = (mine * other).sum()
    return mine - dot.clamp(max=0) / other.square().sum().clamp_min(1e-12) * other
```

Near the optimum of a sum the gradients of its terms always oppose each other: then this is the balance, not a fault.""")


@dataclass(frozen=True)
class TermConflict:
    """Two terms pull the shared parameters in opposite directions.

    Why it matters: steps that please one term undo the other; both learn slower, or one not at all.

    How it decides: cosine between the gradients of the two terms at what was given to `decompose`, median of 5 decompositions. It is below
    `max_cosine` in `min_checks` of them in a row that make up `min_stretch` of all, with gradient norms that differ by no more than a
    factor of `max_size`. A warning if the loss falls by less than `stalled` of its level over that time, or both norms grow by `grown`,
    without the loss having lost `learned` of its start; else an information. Dimensionless.

    What to try first: weights; separate heads; projecting the conflict out (PCGrad).

    Guards against: a negative cosine now and then; a small penalty that opposes by design (size); the optimum, where the terms'
    gradients cancel by definition: a loss that was learned never warns.

    References: Yu et al. 2020, PCGrad (arXiv 2001.06782); Liu et al. 2021, CAGrad (arXiv 2110.14048).
    """

    code: ClassVar[str] = "LD405"
    name: ClassVar[str] = "term-conflict"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Two loss terms work against each other")
    reads: ClassVar[tuple[Quantity, ...]] = (q.TERM_COSINE, q.TERM_GRADIENT_NORM)
    may_read: ClassVar[tuple[Quantity, ...]] = (q.LOSS,)
    explains: ClassVar[tuple[str, ...]] = (
        "LD104",
        "LD523",
    )

    #: cosine, 1; PCGrad acts below 0, where noise alone puts half of all records
    max_cosine: float = -0.3
    #: decompositions in a row; a brief conflict is part of every training
    min_checks: int = 5
    #: share of all decompositions, 1
    min_stretch: float = 0.5
    #: larger over smaller gradient norm, 1; beyond, the larger one simply wins (LD401)
    max_size: float = 5.0
    #: fall of the loss's level over the stretch, 1; less is a standstill
    stalled: float = 0.05
    #: last quarter of the stretch over its first, 1; noise of a median is a tenth of that
    grown: float = 2.0
    #: share of the starting loss, 1; a sum that has been learned balances its terms
    learned: float = 0.5

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per pair of terms."""
        cosine, norm = run[q.TERM_COSINE], run[q.TERM_GRADIENT_NORM]
        judged = False
        for first, second in combinations(norm.columns, 2):
            name = next((n for n in _names(first, second) if n in cosine.columns), None)
            if name is None or np.isfinite(cosine.column(name)).sum() < self.min_checks:
                continue
            judged = True
            opposed = self._opposed(cosine, norm, (name, first, second))
            least = max(self.min_checks, int(self.min_stretch * len(cosine)))
            span = longest(opposed, least)
            if span is not None:
                yield self._finding(run, span, (name, first, second))
        if not judged:
            raise NotEnough(
                Text("at least {min_checks} decompositions of two terms").format(
                    min_checks=self.min_checks
                )
            )

    def _opposed(self, cosine: Table, norm: Table, names: tuple[str, str, str]) -> Bools:
        sizes = np.stack([_smooth(column) for column in norm.at(cosine.steps, names[1:]).T], axis=1)
        alike = sizes.max(axis=1) <= self.max_size * sizes.min(axis=1)
        opposed: Bools = (_smooth(cosine.column(names[0])) < self.max_cosine) & alike
        return opposed & (sizes > 0).all(axis=1)

    def _growth(self, run: Run, span: Span, names: tuple[str, str, str]) -> Doubles | None:
        """float64[2]: by how much both norms grow over the stretch; None where one does not, or the loss is learned or not known."""
        cosine, norm = run[q.TERM_COSINE], run[q.TERM_GRADIENT_NORM]
        sizes = norm.at(cosine.steps[span.records], names[1:])
        part = max(2, len(sizes) // 4)
        grown = median(sizes[-part:], axis=0) / np.maximum(median(sizes[:part], axis=0), 1e-30)
        if q.LOSS not in run or len(curve_of(run, q.LOSS)) < 2 * self.min_checks:
            return None
        fall = curve_of(run, q.LOSS).fall_at(cosine.steps[span.last : span.last + 1])
        return grown if grown.min() >= self.grown and float(fall[0]) < self.learned else None

    def _stands_still(self, run: Run, first: int, last: int) -> bool:
        loss: Curve | None = curve_of(run, q.LOSS) if q.LOSS in run else None
        if loss is None or len(loss) < 2 * self.min_checks:
            return False
        fall = loss.fall_at(np.array([first, last], np.int64))
        won = float(fall[1] - fall[0]) / max(abs(1 - float(fall[0])), 1e-30)
        return won < self.stalled and float(fall[1]) < self.learned

    def _finding(self, run: Run, span: Span, names: tuple[str, str, str]) -> Finding:
        cosine, norm = run[q.TERM_COSINE], run[q.TERM_GRADIENT_NORM]
        name, first, second = names
        ends = span.ends(cosine.steps)
        typical = float(median(cosine.column(name)[span.records]))
        sizes = median(norm.at(cosine.steps[span.records], names[1:]), axis=0)
        still = self._stands_still(run, *ends)
        grown = self._growth(run, span, names)
        stalled = _STALLED if still else _MOVES if grown is None else _grow(grown)
        words = {
            "first": first,
            "second": second,
            "cosine": f"{typical:.2f}",
            "one": short_number(float(sizes[0])),
            "two": short_number(float(sizes[1])),
            "records": str(span.size),
        }
        message = _MESSAGE.format(stalled=stalled, **words)
        small, big = (first, second) if sizes[0] <= sizes[1] else (second, first)
        share = f"{100 * float(sizes.min() / sizes.max()):.0f}%"
        evidence = Evidence(q.TERM_COSINE.name, name, *ends, typical, self.max_cosine)
        advice = _ADVICE.format(small=small, big=big, share=share)
        severity = self.severity if still or grown is not None else Severity.INFO
        numbers = {"cosine": typical}
        return Finding(self.code, severity, name, (evidence,), message, advice, numbers)


def _smooth(values: npt.NDArray[Any]) -> Doubles:
    """float64[T]: median over each value and the two on either side of it; fewer at the ends."""
    padded = np.concatenate(([np.nan] * 2, values.astype(np.float64), [np.nan] * 2))
    return median(np.lib.stride_tricks.sliding_window_view(padded, 5))


def _grow(grown: Doubles) -> Text:
    one, two = (short_number(float(times)) for times in grown)
    return _GROW.format(one_times=one, two_times=two)


def _names(first: str, second: str) -> tuple[str, str]:
    """Both orders in which a pair may be recorded."""
    return pair(first, second), pair(second, first)
