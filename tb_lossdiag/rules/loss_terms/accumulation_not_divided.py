"""LD408 accumulation-not-divided."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.levels import Bools
from tb_lossdiag.analysis.loss_calls import LossCallSeries, calls, mostly
from tb_lossdiag.analysis.passes import at_any_watch, at_every_watch
from tb_lossdiag.analysis.skipped import after_skipped
from tb_lossdiag.diagnosis.rule import Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "A step takes {parts} backward passes of `{call}`, one for each part of its batch, and a gradient of {arrived} arrived at each of them, where the mean of the parts needs 1/{parts} = {right}: the gradient is {parts} times as large."
)
_LARGER = Text(
    "A step takes {parts} backward passes of `{call}`, one for each part of its batch, and a gradient of {arrived} arrived at each of them: its loss counts {arrived} times, as the logged one does, and is not divided by {parts}, so the gradient is {parts} times as large as that of the mean."
)
_ADVICE = Text("""Divide the loss of each part by their number before `backward()`:

```python
parts = 4
for inputs, targets in zip(x.chunk(parts), y.chunk(parts)):
    loss = criterion(model(inputs), targets) / parts
    loss.backward()
optimizer.step()
optimizer.zero_grad()
```

Adam and its kin hide the factor, until a clip, an epsilon or a second number of parts shows it; with SGD it is the learning rate's. If
the sum is meant, accept the finding in `lossdiag.toml`.""")


@dataclass(frozen=True)
class AccumulationNotDivided:
    """The losses of a step's parts are added up, not averaged.

    Why it matters: the gradient grows with the number of parts. A bound of a clip that fits one batch cuts off most of each step, the
    learning rate of SGD is as many times larger, and results change when only the size of the parts does.

    How it decides: in a check-up, the same call took part in several backward passes of one step: of the same line, reached by the same
    way, of the same shape, with targets of its own, and each pass reached the same parameters. The gradient that arrives at each must
    be 1/k of k passes; in at least `min_checks` check-ups and more than half of them it was 1, give or take `tolerance`. Or it was ten,
    a hundred, a thousand, k being no power of ten, and the logged loss is as many times the call's value: a loss in other units. Unit:
    gradient per loss, without a loss scale.

    What to try first: divide each part's loss by the number of parts.

    Guards against: real and generated batches (other lines, or targets that never vary); penalties; tasks with parameters of their own;
    several losses of the same targets; sums and weighted losses, of which 1 is not the whole; parts whose gradients are reset before the next
    one, which never add up.

    References: PyTorch, "Automatic Mixed Precision examples", working with multiple models and gradient accumulation; Hugging Face
    Transformers, pull request 34191.
    """

    code: ClassVar[str] = "LD408"
    name: ClassVar[str] = "accumulation-not-divided"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Losses of a step's parts are summed, not averaged")
    reads: ClassVar[tuple[Quantity, ...]] = (q.CALL_PASSES, q.CALL_ARRIVED)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.PASSES_ALIKE, q.THROWN_PASSES, q.UNSCALE_FACTOR, q.AMP_SKIPPED, q.CALL_TARGET_MIN, q.CALL_TARGET_MAX, q.CALL_VALUE, q.LOSS,
    )  # fmt: skip
    explains: ClassVar[tuple[str, ...]] = (
        "LD102",
        "LD103",
        "LD104",
        "LD105",
        "LD301",
        "LD410",
        "LD523",
        "LD601",
    )

    #: check-ups; one may be a trial
    min_checks: int = 2
    #: share of 1; float noise, and nothing that anyone divides by
    tolerance: float = 0.02

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per loss call that is added up over a step's parts."""
        judged = False
        for call in calls(run):
            known = self._known(run, call)
            judged |= bool(known.sum() >= self.min_checks)
            arrived = call.of(q.CALL_ARRIVED) * at_any_watch(run, q.UNSCALE_FACTOR, call.steps, 1.0)
            whole = (np.abs(arrived - 1) <= self.tolerance) | self._in_units(run, call, arrived)
            hits = known & whole
            if mostly(hits, known, self.min_checks) and not _constant(call):
                yield self._finding(call, hits, float(np.median(arrived[hits])))
        if not judged:
            needs = Text(
                "{least} check-ups of a step with several backward passes of one loss call, whose gradients add up"
            )
            raise NotEnough(needs.format(least=str(self.min_checks)))

    def _known(self, run: Run, call: LossCallSeries) -> Bools:
        """The check-ups of steps with several passes over the same parameters, none of which is reset before the next."""
        alike = at_any_watch(run, q.PASSES_ALIKE, call.steps, 1.0) == 1
        several = call.of(q.CALL_PASSES) > 1
        several &= at_every_watch(run, q.THROWN_PASSES, call.steps, 0.0) == 0
        known: Bools = several & alike & np.isfinite(call.of(q.CALL_ARRIVED))
        return known & ~after_skipped(run, call.steps)

    def _in_units(self, run: Run, call: LossCallSeries, arrived: Doubles) -> Bools:
        """Where all of a loss arrived that counts ten, a hundred, a thousand times."""
        unit = _unit(run, call)
        # Divided by so many, what counts a power of ten times would still count one.
        unclear = np.isin(call.of(q.CALL_PASSES), (10.0, 100.0, 1000.0))
        found: Bools = (np.abs(arrived / unit - 1) <= self.tolerance) & ~unclear
        return found & (unit > 1)

    def _finding(self, call: LossCallSeries, hits: Bools, arrived: float) -> Finding:
        parts = float(np.median(call.of(q.CALL_PASSES)[hits]))
        text = _LARGER if _rounded(arrived) > 1 else _MESSAGE
        message = text.format(
            parts=short_number(parts),
            call=call.name,
            arrived=short_number(arrived),
            right=short_number(1 / parts),
        )
        evidence = call.evidence(q.CALL_ARRIVED, hits, arrived, _rounded(arrived) / parts)
        numbers = {"parts": parts, "arrived": arrived}
        return Finding(self.code, self.severity, call.name, (evidence,), message, _ADVICE, numbers)


def _unit(run: Run, call: LossCallSeries) -> float:
    """What the logged loss multiplies the call's value by, if that is ten, a hundred, a thousand: its units. Else 1."""
    if q.LOSS not in run:
        return 1.0
    loss = run[q.LOSS].at(call.steps, run[q.LOSS].columns[:1])[:, 0]
    times = loss / call.of(q.CALL_VALUE)
    known = times[np.isfinite(times) & (times > 0)]
    return max(1.0, _rounded(float(np.median(known)))) if len(known) else 1.0


def _rounded(times: float) -> float:
    """The nearest power of ten."""
    return float(10.0 ** np.round(np.log10(times)))


def _constant(call: LossCallSeries) -> bool:
    """Whether its first targets were one number in every check-up: what is real, beside what is made."""
    low, high = call.of(q.CALL_TARGET_MIN), call.of(q.CALL_TARGET_MAX)
    ends = np.concatenate([low, high])
    ends = ends[np.isfinite(ends)]
    return bool(len(ends)) and float(np.ptp(ends)) == 0
