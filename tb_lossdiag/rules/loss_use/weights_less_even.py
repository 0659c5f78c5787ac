"""LD522 weights-less-even."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.loss_calls import calls
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles
from tb_lossdiag.run import Run

_WRONG = Text(
    "Class {frequent} has {before}% of the targets and, by the weights that the loss is given, {after}% of the say: the weights make the frequent class more frequent. They are in the wrong order, or not the inverse of the frequencies."
)
_BEYOND = Text(
    "Class {heaviest} has {own}% of the targets and, by the weights that the loss is given, {after}% of the say, more than any class had without them ({before}%)."
)
_TWICE = Text(
    "The batches hold the classes about evenly, and the loss is given weights that were made of uneven counts: class {heaviest} has {own}% of the targets, {after}% of the say, and was the answer for {answered}% of the samples. It is balanced twice, by how samples are drawn and by weights."
)
_ONCE = Text("""Draw rare samples more often, or weigh them; one of the two is enough:

```python
loss = torch.nn.functional.cross_entropy(logits, target)  # the sampler has made the classes even
```

If the class is meant to count for more, whatever its frequency, switch this rule off.""")
_CLASSES = Text("""Weights go with the index of the class, and larger ones to rarer classes:

```python
counts = torch.bincount(target, minlength=logits.shape[1]).clamp(min=1)
weight = counts.sum() / (len(counts) * counts)  # weight[c] belongs to class c
loss = torch.nn.functional.cross_entropy(logits, target, weight=weight)
```

The usual ways to get them wrong: a dictionary or a table sorted by frequency or by name instead of by class, labels that were numbered
anew after the weights were made, frequencies used where their inverse was meant.""")
_ANSWERS = Text("""`pos_weight` is the number of negatives for each positive:

```python
positives = target.sum().clamp(min=1)
pos_weight = (target.numel() - positives) / positives
loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, target, pos_weight=pos_weight)
```""")
_BOTH = Text(
    "The `weight` that `{call}` is given is about {weight}, which is how many negative targets there are for each positive one: a `pos_weight` that was given as `weight`, which counts for both answers. Of the targets {positive}% are positive, of the newest answers {answered}%."
)
_FOR_ONE = Text("""`weight` multiplies whatever an output costs, `pos_weight` only what a positive target costs:

```python
positives = target.sum(0).clamp(min=1)
pos_weight = (len(target) - positives) / positives
loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, target, pos_weight=pos_weight)
```

The loss, and with it the gradient, is smaller then; the learning rate may have to grow.""")
_EXACT = 1e-5
"""Of a number that is kept in 32 bits."""
_NEWEST = 3
"""Check-ups: one batch may hold no positive target."""


@dataclass(frozen=True)
class _Shares:
    """Of the targets, before and after weighting.

    Attributes:
        column: of the evidence: a loss call, or the heaviest class.
        quantity: that says what was given.
        before: float64[C] shares of the targets.
        after: float64[C] shares of the say.
        advice: how weights are made.
        answered: float64[C] shares of the model's answers; NaN where they are not known.
        counted: whether the weights look as if they were worked out, not typed.
    """

    column: str
    quantity: Quantity
    before: Doubles
    after: Doubles
    advice: Text
    answered: Doubles
    counted: bool = False


@dataclass(frozen=True)
class WeightsLessEven:
    """The weights of a loss make its classes less even.

    Why it matters: weights are given so that rare classes count. In the wrong order they silence the rare ones altogether, and the loss
    falls the better for it; only a measure by class shows it.

    How it decides: the targets of all check-ups, at least `min_targets`, are counted by class, and counted again with the weights. What
    the largest class leaves to the others falls to `max_rest` of what it was. Where the largest is the class that was the most frequent
    one, with `min_uneven` times its fair share, it is a warning. So it is where no class has that and the others are left `max_twice`,
    by weights that are no round numbers, and the model answers with the largest by `min_answered` more often than it is right: who draws
    samples evenly has no use for weights made of counts. Else it is an information, for a class may be meant to count more. And a warning where
    a binary cross-entropy is given a `weight` for each output whose sum over the positive targets, at least `min_positives` of them, is the number of
    negative ones to within `max_off`, though it is `min_odds` and more, and the last answers hold at most `max_positive` of the positive ones. Unit: share of
    the targets.

    What to try first: print each class with its count and its weight.

    Guards against: weights that make a rare class count more than the others by a little; a few batches, which hold few rare targets;
    balanced classes; weights of outputs that are
    made of no counts.

    References: King and Zeng 2001, "Logistic regression in rare events data"; PyTorch, `CrossEntropyLoss` (weight) and
    `BCEWithLogitsLoss` (pos_weight).
    """

    code: ClassVar[str] = "LD522"
    name: ClassVar[str] = "weights-less-even"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Class weights make classes less even")
    reads: ClassVar[tuple[Quantity, ...]] = (q.CALL_WEIGHTED,)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.LABEL_COUNT, q.LABEL_WEIGHT, q.PREDICTED_COUNT, q.CALL_POS_WEIGHT, q.CALL_TARGET_MEAN, q.CALL_SAMPLES,
        q.CALL_BOTH_WEIGHT, q.CALL_BOTH_COUNT, q.CALL_BOTH_NO, q.CALL_PREDICTED_MAJORITY,
    )  # fmt: skip
    explains: ClassVar[tuple[str, ...]] = ("LD104", "LD105", "LD109", "LD509", "LD523")

    #: targets; a class of one in a hundred is then seen
    min_targets: int = 200
    #: share of the others' part, 1; less is what rounded weights do
    max_rest: float = 0.7
    #: times the fair share, 1; below, no class is the frequent one
    min_uneven: float = 1.3
    #: share of the others' part, 1; of two classes that are even, one then has nine times the other's say
    max_twice: float = 0.2
    #: of the answers, 1; a tenth is what a small model's first steps do by chance
    min_answered: float = 0.1
    #: positive targets; of a hundred, chance makes a tenth more or less
    min_positives: int = 100
    #: relative, 1; two such errors
    max_off: float = 0.2
    #: negative targets for a positive one, 1; where there are hardly more, other weights come near it
    min_odds: float = 3.0
    #: share of the positive targets, 1; who answers with as many has got over it
    max_positive: float = 0.5

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per loss whose weights make its classes less even."""
        steps = run[q.CALL_WEIGHTED].steps
        found = [*self._classes(run), *self._answers(run)]
        yield from self._both(run)
        told = q.CALL_BOTH_COUNT in run and np.nansum(run[q.CALL_BOTH_COUNT].values)
        if (
            not found
            and not told >= self.min_positives
            and np.nansum(run[q.CALL_WEIGHTED].values) > 0
        ):
            needs = Text("weights of classes, and at least {least} targets in check-ups")
            raise NotEnough(needs.format(least=str(self.min_targets)))
        for shares in found:
            if shares.after.max() >= 1 - self.max_rest * (1 - shares.before.max()):
                yield self._finding(shares, (int(steps[0]), int(steps[-1])))

    def _classes(self, run: Run) -> Iterator[_Shares]:
        """The first loss over classes that was given weights."""
        if q.LABEL_WEIGHT not in run or q.LABEL_COUNT not in run:
            return
        weights, counts = run[q.LABEL_WEIGHT], run[q.LABEL_COUNT]
        total = np.nansum(counts.values.astype(np.float64), axis=0)
        given = dict(zip(weights.columns, weights.values[-1].astype(np.float64), strict=True))
        own = np.array([given.get(name, np.nan) for name in counts.columns])
        if total.sum() < self.min_targets or not np.isfinite(own).all() or (own * total).sum() <= 0:
            return
        heaviest = counts.columns[int(np.argmax(own * total))]
        shares = total / total.sum(), own * total / (own * total).sum()
        answered = _answered(run, counts.columns)
        yield _Shares(heaviest, q.LABEL_WEIGHT, *shares, _CLASSES, answered, not _round(own))

    def _answers(self, run: Run) -> Iterator[_Shares]:
        """Each loss of yes and no that was given one weight."""
        if q.CALL_POS_WEIGHT not in run:
            return
        for call in calls(run):
            yes, heavier = call.of(q.CALL_TARGET_MEAN), call.typical(q.CALL_POS_WEIGHT)
            known = np.isfinite(yes)
            if not np.isfinite(heavier) or call.of(q.CALL_SAMPLES)[known].sum() < self.min_targets:
                continue
            share = float(yes[known].mean())
            own = np.array([1 - share, share]), np.array([1 - share, heavier * share])
            shares = own[0], own[1] / own[1].sum()
            yield _Shares(call.name, q.CALL_POS_WEIGHT, *shares, _ANSWERS, np.full(2, np.nan))

    def _both(self, run: Run) -> Iterator[Finding]:
        """Each loss of yes and no whose weight of both answers is made of counts."""
        for call in calls(run) if q.CALL_BOTH_WEIGHT in run else ():
            counts, weights = call.of(q.CALL_BOTH_COUNT), call.of(q.CALL_BOTH_WEIGHT)
            yes, count = float(np.nansum(weights * counts)), float(np.nansum(counts))
            no = float(np.nansum(call.of(q.CALL_BOTH_NO)))
            if count < self.min_positives or yes < self.min_odds * count:
                continue
            answered = 1 - float(np.median(call.of(q.CALL_PREDICTED_MAJORITY)[-_NEWEST:]))
            positive = count / (count + no)
            if abs(yes / no - 1) > self.max_off or not answered <= self.max_positive * positive:
                continue
            message = _BOTH.format(
                call=call.name,
                weight=short_number(call.typical(q.CALL_BOTH_WEIGHT)),
                positive=short_number(100 * positive),
                answered=short_number(100 * answered),
            )
            ends = int(call.steps[0]), int(call.steps[-1])
            evidence = Evidence(q.CALL_BOTH_WEIGHT.name, call.name, *ends)
            numbers = {"weight": yes / count, "positive": positive, "answered": answered}
            shown = (evidence,), message, _FOR_ONE, numbers
            yield Finding(self.code, self.severity, call.name, *shown)

    def _twice(self, shares: _Shares) -> bool:
        """Whether samples are drawn evenly and weighed by counts as well, and it shows."""
        heaviest = int(np.argmax(shares.after))
        even = shares.before.max() * len(shares.before) < self.min_uneven
        little = 1 - shares.after.max() <= self.max_twice * (1 - shares.before.max())
        more = float(shares.answered[heaviest] - shares.before[heaviest])
        return even and little and shares.counted and more >= self.min_answered

    def _finding(self, shares: _Shares, ends: tuple[int, int]) -> Finding:
        heaviest, frequent = int(np.argmax(shares.after)), int(np.argmax(shares.before))
        before, after = float(shares.before.max()), float(shares.after.max())
        uneven = before * len(shares.before) >= self.min_uneven
        wrong, twice = heaviest == frequent and uneven, self._twice(shares)
        numbers = {"before": before, "after": after}
        words = {
            "frequent": str(frequent),
            "heaviest": str(heaviest),
            "own": short_number(100 * float(shares.before[heaviest])),
            "before": short_number(100 * before),
            "after": short_number(100 * after),
            "answered": short_number(100 * float(shares.answered[heaviest])),
        }
        message = (_WRONG if wrong else _TWICE if twice else _BEYOND).format(**words)
        severity = self.severity if wrong or twice else Severity.INFO
        evidence = Evidence(
            shares.quantity.name, shares.column, *ends, after, 1 - self.max_rest * (1 - before)
        )
        advice = _ONCE if twice else shares.advice
        return Finding(self.code, severity, "", (evidence,), message, advice, numbers)


def _answered(run: Run, classes: Sequence[str]) -> Doubles:
    """float64[C]: the share that each class has of the model's answers; NaN where it is not known."""
    if q.PREDICTED_COUNT not in run or run[q.PREDICTED_COUNT].columns != tuple(classes):
        return np.full(len(classes), np.nan)
    total: Doubles = np.nansum(run[q.PREDICTED_COUNT].values.astype(np.float64), axis=0)
    return total / total.sum() if total.sum() else np.full(len(classes), np.nan)


def _round(weights: Doubles) -> bool:
    """Whether somebody may have typed them, or their ratios: three digits say all of each."""
    ratios = weights / weights.min() if weights.min() > 0 else weights
    return any(
        all(abs(float(f"{w:.2e}") - w) <= _EXACT * abs(w) for w in those)
        for those in (weights, ratios)
    )
