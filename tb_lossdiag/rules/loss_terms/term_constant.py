"""LD406 term-constant."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.levels import Bools
from tb_lossdiag.analysis.loss_calls import BINARY, LossCallSeries, calls_if_any
from tb_lossdiag.analysis.parameters import listed
from tb_lossdiag.diagnosis.judged import with_judged
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles, Table
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "`{term}` was {value} in all {records} records, to the last digit, while other terms change."
)
_ADVICE = Text("""A term that depends on the batch or on the weights always moves a little. Check what `{term}` is computed from:

- a tensor that was made once, outside the loop;
- an output that no longer depends on the input (all clamped, rounded, or the same for every sample);
- parameters that are frozen or not in the optimizer.

If it is meant to be constant, leave it out of the loss: it has no gradient.""")
_ZERO_ADVICE = Text("""A term that is always 0 is either met by every sample (a margin, a constraint: fine), or it never sees anything: an empty mask, a filter that lets nothing through, a weight inside the term that is 0. Look at one batch:

```python
print({name}.item(), "elements that count:", int(mask.sum()))
```""")
_NEVER = Text(
    "In all {records} records {terms} came to 0, to the last digit, and `{call}`, the only loss that check-ups see beside it, was told no everywhere in all {checks} of them ({outputs} numbers a sample): no batch holds anything that is to be found."
)
_NEVER_ADVICE = Text("""A detector counts boxes and classes only where one of its places is responsible for an object. Here none ever is, so that it learns to
say no. Count them in one batch, and look at both sides of what decides it:

```python
print("responsible:", int((target > 0).sum()), "of", target.numel())
```

- Boxes as parts of the picture (0 to 1) and anchors in pixels or cells overlap with nothing: bring both to one unit.
- Boxes that were divided by the picture's size twice are too small for any anchor.
- Labels that are read as (x, y, x, y) where (x, y, w, h) was written, class numbers that begin elsewhere, and files of labels that are not found
  leave nothing either.""")


_JUDGED = Text("distance of `{term}` from its last value, over that value")


@dataclass(frozen=True)
class TermConstant:
    """A loss term never changes.

    Why it matters: a constant has no gradient. What it was meant to teach isn't learned.

    How it decides: the highest and the lowest value of the term, over all of at least `min_records` records with a weight other
    than 0, differ by no more than `max_change` of it, while another term changes by more than `min_other` of itself. A
    warning, or an information if the constant is 0; a warning there as well, one for all such terms, if the only loss call that at least `min_checks` check-ups see
    asks yes-or-no questions, several of each sample, whose targets are 0 in all of them. Dimensionless.

    What to try first: look at what the term is computed from.

    Guards against: rounding; a weight of 0; a run in which nothing changes at all; margins and constraints that are met, which are
    constantly 0 (information only); batches without an object among others, in which such a term is not 0.

    References: PyTorch, Autograd mechanics; IEEE 754 (float32 keeps 7 digits).
    """

    code: ClassVar[str] = "LD406"
    name: ClassVar[str] = "term-constant"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("A loss term never changes")
    reads: ClassVar[tuple[Quantity, ...]] = (q.LOSS_TERM, q.LOSS_WEIGHT)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.CALL_TARGET_MIN,
        q.CALL_TARGET_MAX,
        q.CALL_OUTPUTS,
    )
    explains: ClassVar[tuple[str, ...]] = ("LD104", "LD114", "LD401", "LD509", "LD523")

    #: relative change, 1; ten roundings of float32
    max_change: float = 1e-6
    #: relative change of another term, 1; then the run does move
    min_other: float = 1e-3
    #: records; a step changes the weights by 1e-3 as a rule, so that twenty would show
    min_records: int = 20
    #: check-ups; an object may be missing from a batch or two
    min_checks: int = 5

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per constant term."""
        value, weight = run.aligned(q.LOSS_TERM, q.LOSS_WEIGHT)
        low = run.lowest(q.LOSS_TERM).at(value.steps, value.columns).astype(np.float64)
        high = run.highest(q.LOSS_TERM).at(value.steps, value.columns).astype(np.float64)
        on: Bools = (np.nan_to_num(weight.values) != 0) & np.isfinite(low) & np.isfinite(high)
        enough = on.sum(axis=0) >= self.min_records
        if enough.sum() < 2:  # noqa: PLR2004  (one to judge, one to compare with)
            least = self.min_records
            raise NotEnough(
                Text("at least {least} records of two terms whose weight isn't 0").format(
                    least=least
                )
            )
        change = _change(low, high, on)
        constant = enough & (change <= self.max_change)
        if (change[enough] > self.min_other).any():
            zero = constant & ~np.where(on, value.values != 0, False).any(axis=0)
            never = self._told_no(run) if zero.any() else None
            if never is not None:
                yield self._nothing(value, on, zero, never)
            for index in np.flatnonzero(constant & ~zero if never else constant).tolist():
                yield self._finding(value, on[:, index], index)

    def _told_no(self, run: Run) -> LossCallSeries | None:
        """The only loss call of the run, where it asks several things of each sample and the answer is no to all of them, always."""
        seen = calls_if_any(run)
        if len(seen) != 1 or seen[0].function not in BINARY or len(seen[0].steps) < self.min_checks:
            return None
        call = seen[0]
        said = np.concatenate([call.of(q.CALL_TARGET_MIN), call.of(q.CALL_TARGET_MAX)])
        return call if (said == 0).all() and (call.of(q.CALL_OUTPUTS) > 1).all() else None

    def _nothing(self, value: Table, on: Bools, zero: Bools, call: LossCallSeries) -> Finding:
        """Nothing is ever to be found."""
        first = int(np.flatnonzero(zero)[0])
        steps = value.steps[on[:, first]]
        terms = [value.columns[index] for index in np.flatnonzero(zero).tolist()]
        words = {"call": call.name, "checks": str(len(call.steps)), "records": str(len(steps))}
        outputs = short_number(call.typical(q.CALL_OUTPUTS))
        message = _NEVER.format(terms=listed(terms), outputs=outputs, **words)
        ends = int(steps[0]), int(steps[-1])
        pieces = [Evidence(q.LOSS_TERM.name, term, *ends, 0.0, self.max_change) for term in terms]
        subject, numbers = terms[0] if len(terms) == 1 else "", {"value": 0.0}
        return Finding(
            self.code, self.severity, subject, tuple(pieces), message, _NEVER_ADVICE, numbers
        )

    def _finding(self, value: Table, on: Bools, index: int) -> Finding:
        term, steps = value.columns[index], value.steps[on]
        constant = float(value.values[on, index][-1])
        message = _MESSAGE.format(term=term, value=short_number(constant), records=str(len(steps)))
        ends = int(steps[0]), int(steps[-1])
        piece = Evidence(q.LOSS_TERM.name, term, *ends, 0.0, self.max_change)
        apart = np.abs(value.values[on, index].astype(np.float64) - constant)
        with np.errstate(divide="ignore", invalid="ignore"):
            change = apart / abs(constant)
        evidence = with_judged(piece, _JUDGED.format(term=term), steps, change)
        name = "".join(c if c.isascii() and c.isalnum() else "_" for c in term)
        advice = _ADVICE if constant else _ZERO_ADVICE
        return Finding(
            self.code,
            self.severity if constant else Severity.INFO,
            term,
            (evidence,),
            message,
            advice.format(term=term, name=name if name[:1].isalpha() else f"term_{name}"),
            {"value": constant},
        )


def _change(low: Doubles, high: Doubles, on: Bools) -> Doubles:
    """float64[C]: range over the records that count, relative to the largest size; 0 for a constant 0."""
    top = np.where(on, high, -np.inf).max(axis=0)
    bottom = np.where(on, low, np.inf).min(axis=0)
    size = np.maximum(np.abs(top), np.abs(bottom))
    return np.where(size > 0, (top - bottom) / np.where(size > 0, size, 1.0), 0.0)
