"""LD403 terms-do-not-sum."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import windowed
from tb_lossdiag.analysis.levels import Bools, median
from tb_lossdiag.analysis.weighed import other_weights
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles, Table
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "The loss differs from the sum of weight x term in {count} of {records} records, typically {total} against {sum}. {why}"
)
_MISSING = Text("It equals the sum without `{term}`.")
_UNWEIGHTED = Text("It equals the sum with weight 1 for `{term}`.")
_SCALED = Text("It is {factor} times the sum throughout.")
_WEIGHED = Text(
    "It follows the terms all the same, by weights that change: a change of `{term}` counts {first} times what was recorded at first, and {last} times at the end."
)
_UNKNOWN = Text("No single term explains it.")
_ADVICE = Text("""Build the total from the very terms that are recorded, then they cannot disagree:

```python
terms = dict([{terms}])  # name -> (value, weight)
loss = sum(weight * value for value, weight in terms.values())
loss.backward()
writer.add_diagnostics(model, loss=loss, loss_terms=terms)
```

{hint}""")
_HINT_MISSING = Text("As it stands `{term}` is computed and reported, but never trained.")
_HINT_UNWEIGHTED = Text("As it stands the weight of `{term}` is reported, but not applied.")
_HINT_SCALED = Text(
    "A constant factor is harmless: probably the total is divided by the accumulation steps. Record it before the division."
)
_HINT_WEIGHED = Text(
    "Weights that are learned are meant to change. Record them with the terms, as they are applied, and what is added for them (logarithms of variances) as a term of its own."
)
_HINT_UNKNOWN = Text(
    "Look for a term that isn't recorded (a penalty inside the model) and for weights that changed after recording."
)


@dataclass(frozen=True)
class TermsDoNotSum:
    """The recorded terms do not add up to the loss.

    Why it matters: a term that was forgotten in the total is never trained, and every other look at the composition is wrong.

    How it decides: |loss - sum of weight x term| is above `tolerance` of the larger of |loss| and the sum of |weight x term|, in more
    than `min_share` of at least `min_records` records, or above `rounding` where a sum without one term, or with its weight 1, leaves less
    than `exact` of it. A total that matches the sum without one term is an error, a constant
    factor an information, and so is one that follows the terms by weights that change slowly; anything else is a warning. Dimensionless.

    What to try first: compute the total from the recorded terms.

    Guards against: rounding (bfloat16 keeps 3 digits per term); two losses of a step, each with terms of its own, as two players have them
    (not judged); weights that change between the steps of one record (not judged); a total divided by the accumulation steps; weights that are learned; single records.

    References: IEEE 754 and bfloat16 (8 bits of mantissa); PyTorch, Automatic Mixed Precision examples, "Gradient accumulation".
    """

    code: ClassVar[str] = "LD403"
    name: ClassVar[str] = "terms-do-not-sum"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("The terms do not add up to the loss")
    reads: ClassVar[tuple[Quantity, ...]] = (q.LOSS, q.LOSS_TERM, q.LOSS_WEIGHT)
    may_read: ClassVar[tuple[Quantity, ...]] = (q.LOSS_OF_ANOTHER,)
    explains: ClassVar[tuple[str, ...]] = ("LD204",)

    #: relative difference, 1; bfloat16 rounds by 0.4%, twice: in the term and in the sum
    tolerance: float = 0.01
    #: relative difference, 1; float32 rounds by 1e-7 in each of a few sums
    rounding: float = 1e-4
    #: what another sum leaves of the difference, 1; rounding leaves most of it
    exact: float = 0.01
    #: share of the records, 1; a wrong sum is wrong most of the time
    min_share: float = 0.5
    #: records; enough to tell a habit from an accident
    min_records: int = 5

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding if total and sum disagree."""
        value, weight = run.aligned(q.LOSS_TERM, q.LOSS_WEIGHT)
        total = run[q.LOSS].at(value.steps)[:, 0].astype(np.float64)
        parts = value.values.astype(np.float64) * weight.values
        parts[(weight.values == 0) & np.isnan(value.values)] = (
            0.0  # not computed, because not wanted
        )
        good = np.isfinite(total) & np.isfinite(parts).all(axis=1) & ~_blurred(run, value, weight)
        good &= ~_of_another(run, value)
        if good.sum() < self.min_records:
            least = self.min_records
            raise NotEnough(
                Text("at least {least} steps with one loss and all its terms").format(least=least)
            )
        total, parts = total[good], parts[good]
        wrong = self._differs(total, parts) | self._another_is_exact(
            total, parts, value.values[good].astype(np.float64)
        )
        if wrong.mean() > self.min_share:
            steps = value.steps[good][wrong]
            values = value.values[good].astype(np.float64)
            why = self._why(total[wrong], parts[wrong], values[wrong], value.columns)
            typical = float(median(total[wrong])), float(median(parts[wrong].sum(axis=1)))
            weights = dict(zip(value.columns, median(weight.values, axis=0).tolist(), strict=True))
            yield self._finding(
                weights,
                (int(steps[0]), int(steps[-1])),
                why,
                (typical, int(wrong.sum()), len(wrong)),
            )

    def _differs(self, total: Doubles, parts: Doubles) -> Bools:
        scale = np.maximum(np.abs(total), np.abs(parts).sum(axis=1))
        differs: Bools = np.abs(total - parts.sum(axis=1)) > self.tolerance * scale
        return differs

    def _another_is_exact(self, total: Doubles, parts: Doubles, values: Doubles) -> Bools:
        """bool[T]: whether the sum is off, by however little, where one with a term left out or unweighted is right.

        Rounding makes no sum a hundred times better than another one, least of all in most records.
        """
        off = np.abs(total - parts.sum(axis=1))
        scale = np.maximum(np.abs(total), np.abs(parts).sum(axis=1))
        for index in range(parts.shape[1]):
            for instead in (np.zeros(len(total)), values[:, index]):
                changed = parts.copy()
                changed[:, index] = instead
                left = np.abs(total - changed.sum(axis=1))
                exact: Bools = (off > self.rounding * scale) & (left < self.exact * off)
                if exact.mean() > self.min_share:
                    return exact
        return np.zeros(len(total), bool)

    def _why(
        self, total: Doubles, parts: Doubles, values: Doubles, names: tuple[str, ...]
    ) -> tuple[Severity, Text, Text, str]:
        """Severity, what explains the difference, what to do about it, and the term it is about."""
        for index, name in enumerate(names):
            for text, hint, severity, instead in (
                (_MISSING, _HINT_MISSING, Severity.ERROR, np.zeros(len(total))),
                (_UNWEIGHTED, _HINT_UNWEIGHTED, self.severity, values[:, index]),
            ):
                changed = parts.copy()
                changed[:, index] = instead
                left = np.abs(total - changed.sum(axis=1))
                closer = float(median(left)) < np.abs(total - parts.sum(axis=1)).min()
                if closer and self._differs(total, changed).mean() <= 1 - self.min_share:
                    return severity, text.format(term=name), hint.format(term=name), name
        factor = total / parts.sum(axis=1)
        middle = float(median(factor))
        if middle > 0 and float(median(np.abs(factor - middle))) < self.tolerance * middle:
            return Severity.INFO, _SCALED.format(factor=short_number(middle)), _HINT_SCALED, ""
        other = other_weights(total, parts)
        if other is not None:
            words = {"first": short_number(other.first), "last": short_number(other.last)}
            text = _WEIGHED.format(term=names[other.index], **words)
            return Severity.INFO, text, _HINT_WEIGHED, ""
        return self.severity, _UNKNOWN, _HINT_UNKNOWN, ""

    def _finding(
        self,
        names: dict[str, float],
        ends: tuple[int, int],
        why: tuple[Severity, Text, Text, str],
        seen: tuple[tuple[float, float], int, int],
    ) -> Finding:
        severity, text, hint, subject = why
        (total, added), count, records = seen
        words = {
            "count": count,
            "records": records,
            "total": short_number(total),
            "sum": short_number(added),
        }
        message = _MESSAGE.format(why=text, **words)
        code = ", ".join(
            f'("{name}", ({_identifier(name)}, {short_number(w)}))' for name, w in names.items()
        )
        advice = _ADVICE.format(terms=code, hint=hint)
        evidence = Evidence(q.LOSS.name, "", *ends, total, added)
        return Finding(
            self.code,
            severity,
            subject,
            (evidence,),
            message,
            advice,
            {"total": total, "sum": added},
        )


def _blurred(run: Run, value: Table, weight: Table) -> Bools:
    """bool[T]: records of several steps between which a weight changed: its last value is not that of all of them."""
    several = np.isin(value.steps, run[q.LOSS_TERM].steps[windowed(run, q.LOSS_TERM)])
    change = np.abs(np.diff(weight.values, axis=0, prepend=weight.values[:1])).max(
        axis=1, initial=0
    )
    blurred: Bools = several & (change > 0)
    return blurred


def _of_another(run: Run, value: Table) -> Bools:
    """bool[T]: records with a step whose terms are those of another loss than the one that stands."""
    found = np.zeros(len(value), bool)
    if q.LOSS_OF_ANOTHER in run:
        rows = np.searchsorted(value.steps, run[q.LOSS_OF_ANOTHER].steps)
        found[rows[rows < len(found)]] = True
    return found


def _identifier(name: str) -> str:
    """A variable name that resembles a term's."""
    return re.sub(r"\W|^(?=\d)", "_", name)
