"""LD628 gradients-thrown-away."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import columns, not_recorded
from tb_lossdiag.analysis.loss_calls import LossCallSeries, calls, mostly
from tb_lossdiag.analysis.skipped import after_skipped
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles, Steps
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "A step takes {passes} backward passes of `{call}`, one for each part of its batch, and the gradients of {thrown} of them are reset before the next one, in {hits} of {checks} check-ups up to step {step}: the step knows the last part alone."
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


@dataclass(frozen=True)
class GradientsThrownAway:
    """The gradients of a step's parts are reset before the step, all but the last one's.

    Why it matters: of a batch that was cut into parts, one part trains, at the cost of all. Divided by their number, it trains that many
    times too slowly.

    How it decides: in a check-up, one loss call took part in k >= 2 backward passes of the step, each of samples of their own, and the
    gradients of at least k - 1 passes were set to None or to 0 before another one; in at least `min_checks` check-ups and more than half.
    Unit: backward passes.

    What to try first: move `zero_grad()` behind `step()`.

    Guards against: another player's pass, which reaches these parameters and is reset rightly; attacks and sharpness-aware steps, which ask
    the same samples twice; passes that were for other parameters; several watched models (not evaluated), as a critic takes several turns.

    References: bytetriper/RAE issue 67; Hugging Face Accelerate, issue 616, "Gradient accumulation".
    """

    code: ClassVar[str] = "LD628"
    name: ClassVar[str] = "gradients-thrown-away"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Gradients of a step's parts are thrown away")
    reads: ClassVar[tuple[Quantity, ...]] = ()
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.THROWN_PASSES, q.CALL_PASSES, q.STEPS, q.AMP_SKIPPED,
    )  # fmt: skip
    explains: ClassVar[tuple[str, ...]] = ("LD109", "LD602")

    #: check-ups; one may be a trial
    min_checks: int = 2

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
        for call in calls(run):
            for each in watched:
                own = ~after_skipped(run, each.steps)
                yield from self._judged(call, each.column, each.steps[own], each.values[own])

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
            at = call.steps[hits]
            typical = [float(np.median(values[hits])) for values in (passes, lost)]
            message = _MESSAGE.format(
                passes=short_number(typical[0]),
                thrown=short_number(typical[1]),
                call=call.name,
                hits=str(int(hits.sum())),
                checks=str(int(known.sum())),
                step=str(at[-1]),
            )
            evidence = Evidence(q.THROWN_PASSES.name, column, int(at[0]), int(at[-1]), typical[1])
            numbers = {"passes": typical[0], "thrown": typical[1]}
            yield Finding(
                self.code, self.severity, call.name, (evidence,), message, _ADVICE, numbers
            )
