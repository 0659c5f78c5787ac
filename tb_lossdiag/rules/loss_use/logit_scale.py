"""LD520 logit-scale."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.contrastive import comparisons, first_is_right
from tb_lossdiag.analysis.learned_scale import MASK, LearnedScale, learned_scales
from tb_lossdiag.analysis.loss_calls import LossCallSeries, calls_if_any
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity, Source
from tb_lossdiag.records import Doubles
from tb_lossdiag.run import Run

_ROUNDING = 1.02
"""Times what a bound allows; a recorded value and a step may lie between."""
_CLIP = 100.0
"""Where CLIP and those after it stop the scale."""
_OTHERS = (Source.TANH, Source.SIGMOID, Source.RELU, Source.SOFTMAX, Source.LOG_SOFTMAX)
"""What keeps scores within such bounds as well, and has rules of its own."""

_FLAT = Text(
    "The likenesses that `{call}` compares reach {largest} at most: with cosines of that scale its loss among {classes} candidates cannot fall below {floor}, where guessing costs {guess}."
)
_FLAT_ADVICE = Text("""A cosine lies between -1 and 1. Unless it is multiplied by 5 to 100, a softmax over many candidates gives them all nearly the same share,
and hardly any gradient tells them apart:

```python
temperature = 0.1
logits = normalised_a @ normalised_b.T / temperature  # divided, not multiplied
```""")
_BEHIND = Text(
    "In the last {checks} check-ups `{call}` costs {value} and more, above guessing between {classes} candidates ({guess}), and the right one, always the first, wins in {percent}% of the rows: it loses to the others, as it does where these alone are divided by a temperature."
)
_BEHIND_ADVICE = Text("""The right candidate and the others must be on one scale, so divide once they are side by side:

```python
temperature = 0.1
positive = (normalised_a * normalised_b).sum(1, keepdim=True)
logits = torch.cat([positive, normalised_a @ normalised_b.T], dim=1) / temperature
```

If they are, look whether the first candidate is the right one at all.""")
_RAW = Text(
    "`{name}` is {value}, and the largest likeness that `{call}` compares is {largest}: the scale itself, and not its exponential ({scale}). The loss cannot fall below {floor} then, where guessing costs {guess}."
)
_RAW_ADVICE = Text("""A scale that begins at the logarithm of 10 to 100 is meant to be raised:

```python
scale = model.get_parameter("{name}").exp().clamp(max=100)
```

If it is to be used as it is, begin with 10 or more.""")
_LONGER = Text(
    "In {checks} check-ups the scores that `{call}` compares are up to {times} times what `{name}` multiplies by ({scale}): products of vectors of any length, and no cosines. The loss is {value} and more in them, where guessing costs {guess}."
)
_LONGER_ADVICE = Text("""A scale that begins between 7 and 100 is made for cosines. Bring the vectors to length 1 before they are multiplied:

```python
a, b = (torch.nn.functional.normalize(each, dim=-1) for each in (image, text))
logits = a @ b.T * scale
```

Else long vectors are like everything, and what was learned of directions is lost in validation, where vectors are normalised.""")
_BEYOND = Text(
    "The likenesses that `{call}` compares are multiplied by {scale} by now (`{name}`), with the largest one at {largest}; 100 is where such scales are usually stopped."
)
_RESTLESS = Text(
    "`{name}` moved by {step} a step at the start, and what `{call}` compares is multiplied by {low} at one time and by {high} at another."
)
_BOUND_ADVICE = Text("""A learned scale needs a bound, a small rate of its own and no weight decay:

```python
with torch.no_grad():
    model.get_parameter("{name}").clamp_(0, 4.6052)  # the logarithm of 100
```

Too large a scale makes a few pairs all there is to learn from; one that moves faster than the features takes the loss with it.""")


@dataclass(frozen=True)
class LogitScale:
    """What a contrastive loss compares is scaled too little, too much, or restlessly.

    Why it matters: cosines lie between -1 and 1. The scale decides whether a softmax over many candidates can tell them apart at all, and
    how many pairs teach anything.

    How it decides: in a cross-entropy in which each sample has an answer of its own, the lowest loss that inputs of this size allow is
    `max_floor` of ln C or more in the last `min_checks` check-ups, the newest at step `min_steps` or later. Or a single number among the
    parameters that is named as a scale or temperature began between `low_log` and ln 100, and the largest input never
    exceeds it and reaches half of it, though its exponential would be far more, and the lowest loss is `min_floor` of ln C. Or
    its exponential (its inverse, for one below 0.1) is beyond `max_scale`, with an input beyond 100; or began within the usual, and inputs of the run's only comparison are beyond
    `min_longer` times it in `min_checks` check-ups that cost more than guessing; or its logarithm moved by `max_step`
    a step in the first `min_checks` records of steps and by `max_travel` altogether. Or the first candidate is always right, and in the newest half of the
    check-ups, at least `min_checks`, all cost `min_behind` of ln C or more, and it wins in `max_wins` times as many rows as guessing finds, or fewer, which finds at least `min_expected`. Or the scores of a classifier never left -1 to 1, reach
    `min_reach` without growing by more than `max_growth` in the last `min_bound` check-ups, and `min_right` of its answers are right there
    though its loss is still `min_left` of ln C, and such scores allow no less than `min_allowed` of it. Unit: 1.

    What to try first: print the scale and the largest logit.

    Guards against: a temperature of 0.5, and of 1 with hundreds of candidates; scales at their clamp of 100; learned scales
    that are used as they are and begin at 10 or more; margins that are added to cosines, and a second comparison with a temperature of its own; masked candidates; distances, which have no bound; scores of a classifier that are
    still growing, or of few classes.

    References: Radford et al. 2021, CLIP (arXiv 2103.00020), section 2.5; Chen et al. 2020, SimCLR (arXiv 2002.05709), table 5.
    """

    code: ClassVar[str] = "LD520"
    name: ClassVar[str] = "logit-scale"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Likenesses are scaled too little or too much")
    reads: ClassVar[tuple[Quantity, ...]] = (q.CALL_INPUT_MAX, q.CALL_INPUT_MIN)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.CALL_SAMPLES, q.CALL_OUTPUTS, q.CALL_TARGET_INDEX, q.CALL_TARGET_UNIQUE, q.CALL_TARGET_MIN, q.CALL_TARGET_MAX,
        q.PARAMETER_SIZE, q.PARAMETER_NORM, q.UPDATE_NORM, q.CALL_SOURCE, q.CALL_ACCURACY, q.CALL_VALUE,
        q.CALL_SUMMED,
    )  # fmt: skip
    explains: ClassVar[tuple[str, ...]] = ("LD104", "LD105", "LD109", "LD201", "LD506", "LD523")

    #: lowest loss over that of guessing, 1; a temperature of 0.5 allows 0.4 to 0.7
    max_floor: float = 0.8
    #: the same where the scale's logarithm is used; CLIP's start allows less than 0.01
    min_floor: float = 0.2
    #: logarithm of a scale; ln 10 is what SigLIP begins with
    low_log: float = 2.0
    #: largest score over the scale, 1; a margin adds 0.5 to a cosine at most (ArcFace, CosFace)
    min_longer: float = 1.6
    #: 1; half as much again as the usual bound
    max_scale: float = 150.0
    #: of the scale's logarithm, a step; usual rates make 0.0001 to 0.01
    max_step: float = 0.05
    #: of the scale's logarithm; a factor of 5
    max_travel: float = 1.6
    #: check-ups up to the newest, and records of steps from the first on
    min_checks: int = 3
    #: check-ups up to the newest of a classifier; scores without a bound grow on from one to the next
    min_bound: int = 5
    #: largest score; whoever is right goes to the end of the cosines
    min_reach: float = 0.85
    #: largest score over the smallest such, 1; batches differ by a tenth
    max_growth: float = 1.15
    #: share of the answers, 1; one that is right so often and hardly sure is kept from it
    min_right: float = 0.8
    #: loss over that of guessing, 1; with scores of any size that many right answers leave a third or less
    min_left: float = 0.5
    #: lowest loss that cosines allow over that of guessing, 1; 0.35 with ten classes
    min_allowed: float = 0.3
    #: loss over that of guessing, 1; batches differ by a few hundredths, and likenesses that are all one cost 1
    min_behind: float = 1.1
    #: share of rows over that of guessing, 1; likenesses that are large and random find as many as guessing
    max_wins: float = 0.1
    #: rows that guessing finds in these check-ups; none of so many is found by chance once in a hundred times
    min_expected: float = 4.6
    #: steps; embeddings begin alike
    min_steps: int = 50

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding: for the learned scale, or for a comparison that is flat."""
        compared = [c for c in comparisons(run) if len(c.steps) > self.min_checks]
        asked = [c for c in calls_if_any(run, ("cross_entropy",)) if self._asks(c)]
        classified = [c for c in asked if self._bound(c)]
        if not compared and not classified:
            needs = Text("at least {least} check-ups of a cross-entropy between samples")
            raise NotEnough(needs.format(least=str(self.min_checks + 1)))
        scales = [scale for call in compared[:1] for scale in learned_scales(run, call)]
        judged = (self._learned(run, scale) for scale in scales)
        found = [finding for finding in judged if finding is not None]
        found += [finding for scale in scales for finding in self._longer(scale, compared)]
        found += [finding for call in compared for finding in self._flat(call)]
        found += [finding for call in compared for finding in self._behind(call)]
        found += [self._flatly(call, _reach(call)[-self.min_bound :]) for call in classified]
        yield from found[:1]

    def _asks(self, call: LossCallSeries) -> bool:
        """Whether it asks for one of so many classes that cosines say too little of them, often enough."""
        classes, enough = call.typical(q.CALL_OUTPUTS), len(call.steps) > self.min_bound
        indices = call.typical(q.CALL_TARGET_INDEX) == 1 and classes > 1
        return enough and indices and _floor(2.0, classes) >= self.min_allowed * np.log(classes)

    def _bound(self, call: LossCallSeries) -> bool:
        """Whether the scores are right and nothing lets them say so."""
        reach, late = _reach(call), slice(-self.min_bound, None)
        last = reach[late]
        still = last.min() >= self.min_reach and last.max() <= self.max_growth * last.min()
        if not (still and reach.max() <= 1 + 1e-3) or call.made_by(*_OTHERS).any():
            return False
        left = np.median(call.of(q.CALL_VALUE)[late]) / np.log(call.typical(q.CALL_OUTPUTS))
        right = np.median(call.of(q.CALL_ACCURACY)[late])
        return bool(left >= self.min_left and right >= self.min_right)

    def _flat(self, call: LossCallSeries) -> Iterator[Finding]:
        recent = slice(-self.min_checks, None)
        high, low = call.of(q.CALL_INPUT_MAX)[recent], call.of(q.CALL_INPUT_MIN)[recent]
        # Cosines reach as far down as up; a mask says nothing of the others.
        size = np.where(low > MASK, np.maximum(high, -low), np.where(high > 0, high, np.nan))
        classes, largest = call.typical(q.CALL_OUTPUTS), float(np.max(size))
        guess, floor = float(np.log(classes)), _floor(2 * largest, classes)
        if floor >= self.max_floor * guess and call.steps[-1] >= self.min_steps:
            yield self._flatly(call, size)

    def _behind(self, call: LossCallSeries) -> Iterator[Finding]:
        """The first candidate is right, and does worse than one among equals."""
        late = slice(min(len(call.steps) // 2, len(call.steps) - self.min_checks), None)
        value, rows = call.of(q.CALL_VALUE)[late], call.of(q.CALL_SAMPLES)[late]
        classes = call.typical(q.CALL_OUTPUTS)
        guess, right = (
            float(np.log(classes)),
            float(np.average(call.of(q.CALL_ACCURACY)[late], weights=rows)),
        )
        expected = float(rows.sum()) / classes
        summed = call.of(q.CALL_SUMMED).any() or call.steps[-1] < self.min_steps
        if summed or not first_is_right(call) or not value.min() >= self.min_behind * guess:
            return
        if expected < self.min_expected or not right <= self.max_wins / classes:
            return
        message = _BEHIND.format(
            call=call.name,
            checks=str(len(value)),
            value=short_number(float(value.min())),
            classes=short_number(classes),
            guess=short_number(guess),
            percent=short_number(100 * right),
        )
        evidence = call.evidence(
            q.CALL_VALUE, call.steps >= call.steps[late][0], float(value.min())
        )
        numbers = {"value": float(value.min()), "guess": guess, "right": right}
        yield Finding(
            self.code, self.severity, call.name, (evidence,), message, _BEHIND_ADVICE, numbers
        )

    def _flatly(self, call: LossCallSeries, size: Doubles) -> Finding:
        """Likenesses of this size in the last check-ups are too small for so many candidates."""
        classes, largest = call.typical(q.CALL_OUTPUTS), float(np.max(size))
        guess, floor = float(np.log(classes)), _floor(2 * largest, classes)
        last = call.steps >= call.steps[-len(size)]
        message = _FLAT.format(
            call=call.name,
            largest=short_number(largest),
            classes=short_number(classes),
            floor=short_number(floor),
            guess=short_number(guess),
        )
        evidence = call.evidence(q.CALL_INPUT_MAX, last, largest)
        numbers = {"largest": largest, "floor": floor, "guess": guess}
        return Finding(
            self.code, self.severity, call.name, (evidence,), message, _FLAT_ADVICE, numbers
        )

    def _learned(self, run: Run, scale: LearnedScale) -> Finding | None:
        """The worst that a learned scale does."""
        if scale.steps[-1] < self.min_steps:
            return None
        return self._raw(scale) or self._beyond(scale) or self._restless(run, scale)

    def _raw(self, scale: LearnedScale) -> Finding | None:
        value, largest = float(scale.value[-1]), float(scale.largest[-self.min_checks :].max())
        meant = self.low_log <= scale.value[0] <= _ROUNDING * np.log(_CLIP)
        within = bool((scale.largest <= _ROUNDING * scale.value).all())
        classes = scale.call.typical(q.CALL_OUTPUTS)
        guess, floor = float(np.log(classes)), _floor(value * classes / (classes - 1), classes)
        if not (meant and within and largest >= value / 2 and floor >= self.min_floor * guess):
            return None
        words = {"scale": float(np.exp(value)), "floor": floor, "guess": guess}
        return self._of(scale, (_RAW, _RAW_ADVICE), {"value": value, "largest": largest, **words})

    def _beyond(self, scale: LearnedScale) -> Finding | None:
        factor, largest = scale.factor, float(scale.largest[-1])
        used = _CLIP < largest <= _ROUNDING * factor[-1]
        if not used or factor[-1] < self.max_scale:
            return None
        numbers = {"scale": float(factor[-1]), "largest": largest}
        return self._of(scale, (_BEYOND, _BOUND_ADVICE), numbers)

    def _longer(self, scale: LearnedScale, compared: list[LossCallSeries]) -> Iterator[Finding]:
        """What the scale of cosines multiplies is longer than any cosine, to the loss' cost."""
        begins, call = float(scale.factor[0]), scale.call
        highest = [each.of(q.CALL_INPUT_MAX) for each in compared]
        alone = all(np.array_equal(each, highest[0]) for each in highest)
        if not alone or not np.exp(self.low_log) <= begins <= _ROUNDING * _CLIP:
            return
        value, guess = call.of(q.CALL_VALUE), float(np.log(call.typical(q.CALL_OUTPUTS)))
        hits = (scale.longest >= self.min_longer) & (value > guess)
        if hits.sum() < self.min_checks or call.of(q.CALL_SUMMED).any():
            return
        numbers = {"times": float(scale.longest[hits].max()), "scale": begins}
        numbers |= {"value": float(value[hits].min()), "guess": guess, "checks": int(hits.sum())}
        yield self._of(scale, (_LONGER, _LONGER_ADVICE), numbers)

    def _restless(self, run: Run, scale: LearnedScale) -> Finding | None:
        if q.UPDATE_NORM not in run or scale.name not in run[q.UPDATE_NORM].places:
            return None
        moved = run[q.UPDATE_NORM].column(scale.name).astype(np.float64)
        first = moved[np.isfinite(moved)][: self.min_checks]
        factor = scale.factor
        travel = float(np.ptp(np.log(factor)))
        raised = not bool((scale.largest <= _ROUNDING * scale.value).all())
        still = len(first) < self.min_checks or first.min() < self.max_step
        if not raised or still or travel < self.max_travel:
            return None
        numbers = {
            "step": float(first.min()),
            "low": float(factor.min()),
            "high": float(factor.max()),
        }
        return self._of(scale, (_RESTLESS, _BOUND_ADVICE), numbers)

    def _of(
        self, scale: LearnedScale, texts: tuple[Text, Text], numbers: dict[str, float]
    ) -> Finding:
        words = {name: short_number(value) for name, value in numbers.items()}
        message = texts[0].format(name=scale.name, call=scale.call.name, **words)
        ends = int(scale.steps[0]), int(scale.steps[-1])
        evidence = Evidence(q.PARAMETER_NORM.name, scale.name, *ends, float(scale.value[-1]))
        advice = texts[1].format(name=scale.name.rpartition("/")[2])
        return Finding(self.code, self.severity, scale.name, (evidence,), message, advice, numbers)


def _floor(width: float, classes: float) -> float:
    """The lowest cross-entropy of a row whose right score is so far above all others; NaN where that isn't known."""
    return float(np.log1p((classes - 1) * np.exp(-width)))


def _reach(call: LossCallSeries) -> Doubles:
    """float64[N]: size of the largest score, or of the most negative one."""
    size: Doubles = np.maximum(np.abs(call.of(q.CALL_INPUT_MAX)), np.abs(call.of(q.CALL_INPUT_MIN)))
    return size
