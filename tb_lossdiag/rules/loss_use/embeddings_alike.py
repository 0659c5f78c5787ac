"""LD519 embeddings-alike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.baselines import SQUARED
from tb_lossdiag.analysis.columns import first_finite
from tb_lossdiag.analysis.contrastive import comparisons
from tb_lossdiag.analysis.inputs import all_alike
from tb_lossdiag.analysis.levels import Bools
from tb_lossdiag.analysis.loss_calls import LossCallSeries, calls_if_any
from tb_lossdiag.analysis.modules import layout, model_of
from tb_lossdiag.analysis.reinforcement import is_reinforcement
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles, Steps
from tb_lossdiag.rules.loss_use.compared_with_itself import among_itself, same_pair
from tb_lossdiag.rules.loss_use.within_margin import Within, within_margin
from tb_lossdiag.run import Run

DISTANCES = (
    "cosine_embedding_loss",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
)
"""Losses of how far embeddings are from each other."""

_NEEDED = q.ACTIVATION_VARIATION, q.ACTIVATION_MEAN, q.ACTIVATION_STD, q.EFFECTIVE_RANK, q.MODULE_KIND  # fmt: skip
_COLLAPSED = Text(
    "What `{name}` answers varies between samples by {end}% of its size in the last {checks} check-ups, {start}% at the start: all samples become one point."
)
_COMPARED = Text(
    "What `{name}` compares varies between samples by {end}% of its size in the last {checks} check-ups, {start}% at the start: all samples become one point."
)
_COLLAPSED_ADVICE = Text("""One answer for everything makes pairs alike at no cost, and the loss falls to its floor (0, -1, or the margin). Something must forbid it:

- with two views and no negatives: no gradient into the side that is predicted, and a predictor on the other;

```python
loss = -torch.nn.functional.cosine_similarity(predicted, projected.detach(), dim=1).mean()
```

- or a target network that follows slowly, or a term that spreads the features (variance, decorrelation);
- with a margin: random or semi-hard negatives before the hardest ones, a lower learning rate, normalised embeddings;
- a likelihood by a change of variables needs its log-determinant.

Watch the spread itself, since the loss cannot tell:

```python
print(torch.nn.functional.normalize(embeddings, dim=1).std(0).mean())  # near 1 / sqrt(width) where it is healthy
```""")


@dataclass(frozen=True)
class _Course:
    """How much an answer varies between samples, over check-ups.

    Attributes:
        quantity: that says so.
        column: module or loss call.
        steps: int64[N].
        variation: float64[N] standard deviation over the batch over the size.
        spread: float64[N] standard deviation over the batch.
        asked_alike: bool[N] whether the model was given the same sample all over.
    """

    quantity: Quantity
    column: str
    steps: Steps
    variation: Doubles
    spread: Doubles
    asked_alike: Bools


@dataclass(frozen=True)
class EmbeddingsAlike:
    """All samples become one point, or a sample is compared with itself.

    Why it matters: a loss that compares embeddings can be met without looking at the input. It then falls as if all were well, and what
    comes out is good for nothing.

    How it decides: the standard deviation of the answers over the batch, over their size, is at most `max_variation` and `max_share` of
    its first value in the newest check-up, at step `min_steps` or later, and in the median of the last `min_checks`; the deviation itself is
    at most `max_spread` of its own there. Looked at: the first input of losses of distances, the targets of squared errors, and, where no other
    loss call has targets, the modules that give the model's output, if they span `min_rank` directions at first. Or, of a loss with a margin
    in place of that deviation, by the same check-ups: what it compares differs by `max_apart` of the margin or less, by more at first, and the effective rank of these
    modules' answers is `max_ranks` of its first or less. Or, in a
    cross-entropy in which each sample has an answer of its own, the accuracy is `min_right` from the first check-up on and the
    largest input is the same within `same` in all check-ups, at least `min_seen`; or none of the answers is ever right and the largest input
    is that same, in as many check-ups whose inputs vary by `min_apart` of it. Unit: 1.

    What to try first: print the standard deviation of normalised embeddings over a batch.

    Guards against: networks whose answers hardly vary at the start and come apart later; losses that stay at their margin for long and
    learn (their rank does not fall); what is the same for all from the first check-up on (within `same`), as the labels of a judge of
    patches; values that are nearly constant because the targets are large (their deviation grows); batches of one and the same sample;
    reinforcement learning; models with few outputs.

    References: Chen and He 2021, SimSiam (arXiv 2011.10566), figure 2; Grill et al. 2020, BYOL (arXiv 2006.07733), table 5; Hermans et al.
    2017 (arXiv 1703.07737), appendix on collapse. Measured: collapsed ones end at 0.0001 to 0.03, healthy ones at 0.1 to 0.9.
    """

    code: ClassVar[str] = "LD519"
    name: ClassVar[str] = "embeddings-alike"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("All samples become one point")
    reads: ClassVar[tuple[Quantity, ...]] = ()
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.CALL_VARIATION, q.CALL_INPUT_MEAN, q.CALL_INPUT_STD, q.CALL_INPUT_MAX, q.CALL_ACCURACY, q.CALL_SAMPLES,
        q.CALL_OUTPUTS, q.CALL_TARGET_INDEX, q.CALL_TARGET_UNIQUE, q.CALL_TARGET_MIN, q.CALL_TARGET_MAX,
        q.CALL_TARGET_MEAN, q.CALL_TARGET_STD, q.CALL_BASELINE, q.ACTIVATION_VARIATION, q.ACTIVATION_MEAN,
        q.ACTIVATION_STD, q.EFFECTIVE_RANK, q.MODULE_FED_BY, q.MODULE_KIND, q.MODULE_LAST, q.LOSS_TERM, q.EXTRA, q.EQUAL_SAMPLES,
        q.COMPARED_IN_MARGINS,
    )  # fmt: skip
    explains: ClassVar[tuple[str, ...]] = (
        "LD104",
        "LD106",
        "LD109",
        "LD205",
        "LD523",
        "LD701",
        "LD705",
        "LD707",
        "LD722",
    )

    #: of the size, 1; a trained model has 0.1 and more
    max_variation: float = 0.05
    #: of the first variation, 1; healthy ones dip to half of it and rise
    max_share: float = 0.25
    #: of the first deviation, 1; what is alike because it is large deviates more than before
    max_spread: float = 0.6
    #: margins; collapsed ones have 0.0001 to 0.002, healthy ones come down to 0.007 with their rank kept
    max_apart: float = 0.01
    #: of the first effective rank, 1; collapsed ones have 0.07 to 0.3, healthy ones that stay at the margin 0.8 and more
    max_ranks: float = 0.5
    #: check-ups up to the newest
    min_checks: int = 3
    #: steps; before, many models answer nearly the same for everything
    min_steps: int = 50
    #: directions; fewer are values, not embeddings
    min_rank: float = 4.0
    #: share of right answers, 1; random networks find 0.1 to 0.8 of the pairs
    min_right: float = 0.95
    #: relative difference of the largest inputs, and of samples at first, 1; float noise
    same: float = 1e-4
    #: standard deviation of the inputs over the largest, 1; of an untrained network all likenesses are nearly the largest
    min_apart: float = 0.02
    #: check-ups that all show the same largest input
    min_seen: int = 5

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding for the answer that has become one point, and one per comparison with itself."""
        courses = [*_of_calls(run), *self._of_modules(run)]
        compared = comparisons(run)
        enough = [c for c in courses if np.isfinite(c.variation).sum() > self.min_checks]
        if not enough and not any(len(call.steps) >= self.min_seen for call in compared):
            raise NotEnough(_NEEDS.format(least=str(self.min_checks + 1)))
        found = [finding for course in enough for finding in self._collapsed(course)]
        margins = (
            [] if found or not self._without_targets(run) else within_margin(run, self.min_rank)
        )
        found += [finding for each in margins for finding in self._within(each)]
        yield from sorted(found, key=lambda finding: finding.numbers["variation"])[:1]
        for call in compared:
            yield from self._with_itself(call)

    def _of_modules(self, run: Run) -> Iterator[_Course]:
        """The outputs of a model whose loss has no targets but, at most, the samples themselves."""
        if not self._without_targets(run):
            return
        for name in sorted(layout(run).last):
            rank = run[q.EFFECTIVE_RANK].column(name).astype(np.float64)
            if not first_finite(rank) >= self.min_rank:
                continue
            variation, mean, std = (
                run[quantity].column(name).astype(np.float64) for quantity in _NEEDED[:3]
            )
            steps = run[q.ACTIVATION_VARIATION].steps
            spread = variation * np.hypot(mean, std)
            asked = all_alike(run, steps, model_of(name))
            yield _Course(q.ACTIVATION_VARIATION, name, steps, variation, spread, asked)

    def _without_targets(self, run: Run) -> bool:
        """Whether modules were recorded, and no loss call has targets but, at most, the samples themselves."""
        if any(quantity not in run for quantity in _NEEDED) or is_reinforcement(run):
            return False
        compared = {call.name for call in comparisons(run)}
        return all(c.name in compared or c.function in DISTANCES for c in calls_if_any(run))

    def _within(self, course: Within) -> Iterator[Finding]:
        fallen = course.narrowed(self.min_checks, self.max_apart, self.max_ranks)
        if fallen and course.steps[-1] >= self.min_steps:
            evidence = course.evidence(self.min_checks, self.max_apart)
            message = course.message(self.min_checks)
            numbers = {"variation": course.end(self.min_checks), "start": float(course.apart[0])}
            yield Finding(
                self.code,
                self.severity,
                course.name,
                (evidence,),
                message,
                _COLLAPSED_ADVICE,
                numbers,
            )

    def _collapsed(self, course: _Course) -> Iterator[Finding]:
        known: Bools = (
            np.isfinite(course.variation) & np.isfinite(course.spread) & ~course.asked_alike
        )
        variation, spread, steps = (
            course.variation[known],
            course.spread[known],
            course.steps[known],
        )
        if len(variation) <= self.min_checks:
            return
        last = slice(-self.min_checks, None)
        end = float(np.median(variation[last]))
        bound = min(self.max_variation, self.max_share * float(variation[0]))
        spreads = spread[-1], np.median(spread[last])
        apart = max(end, variation[-1]) > bound or max(spreads) > self.max_spread * spread[0]
        if apart or steps[-1] < self.min_steps or variation[0] <= self.same:
            return
        text = _COLLAPSED if course.quantity is q.ACTIVATION_VARIATION else _COMPARED
        message = text.format(
            name=course.column,
            end=short_number(100 * end),
            start=short_number(100 * float(variation[0])),
            checks=str(self.min_checks),
        )
        ends = int(steps[last][0]), int(steps[-1])
        evidence = Evidence(course.quantity.name, course.column, *ends, end, bound)
        numbers = {"variation": end, "start": float(variation[0])}
        yield Finding(
            self.code,
            self.severity,
            course.column,
            (evidence,),
            message,
            _COLLAPSED_ADVICE,
            numbers,
        )

    def _with_itself(self, call: LossCallSeries) -> Iterator[Finding]:
        for told in (
            same_pair(call, self.min_seen, self.min_right, self.same),
            among_itself(call, self.min_seen, self.min_apart, self.same),
        ):
            if told is not None:
                yield Finding(
                    self.code,
                    self.severity,
                    call.name,
                    (told.evidence,),
                    told.message,
                    told.advice,
                    told.numbers,
                )


_NEEDS = Text(
    "at least {least} check-ups of a loss that compares embeddings, or of a model's output without another loss call"
)


def _of_calls(run: Run) -> Iterator[_Course]:
    """First inputs of distances, and the targets of squared errors, which a model may make itself."""
    for call in calls_if_any(run):
        asked = all_alike(run, call.steps)
        if call.function in DISTANCES:
            variation = call.of(q.CALL_VARIATION)
            size = np.hypot(call.of(q.CALL_INPUT_MEAN), call.of(q.CALL_INPUT_STD))
            yield _Course(
                q.CALL_VARIATION, call.name, call.steps, variation, variation * size, asked
            )
        elif call.function in SQUARED and call.typical(q.CALL_OUTPUTS) > 1:
            spread = np.sqrt(np.maximum(call.of(q.CALL_BASELINE), 0))
            size = np.hypot(call.of(q.CALL_TARGET_MEAN), call.of(q.CALL_TARGET_STD))
            variation = spread / np.maximum(size, 1e-30)
            yield _Course(q.CALL_BASELINE, call.name, call.steps, variation, spread, asked)
