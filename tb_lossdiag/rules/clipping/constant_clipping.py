"""LD301 constant-clipping."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.clips import ClipSeries, at_bound, inferred, ledger
from tb_lossdiag.analysis.columns import not_recorded, too_few
from tb_lossdiag.analysis.parameters import Family, family, rate
from tb_lossdiag.analysis.weighted import quantile
from tb_lossdiag.diagnosis import settings
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "{percent}% of the steps were clipped, with a median clip coefficient of {coefficient} in {records} {what}: max_norm is {max_norm}, the global norm has a median of {median} and a 90th percentile of {p90}."
)
_CLIPS = Text("clips")
_CHECK_UPS = Text("check-ups")
_ADVICE = Text("""{family}

A bound at the 90th percentile of your own norms catches the outliers and leaves the rest alone:

```python
writer.clip_grad_norm_(model.parameters(), max_norm={p90})
```""")
_FAMILIES = {
    Family.SGD: Text(
        "With SGD the clip is a hidden learning rate: every step has length lr x {max_norm}, and the typical one is scaled by {coefficient}. After raising `max_norm`, {rate} keeps the present step length."
    ),
    Family.ADAM: Text(
        "An Adam-like optimizer divides a constant factor out again, so the step length hardly changes; what is lost is the bound's purpose: it can no longer tell an outlier from a normal step."
    ),
    Family.UNKNOWN: Text(
        "If the optimizer is SGD, the clip is a hidden learning rate (the typical step is scaled by {coefficient}); with Adam it mostly isn't. Pass `optimizer=` to `add_diagnostics` to have it told apart."
    ),
}
_RATE = Text("`lr={lr}` (now {now})")
_FACTOR = Text("{coefficient} times the learning rate")


@dataclass(frozen=True)
class ConstantClipping:
    """Nearly every step is clipped, and strongly.

    Why it matters: a clip is there for outliers. One that always binds sets the step length instead of the learning rate (SGD),
    or does nothing but hide outliers (Adam).

    How it decides: clip coefficient = min(1, max_norm / (global norm + 1e-6)), after the first `skipped` of the steps. More than
    `min_share` of the clips changed the gradients, and the median coefficient is below `max_coefficient`; a record counts as often as
    it has clips. For clips that were not recorded, `min_check_ups` check-ups give the bound and the coefficient = norm at the step /
    norm after backward, and the share is that of all steps whose norm is the bound. Dimensionless.

    What to try first: `max_norm` at the 90th percentile of the run's own norms, with the learning rate adapted.

    Guards against: the large gradients of a warm-up (skipped); clips that measure only (`max_norm=inf`); norms that aren't finite;
    clips by value; gradients divided by a constant, as in an average; with Adam-like optimizers it is only an information.

    References: Pascanu, Mikolov and Bengio 2013 (arXiv 1211.5063); Zhang et al. 2020 (arXiv 1905.11881).
    """

    code: ClassVar[str] = "LD301"
    name: ClassVar[str] = "constant-clipping"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Clipping never lets go")
    reads: ClassVar[tuple[Quantity, ...]] = ()
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.CLIP_GLOBAL_NORM,
        q.CLIP_MAX_NORM,
        q.CLIP_CALLS,
        q.CLIP_BOUND,
        q.BACKWARD_NORM,
        q.STEP_NORM,
        q.STEP_RATIO_SPREAD,
        q.UNSCALE_FACTOR,
        q.CLIPS_SEEN,
        q.GLOBAL_NORM,
        q.STEPS,
        q.LEARNING_RATE,
    )
    explains: ClassVar[tuple[str, ...]] = ("LD109", "LD602")
    setting: ClassVar[str] = settings.CLIP

    #: share of clips, 1; a bound that is met nine times of ten isn't for outliers
    min_share: float = 0.9
    #: median clip coefficient, 1; half of the step is taken away
    max_coefficient: float = 0.5
    #: share of the steps at the beginning, 1; a warm-up's gradients are large for a reason
    skipped: float = 0.1
    #: records of clips that are left; fewer give no 90th percentile
    min_records: int = 30
    #: check-ups with the same norm after the change, for clips that were not recorded
    min_check_ups: int = 3

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per clip call that always binds."""
        if q.CLIP_GLOBAL_NORM in run:
            every = [c for c in self._settled(ledger(run)) if len(c) >= self.min_records]
            if not every:
                raise too_few(
                    self.min_records,
                    Text("records of clips with a finite norm after the first tenth"),
                )
            for clips in every:
                yield from self._judge(run, clips, clips.share)
        elif q.BACKWARD_NORM in run:
            for clips in inferred(run):
                if clips.bound.sum() >= self.min_check_ups:
                    yield from self._judge(run, clips, self._share(run, clips))
        else:
            raise not_recorded(q.CLIP_GLOBAL_NORM, q.BACKWARD_NORM)

    def _settled(self, every: list[ClipSeries]) -> list[ClipSeries]:
        return [clips.settled(self.skipped) for clips in every]

    def _share(self, run: Run, clips: ClipSeries) -> float:
        """Share of the steps that end at the bound; of the check-ups, where the steps are not known."""
        share = at_bound(run, clips, self.skipped, self.min_records)
        return clips.share if np.isnan(share) else share

    def _judge(self, run: Run, clips: ClipSeries, share: float) -> Iterator[Finding]:
        calls = clips.calls
        middle = quantile(clips.coefficients, calls, 0.5)
        if share <= self.min_share or not middle < self.max_coefficient:
            return
        numbers = {
            "share": share,
            "coefficient": middle,
            "max_norm": quantile(clips.bounds, calls, 0.5),
            "median": quantile(clips.norms, calls, 0.5),
            "p90": quantile(clips.norms, calls, 0.9),
        }
        yield self._finding(run, clips, numbers)

    def _finding(self, run: Run, clips: ClipSeries, numbers: dict[str, float]) -> Finding:
        words = {key: short_number(value) for key, value in numbers.items()}
        words |= {
            "percent": f"{100 * numbers['share']:.0f}",
            "records": short_number(clips.calls.sum()),
        }
        what = _CLIPS if clips.quantity is q.CLIP_GLOBAL_NORM else _CHECK_UPS
        message = _MESSAGE.format(what=what, **words)
        ends = int(clips.steps[0]), int(clips.steps[-1])
        evidence = Evidence(
            clips.quantity.name, clips.column, *ends, numbers["median"], numbers["max_norm"]
        )
        severity = Severity.INFO if family(run) is Family.ADAM else self.severity
        advice = _advice(run, numbers, words)
        return Finding(self.code, severity, clips.column, (evidence,), message, advice, numbers)


def _advice(run: Run, numbers: dict[str, float], words: dict[str, str]) -> Text:
    lr = rate(run)
    keep = (
        _FACTOR.format(**words)
        if lr is None
        else _RATE.format(lr=short_number(lr * numbers["coefficient"]), now=short_number(lr))
    )
    kind = _FAMILIES[family(run)]
    return _ADVICE.format(family=kind.format(rate=keep, **words), **words)
