"""LD509 class-imbalance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.levels import Bools
from tb_lossdiag.analysis.loss_calls import BINARY, CLASSES, LossCallSeries, calls
from tb_lossdiag.analysis.modules import last_span
from tb_lossdiag.diagnosis.rule import Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "{majority}% of the targets of `{call}` are of one class, the model has predicted one class for {predicted}% of the samples in the last {checks} check-ups, and its loss {value} is no better than guessing by frequency ({baseline})."
)
_MANY = Text("""Let rare classes count more. From the labels seen so far:

```python
weight = torch.tensor([{weights}])  # one per class, larger for rarer ones
loss = torch.nn.functional.cross_entropy(logits, target, weight=weight.to(logits.device))
```

Or draw them more often (`torch.utils.data.WeightedRandomSampler`). Judge by balanced accuracy or the area under the curve, not by
accuracy: {majority}% come for free.""")
_COUNTED = Text("""Let rare classes count more:

```python
counts = torch.bincount(target, minlength=logits.shape[1])  # better: of all targets of the training data
weight = counts.sum() / (len(counts) * counts.clamp(min=1))
loss = torch.nn.functional.cross_entropy(logits, target, weight=weight.to(logits.device))
```

Or draw them more often (`torch.utils.data.WeightedRandomSampler`). Judge by balanced accuracy or the area under the curve, not by
accuracy: {majority}% come for free.""")
_TWO = Text("""Let the rare answer count more. {share}% of the targets seen are positive:

```python
pos_weight = torch.tensor({weight})  # negatives per positive
loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, target, pos_weight=pos_weight)
```

Or draw them more often (`torch.utils.data.WeightedRandomSampler`). Judge by the area under the precision-recall curve, not by
accuracy: {majority}% come for free.""")
_MOST_LISTED = 20
"""Weights that fit into a line of code."""


@dataclass(frozen=True)
class ClassImbalance:
    """One class is so frequent that the model only ever predicts it.

    Why it matters: always saying "no" is right in 95 of 100 cases and says nothing. The loss of that answer is a plateau that a model
    may never leave.

    How it decides: over the last `min_checks` check-ups or more, the most frequent class has at least `min_majority` of the targets, one
    class gets at least `min_predicted` of the predictions, and the losses of the newest `min_checks` add up to at least `min_baseline`
    of what the label frequencies alone give (their entropy, weighted as the loss is). Batches without a rare class are left out.

    What to try first: class weights or `pos_weight`; draw rare classes more often; another measure than accuracy.

    Guards against: imbalance that the model copes with (its loss is below the baseline, or it predicts rare classes); the first
    check-ups, when every model guesses; a model that is still on its way (each of the newest `min_falls` check-ups is nearer to the
    frequencies' loss than the one before, the last one by `min_fall` of it); weights whose best constant isn't known; one class (LD506).

    References: King and Zeng 2001, "Logistic regression in rare events data"; He and Garcia 2009, "Learning from imbalanced data".
    """

    code: ClassVar[str] = "LD509"
    name: ClassVar[str] = "class-imbalance"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Only the most frequent class is predicted")
    reads: ClassVar[tuple[Quantity, ...]] = (q.CALL_VALUE,)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.CALL_MAJORITY,
        q.CALL_PREDICTED_MAJORITY,
        q.CALL_BASELINE,
        q.CALL_TARGET_MEAN,
        q.LABEL_COUNT,
    )
    explains: ClassVar[tuple[str, ...]] = ("LD104", "LD109", "LD523")

    #: share of the targets, 1; with less, guessing one class is not yet a comfortable answer
    min_majority: float = 0.8
    #: share of the predictions, 1; a model that copes predicts the rare classes about as often as they occur
    min_predicted: float = 0.995
    #: loss over that of the label frequencies, both summed, 1; five batches of 64 with 3 rare samples in each vary by a tenth
    min_baseline: float = 0.95
    #: check-ups in a row up to the newest; the first three are consecutive steps, so some lie later
    min_checks: int = 5
    #: fall of the loss between the newest two check-ups over that of the frequencies, 1; what lies within `min_baseline` counts as arrived
    min_fall: float = 0.05
    #: falls in a row up to the newest; a loss that stands still has three of them once in 24 times
    min_falls: int = 3

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per class loss that has stayed at the answer "most frequent class"."""
        found = [(call, _known(call)) for call in calls(run, (*CLASSES, *BINARY))]
        if max(int(known.sum()) for _, known in found) < self.min_checks:
            least = self.min_checks
            raise NotEnough(
                Text("at least {least} check-ups of a loss on classes").format(least=least)
            )
        for call, known in found:
            # A batch without a rare class says nothing about how those are predicted.
            telling = known & (call.of(q.CALL_MAJORITY) < 1)
            stuck = self._stuck(call)
            span = last_span(np.where(telling, 1.0, np.nan), stuck, self.min_checks)
            if span is not None:
                hits = np.zeros(len(telling), bool)
                hits[np.flatnonzero(telling)[span.records]] = True
                if self._guesses(call, hits) and not self._still_falls(call, hits):
                    yield self._finding(run, call, hits)

    def _stuck(self, call: LossCallSeries) -> Bools:
        majority = call.of(q.CALL_MAJORITY)
        one = call.of(q.CALL_PREDICTED_MAJORITY) >= self.min_predicted
        found: Bools = (majority >= self.min_majority) & one
        return found

    def _guesses(self, call: LossCallSeries, hits: Bools) -> bool:
        """Whether the newest of these check-ups together cost as much as the frequencies; one batch may be an easy one."""
        newest = np.flatnonzero(hits)[-self.min_checks :]
        value, baseline = call.of(q.CALL_VALUE)[newest], call.of(q.CALL_BASELINE)[newest]
        return bool(value.sum() >= self.min_baseline * baseline.sum())

    def _still_falls(self, call: LossCallSeries, hits: Bools) -> bool:
        """Whether the loss has not come to rest yet: a slow training passes by the frequencies on its way down."""
        newest = np.flatnonzero(hits)[-self.min_falls - 1 :]
        falls = -np.diff(call.of(q.CALL_VALUE)[newest] / call.of(q.CALL_BASELINE)[newest])
        return bool((falls > 0).all() and falls[-1] >= self.min_fall)

    def _finding(self, run: Run, call: LossCallSeries, hits: Bools) -> Finding:
        majority = float(np.median(call.of(q.CALL_MAJORITY)[hits]))
        predicted = float(np.median(call.of(q.CALL_PREDICTED_MAJORITY)[hits]))
        share = short_number(100 * majority)
        message = _MESSAGE.format(
            call=call.name,
            majority=share,
            predicted=short_number(100 * predicted),
            checks=str(int(hits.sum())),
            value=short_number(float(np.median(call.of(q.CALL_VALUE)[hits]))),
            baseline=short_number(float(np.median(call.of(q.CALL_BASELINE)[hits]))),
        )
        evidence = call.evidence(q.CALL_PREDICTED_MAJORITY, hits, predicted, self.min_predicted)
        advice = _advice(run, call, share)
        numbers = {"majority": majority, "predicted": predicted}
        return Finding(self.code, self.severity, call.name, (evidence,), message, advice, numbers)


def _known(call: LossCallSeries) -> Bools:
    return ~np.isnan(call.of(q.CALL_MAJORITY)) & ~np.isnan(call.of(q.CALL_PREDICTED_MAJORITY))


def _advice(run: Run, call: LossCallSeries, majority: str) -> Text:
    yes = call.typical(q.CALL_TARGET_MEAN)
    if call.function in BINARY:
        yes = yes if 0 < yes < 1 else 1e-3
        weight = short_number(float(f"{(1 - yes) / yes:.2g}"))
        return _TWO.format(share=short_number(100 * yes), weight=weight, majority=majority)
    weights = balanced(_labels(run))
    if not 0 < len(weights) <= _MOST_LISTED:
        return _COUNTED.format(majority=majority)
    shown = ", ".join(short_number(float(f"{weight:.3g}")) for weight in weights)
    return _MANY.format(weights=shown, majority=majority)


def _labels(run: Run) -> Doubles:
    """float64[C]: targets of each class over all check-ups, by number."""
    if q.LABEL_COUNT not in run:
        return np.zeros(0)
    counts = run[q.LABEL_COUNT]
    total = np.where(np.isfinite(counts.values), counts.values, 0).astype(np.float64).sum(axis=0)
    numbered = [name for name in counts.columns if name.isdecimal()]
    return np.array([total[counts.columns.index(name)] for name in sorted(numbered, key=int)])


def balanced(counts: Doubles) -> Doubles:
    """float64[C]: samples / (classes x samples of the class), as scikit-learn's "balanced"; an unseen class counts as seen once."""
    if not len(counts):
        return counts
    least: Doubles = np.maximum(counts, 1.0)
    weights: Doubles = least.sum() / (len(counts) * least)
    return weights
