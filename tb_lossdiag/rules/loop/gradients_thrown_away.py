"""LD628 gradients-thrown-away."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import Sighting, at_steps, columns, not_recorded
from tb_lossdiag.analysis.levels import Bools
from tb_lossdiag.analysis.loss_calls import LossCallSeries, calls_if_any, mostly
from tb_lossdiag.analysis.skipped import after_skipped
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles, Steps
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "A step takes {passes} backward passes of `{call}`, one for each part of its batch, and the gradients of {thrown} of them are reset before the next one, in {hits} of {checks} check-ups up to step {step}: the step knows the last part alone."
)
_UNNAMED = Text(
    "A step takes {passes} backward passes from one line, each of other samples, and the gradients of {thrown} of them are reset before the next one, in {hits} of {checks} check-ups up to step {step}: the step knows the last part alone."
)
_ADVICE = Text("""Reset the gradients where a step has used them, not where a part begins:

```python
parts = 4
for inputs, targets in zip(x.chunk(parts), y.chunk(parts)):
    loss = criterion(model(inputs), targets) / parts
    loss.backward()
optimizer.step()
optimizer.zero_grad()
```

Once they add up, the learning rate is that of the whole batch again. With Accelerate it is the optimizer that `prepare` returned whose
`zero_grad()` knows of parts; the model's does not.""")


class _Lost(NamedTuple):
    """Check-ups in which all parts but the last were lost, of so many."""

    steps: Steps
    passes: Doubles
    thrown: Doubles
    checks: int


@dataclass(frozen=True)
class GradientsThrownAway:
    """The gradients of a step's parts are reset before the step, all but the last one's.

    Why it matters: of a batch that was cut into parts, one part trains, at the cost of all. Divided by their number, it trains that many
    times too slowly.

    How it decides: in a check-up, one loss call took part in k >= 2 backward passes of the step, each of samples of their own, and the
    gradients of at least k - 1 passes were set to None or to 0 before another one; in at least `min_checks` check-ups and more than half,
    and the step uses what the last pass made, up to one factor (`max_spread`).
    Where no loss call is known, at least `min_parts` passes count that come from one line and are of other samples than the one before, with
    the same weights.
    Unit: backward passes.

    What to try first: move `zero_grad()` behind `step()`.

    Guards against: gradients that are kept, and written back before the step; another player's pass, which reaches these parameters and is
    reset rightly; attacks and sharpness-aware steps, which ask
    the same samples twice; passes that were for other parameters; several watched models (not evaluated), as a critic takes several turns.

    References: bytetriper/RAE issue 67; Hugging Face Accelerate, issue 616, "Gradient accumulation".
    """

    code: ClassVar[str] = "LD628"
    name: ClassVar[str] = "gradients-thrown-away"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Gradients of a step's parts are thrown away")
    reads: ClassVar[tuple[Quantity, ...]] = ()
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.THROWN_PASSES, q.CALL_PASSES, q.STEPS, q.AMP_SKIPPED, q.OTHER_SAMPLES, q.BACKWARDS, q.STEP_RATIO_SPREAD,
    )  # fmt: skip
    explains: ClassVar[tuple[str, ...]] = ("LD109", "LD602")

    #: check-ups; one may be a trial
    min_checks: int = 2
    #: passes of a loss that nobody knows; two may be a memory's, which is looked at, and the batch's
    min_parts: int = 3
    #: of the factors between each parameter's gradient after the last pass and at the step, 1; a clip has one, rounded
    max_spread: float = 0.01

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per loss call of which most parts are lost."""
        if q.THROWN_PASSES not in run:
            raise not_recorded(q.THROWN_PASSES)
        watched = list(columns(run, q.THROWN_PASSES))
        if q.STEPS in run and len(run[q.STEPS].columns) > 1:
            raise NotEnough(
                Text(
                    "one watched model: of several, one may take turns between the steps of another"
                )
            )
        known = calls_if_any(run)
        for each in watched:
            own = ~after_skipped(run, each.steps) & ~self._written_back(run, each)
            steps, thrown = each.steps[own], each.values[own]
            for call in known:
                yield from self._judged(call, each.column, steps, thrown)
            if not known:
                yield from self._unnamed(run, each.column, steps, thrown)

    def _written_back(self, run: Run, seen: Sighting) -> Bools:
        """Where the step used other gradients than the last pass made, so that those of earlier ones may be in them."""
        unknown: Bools = np.zeros(len(seen.steps), bool)
        if q.STEP_RATIO_SPREAD not in run:
            return unknown
        written: Bools = (
            at_steps(run, q.STEP_RATIO_SPREAD, seen.steps, seen.column) > self.max_spread
        )
        return written

    def _judged(
        self, call: LossCallSeries, column: str, steps: Steps, thrown: Doubles
    ) -> Iterator[Finding]:
        passes = call.of(q.CALL_PASSES)
        lost = np.full(len(passes), np.nan)
        common, mine, theirs = np.intersect1d(call.steps, steps, return_indices=True)
        lost[mine] = thrown[theirs]
        known = (passes > 1) & np.isfinite(lost)
        hits = known & (lost >= passes - 1)
        if len(common) and mostly(hits, known, self.min_checks):
            found = _Lost(call.steps[hits], passes[hits], lost[hits], int(known.sum()))
            yield self._finding(column, call.name, _MESSAGE, found)

    def _unnamed(self, run: Run, column: str, steps: Steps, thrown: Doubles) -> Iterator[Finding]:
        """Of a loss that no check-up knows: what the model is given tells that samples are others."""
        if q.OTHER_SAMPLES not in run or q.BACKWARDS not in run:
            return
        others, passes = (
            at_steps(run, each, steps, column) for each in (q.OTHER_SAMPLES, q.BACKWARDS)
        )
        known = np.isfinite(thrown) & np.isfinite(others) & (passes >= self.min_parts)
        hits = known & (np.minimum(thrown, others) >= passes - 1)
        if mostly(hits, known, self.min_checks):
            found = _Lost(steps[hits], passes[hits], thrown[hits], int(known.sum()))
            yield self._finding(column, column, _UNNAMED, found)

    def _finding(self, column: str, subject: str, text: Text, lost: _Lost) -> Finding:
        passes, thrown = (float(np.median(each)) for each in (lost.passes, lost.thrown))
        first, last = int(lost.steps[0]), int(lost.steps[-1])
        message = text.format(
            passes=short_number(passes),
            thrown=short_number(thrown),
            call=subject,
            hits=str(len(lost.steps)),
            checks=str(lost.checks),
            step=str(last),
        )
        evidence = Evidence(q.THROWN_PASSES.name, column, first, last, thrown)
        numbers = {"passes": passes, "thrown": thrown}
        return Finding(self.code, self.severity, subject, (evidence,), message, _ADVICE, numbers)
