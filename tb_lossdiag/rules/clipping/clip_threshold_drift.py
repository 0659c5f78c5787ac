"""LD306 clip-threshold-drift."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.clips import ClipSeries, ledger
from tb_lossdiag.analysis.columns import too_few
from tb_lossdiag.analysis.curve import curve_of
from tb_lossdiag.analysis.weighted import quantile
from tb_lossdiag.diagnosis import settings
from tb_lossdiag.diagnosis.judged import with_judged
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "The share of clipped steps went from {before}% to {after}% at step {at} and stayed there: the median global norm went from {norm_before} to {norm_after}, max_norm is {max_norm}{loss}."
)
_RISING = Text(", and the loss is higher since")
_ADVICE_UP = Text("""The gradients outgrew the bound. If the loss rises with them, the training is becoming unstable: lower the learning rate or decay it
from here on, and look at what grew (gradient norms by layer).

If the loss is fine, a bound from the new regime keeps clipping for outliers:

```python
writer.clip_grad_norm_(model.parameters(), max_norm={p90})  # 90th percentile since step {at}
```""")
_ADVICE_DOWN = Text("""The gradients fell below the bound, as they do when a training settles. A bound from the new regime would still catch outliers:

```python
writer.clip_grad_norm_(model.parameters(), max_norm={p90})  # 90th percentile since step {at}
```""")


_JUDGED = Text("share of the clips that acted, over {records} records")


@dataclass(frozen=True)
class ClipThresholdDrift:
    """Clipping changed from never to always, or back, and stayed so.

    Why it matters: one bound no longer fits the whole run. When it starts to bind while the loss rises, it is an early sign of
    instability.

    How it decides: the run is cut where the clipped share differs most. Before the cut it is at most `max_low` and after it at least
    `min_high`, or the other way round; each side has `min_part` of the clips and `min_records` records. A warning if clipping rises
    and the loss ends `min_rise` above its level at the cut; otherwise an information. Unit: share of clips.

    What to try first: lower the learning rate if the loss rises; else a bound from the new regime.

    Guards against: the large gradients of the first steps (each side must be long); a share that fluctuates; a gradient that grows
    while the loss falls, as late in many healthy trainings (only an information).

    References: Zhang et al. 2020 (arXiv 1905.11881); Defazio 2025 (arXiv 2506.02285) on gradients that grow near the end.
    """

    code: ClassVar[str] = "LD306"
    name: ClassVar[str] = "clip-threshold-drift"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("The gradients moved across the bound")
    reads: ClassVar[tuple[Quantity, ...]] = (q.CLIP_GLOBAL_NORM, q.CLIP_MAX_NORM)
    may_read: ClassVar[tuple[Quantity, ...]] = (q.CLIP_CALLS, q.CLIP_BOUND, q.LOSS)
    explains: ClassVar[tuple[str, ...]] = ()
    setting: ClassVar[str] = settings.CLIP

    #: share of clips that act, 1; "never"
    max_low: float = 0.1
    #: share of clips that act, 1; "always"
    min_high: float = 0.9
    #: share of all clips on each side, 1; longer than a warm-up
    min_part: float = 0.2
    #: records on each side; fewer give no share
    min_records: int = 20
    #: rise of the loss's level since the cut, 1; more than noise of a level
    min_rise: float = 0.1

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per clip call whose regime changed."""
        every = [clips for clips in ledger(run) if len(clips) >= 2 * self.min_records]
        if not every:
            raise too_few(2 * self.min_records, Text("records of clips with a finite norm"))
        for clips in every:
            yield from self._judge(run, clips)

    def _judge(self, run: Run, clips: ClipSeries) -> Iterator[Finding]:
        cut = self._cut(clips)
        if cut is None:
            return
        rows = np.arange(len(clips))
        one, two = clips.where(rows < cut), clips.where(rows >= cut)
        shares = [float(part.bound.sum() / part.calls.sum()) for part in (one, two)]
        low, high = min(shares), max(shares)
        if low <= self.max_low and high >= self.min_high:
            yield self._finding(run, one, two, (shares[0], shares[1]))

    def _cut(self, clips: ClipSeries) -> int | None:
        """First record after the cut that separates the shares best (most variance between the sides)."""
        calls, acted = np.cumsum(clips.calls), np.cumsum(clips.bound)
        all_calls, all_acted = calls[-1], acted[-1]
        part = calls[:-1] / all_calls
        between = (
            acted[:-1] / calls[:-1] - (all_acted - acted[:-1]) / (all_calls - calls[:-1])
        ) ** 2
        score = between * part * (1 - part)
        place = np.arange(1, len(clips))
        ok = (part >= self.min_part) & (part <= 1 - self.min_part)
        ok &= (place >= self.min_records) & (place <= len(clips) - self.min_records)
        score = np.where(ok & np.isfinite(score), score, -1.0)
        return int(np.argmax(score)) + 1 if score.max() > 0 else None

    def _finding(
        self, run: Run, one: ClipSeries, two: ClipSeries, shares: tuple[float, float]
    ) -> Finding:
        up, at = shares[1] > shares[0], int(two.steps[0])
        worse = up and self._loss_rose(run, at)
        numbers = {
            "norm_before": quantile(one.norms, one.calls, 0.5),
            "norm_after": quantile(two.norms, two.calls, 0.5),
            "max_norm": quantile(two.bounds, two.calls, 0.5),
            "p90": quantile(two.norms, two.calls, 0.9),
        }
        words = {key: short_number(value) for key, value in numbers.items()} | {"at": str(at)}
        words |= {"before": f"{100 * shares[0]:.0f}", "after": f"{100 * shares[1]:.0f}"}
        rising = _RISING if worse else Text("")
        message = _MESSAGE.format(loss=rising, **words)
        threshold = self.min_high if up else self.max_low
        ends = at, int(two.steps[-1])
        evidence = with_judged(
            Evidence(q.CLIP_GLOBAL_NORM.name, two.column, *ends, shares[1], threshold),
            _JUDGED.format(records=str(self.min_records)),
            np.concatenate([one.steps, two.steps]),
            np.concatenate([self._shares(one), self._shares(two)]),
        )
        severity = self.severity if worse else Severity.INFO
        advice = (_ADVICE_UP if up else _ADVICE_DOWN).format(**words)
        return Finding(self.code, severity, two.column, (evidence,), message, advice, numbers)

    def _shares(self, part: ClipSeries) -> Doubles:
        """float64[T]: of the clips up to each record the share that acted, over a few records of one side."""
        least = np.ones(self.min_records)
        acted, calls = (np.convolve(n, least)[: len(part)] for n in (part.bound, part.calls))
        shares: Doubles = acted / calls
        return shares

    def _loss_rose(self, run: Run, at: int) -> bool:
        loss = curve_of(run, q.LOSS) if q.LOSS in run else None
        if loss is None or len(loss) < self.min_records or loss.may_be_negative:
            return False
        then = float(loss.level_at(np.array([at - 1]))[0])
        rise = float(loss.level[-1]) - then
        return bool(rise > max(self.min_rise * then, 3 * loss.noise / np.sqrt(loss.width)))
