"""LD611 update-lost-in-rounding."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import columns, too_few
from tb_lossdiag.analysis.parameters import rate
from tb_lossdiag.analysis.progress import fall
from tb_lossdiag.diagnosis import settings
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles, Steps
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "{percent}% of the weights that have a gradient are still bit for bit what they were {steps} steps before (last {checks} check-ups): they are {kind}, and the steps are smaller than half of its spacing."
)
_HALF = Text("half-precision numbers")
_ADVICE = Text("""A {kind} keeps {digits} digits, so a weight of 1 moves by {spacing} or not at all, however many steps push it the same way. Keep the weights
in float32 and compute in {kind}:

```python
model.float()
with torch.autocast("cuda", torch.bfloat16):
    loss = criterion(model(x), y)
```

Or keep a float32 copy of the weights in the optimizer, or round stochastically.{rate}""")
_RATE = Text(" A larger learning rate than {lr} only moves the limit.")
_NO_RATE = Text("")


@dataclass(frozen=True)
class UpdateLostInRounding:
    """Steps get lost in the rounding of half-precision weights.

    Why it matters: a step below half of the distance to the next number is rounded away whole. It does not add up: weights that a thousand
    steps pushed the same way have not moved.

    How it decides: check-ups compare up to 256 elements of each float16 or bfloat16 parameter that the optimizer holds with what they were at
    the first check-up. Of those with a gradient at least `min_share` are unchanged in `min_checks` check-ups up to the newest, each at least
    `min_steps` steps later; or `min_never`, where in `min_since` check-ups over `min_steps` steps hardly any of what the first step left
    has moved since (`max_moved` of it). An error from `most` on, unless the loss has lost `learned` of its start; an information where less is stuck and it has lost
    `nearly_all`. Unit: share of elements.

    What to try first: float32 weights with autocast.

    Guards against: float32 copies in the optimizer and stochastic rounding, with which weights do move in time; the first steps of a
    warm-up; elements without a gradient; a learning rate of 0 (LD605, LD612).

    References: Micikevicius et al. 2018 (arXiv 1710.03740), section 3.1 on master copies; Zamirai et al. 2020 (arXiv 2010.06192) on
    bfloat16 weights.
    """

    code: ClassVar[str] = "LD611"
    name: ClassVar[str] = "update-lost-in-rounding"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Steps are lost in rounding")
    reads: ClassVar[tuple[Quantity, ...]] = (q.STUCK_SHARE,)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.LOSS,
        q.LOSS_TERM,
        q.EXTRA,
        q.CALL_TARGET_MEAN,
        q.CALL_TARGET_STD,
        q.LEARNING_RATE,
    )
    explains: ClassVar[tuple[str, ...]] = ("LD104", "LD109", "LD523", "LD602", "LD605")
    setting: ClassVar[str] = settings.PRECISION

    #: share of elements, 1; with steps as large as the spacing none is left after a hundred
    min_share: float = 0.5
    #: the same from which nothing to speak of moves
    most: float = 0.9
    #: the same where the first step tells it all: what it left is where it was, so the steps in between did not add up
    min_never: float = 0.25
    #: share of what the first step left that has moved since, 1; without rounding all of it does
    max_moved: float = 0.1
    #: check-ups up to the newest
    min_checks: int = 3
    #: check-ups in all for what the first step left; they lie one, two, four ... steps apart
    min_since: int = 5
    #: steps since the first check-up; what moves at all has done so
    min_steps: int = 50
    #: share of the starting loss, 1; who has lost half of it moves enough
    learned: float = 0.5
    #: the same; what is stuck cannot have mattered where hardly anything is left to learn
    nearly_all: float = 0.9

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per watched model."""
        judged = False
        for column, steps, share in columns(run, q.STUCK_SHARE):
            late = steps >= steps[0] + self.min_steps
            newest = share[late][-self.min_checks :]
            most = len(newest) == self.min_checks and newest.min() >= self.min_share
            judged |= len(newest) == self.min_checks
            if self._never(share) and late.any():
                judged, most, newest = True, True, share
            if most and rate(run) != 0:
                yield from self._judge(run, column, steps, newest)
        if not judged:
            raise too_few(self.min_checks, Text("check-ups after the first steps"))

    def _never(self, share: Doubles) -> bool:
        """Whether what the first step left has not moved since."""
        least = max(self.min_never, (1 - self.max_moved) * float(share[0]))
        return len(share) >= self.min_since and bool(share.min() >= least)

    def _judge(self, run: Run, column: str, steps: Steps, newest: Doubles) -> Iterator[Finding]:
        share, lost = float(newest.min()), fall(run) or 0.0
        much = share >= self.most
        severity = Severity.ERROR if much and lost < self.learned else self.severity
        severity = Severity.INFO if lost >= self.nearly_all and not much else severity
        kind = run.facts.get("weights", "")
        words = {"percent": f"{100 * share:.0f}", "checks": str(len(newest))}
        words["steps"] = str(int(steps[-1]) - int(steps[0]))
        message = _MESSAGE.format(kind=kind or _HALF, **words)
        ends = int(steps[0]), int(steps[-1])
        evidence = Evidence(q.STUCK_SHARE.name, column, *ends, share, self.min_share)
        advice, numbers = _advice(run, kind), {"share": share}
        yield Finding(self.code, severity, column, (evidence,), message, advice, numbers)


def _advice(run: Run, kind: str) -> Text:
    lr = rate(run)
    larger = _NO_RATE if lr is None else _RATE.format(lr=short_number(lr))
    fine = kind == "float16"
    digits, spacing = ("4", "1e-3") if fine else ("3", "8e-3")
    return _ADVICE.format(kind=kind or "bfloat16", digits=digits, spacing=spacing, rate=larger)
