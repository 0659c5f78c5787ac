"""LD601 update-too-large."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.blocks import in_blocks
from tb_lossdiag.analysis.curve import curve_of, divergence
from tb_lossdiag.analysis.levels import Span, longest, median
from tb_lossdiag.analysis.parameters import Family, family, rate
from tb_lossdiag.analysis.players import is_a_game
from tb_lossdiag.analysis.progress import fall
from tb_lossdiag.analysis.returns import outgrown_by_targets
from tb_lossdiag.analysis.trouble import jumps, never_fell
from tb_lossdiag.analysis.updates import Updates, best, exact, growth
from tb_lossdiag.diagnosis import settings
from tb_lossdiag.diagnosis.judged import with_judged
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles, Steps
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "Each step moves the typical weight matrix by{least} {ratio} of its norm (around 1e-3 is usual), in {records} records{trouble}; `{layer}` moves most."
)
_THROWN = Text(
    "The first steps threw the typical weight matrix from a norm of {start} to {end}, and over its second half the loss is no better than at the start; `{layer}` moved most."
)
_GROWN = Text(
    "The typical weight matrix grew from a norm of {start} to {end} all along, and over its second half the loss is no better than at the start; `{layer}` moved most."
)
_REPLACED = Text(
    "The first {records} recorded steps together moved the typical weight matrix by {ratio} times its norm: little is left of what it began with{lost}. `{layer}` moved most."
)
_JUDGED = Text("update over norm, of the typical weight matrix")
_JUDGED_LEAST = Text("update over norm, at least, of the typical weight matrix")
_LOST = Text(", and the loss has lost only {percent}% of its start")
_LEAST = Text(" at least")
_DIVERGES = Text(", and the loss has left its best level for good")
_WORTHLESS = Text(", and over its second half the loss is no better than at the start")
_NOTHING = Text("")
_ADVICE = Text("""Lower the learning rate by a factor of {factor}{rate}, and begin with a warm-up:

```python
warmup = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.01, total_iters=500)
```

{family}""")
_FAMILIES = {
    Family.SGD: Text(
        "With SGD the step grows with the gradient: clipping (`clip_grad_norm_`) bounds it as well."
    ),
    Family.ADAM: Text(
        "With an Adam-like optimizer the step is about the learning rate per element whatever the gradient: clipping does not help here."
    ),
    Family.UNKNOWN: Text("Pass `optimizer=` to `add_diagnostics` for advice that fits it."),
}


@dataclass(frozen=True)
class UpdateTooLarge:
    """The steps are too large for the weights.

    Why it matters: a step of a tenth of the weights leaves nothing of what they had learned; the loss jumps instead of falling.

    How it decides: update-to-weight ratio ||applied change|| / ||w|| where the change was recorded; else for SGD without momentum
    lr x ||gradient|| x clip coefficient / ||w||; else | ||w_t+1|| - ||w_t|| | / ||w_t|| / steps between, a lower bound. Median over
    the weight matrices. Above `max_ratio` for `min_records` records in a row (`min_exact` if the change was recorded); or above
    `max_ratio_in_trouble` for `min_in_trouble` (`min_records`) while the loss diverges, or varies widely and never falls. Or the loss
    ends no better than it began, and `min_exact` records were above `max_ratio` or the norms grew by `min_thrown`: an error if half of that came within `at_once` of the run. Or the first `min_exact`
    recorded changes come to `max_first` together, or the very first alone to `max_alone`, and the loss has lost less than `learned` of its start, or nobody knows: then the former is an information. Unit: per step.

    What to try first: a learning rate smaller by the factor given, with a warm-up.

    Guards against: players of a game, of whom one's loss rises as the other's falls; a loss that leaps with other data and comes back, as of tasks in turn, which tells of no harm; agents whose returns grow, and their loss with them (it counts where it has kept more than half of what it was beside the targets); large first steps that a training survives (the stretch counts from `settling` steps of a matrix on); weights that
    begin at nothing, as those of adapters and gates (compared with a usual initialisation until they are larger; so are all first steps where
    the loss tells nothing), and a head alone on frozen layers; biases and normalisation scales; single jumps. The lower bound doesn't see steps at right angles to the weights.

    References: Karpathy 2022, Building makemore part 3 (update-to-data ratio around 1e-3); Amazon SageMaker Debugger,
    WeightUpdateRatio.
    """

    code: ClassVar[str] = "LD601"
    name: ClassVar[str] = "update-too-large"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("The updates are too large")
    reads: ClassVar[tuple[Quantity, ...]] = (q.PARAMETER_NORM,)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.UPDATE_NORM,
        q.PARAMETER_SIZE,
        q.PARAMETER_TRAINABLE,
        q.LOSS,
        q.LEARNING_RATE,
        q.MOMENTUM,
        q.GRADIENT_NORM,
        q.CLIP_GLOBAL_NORM,
        q.CLIP_MAX_NORM,
        q.LOSS_TERM,
        q.EXTRA,
        q.CALL_TARGET_MEAN,
        q.CALL_TARGET_STD,
        q.COPY_DISTANCE,
        q.STEPS,
    )
    explains: ClassVar[tuple[str, ...]] = (
        "LD101", "LD102", "LD103", "LD104", "LD105", "LD111", "LD202", "LD203", "LD205", "LD306", "LD523", "LD608", "LD701", "LD702", "LD704", "LD705", "LD710", "LD711", "LD712", "LD802", "LDR02", "LDR04", "LDR06", "LDR13", "LDR20",
    )  # fmt: skip
    setting: ClassVar[str] = settings.RATE

    #: per step, 1; a hundred times the usual 1e-3
    max_ratio: float = 0.1
    #: records in a row
    min_records: int = 5
    #: steps at the beginning; small networks on digits bear ratios up to 0.7 in their first three and settle within twenty
    settling: int = 20
    #: records in a row where each holds the applied change: they are rare, and exact
    min_exact: int = 3
    #: sum of the first ratios, 1; healthy trainings had 0.02 to 0.25, two that learned nearly all had 0.5, a greedy layer 0.86; where it
    #: reaches 1, the steps outweigh what was initialised or pretrained
    max_first: float = 1.0
    #: the first ratio, 1; a step at right angles that is twice as large as the weights were has 0.89 of what they are after it
    max_alone: float = 0.9
    #: share of the starting loss, 1; who has lost half of it got over such a beginning
    learned: float = 0.5
    #: median norm of a weight matrix over that of the first record, 1; digits networks that broke had 4 to 70, those that learned
    #: despite a large rate up to 6
    min_thrown: float = 3.0
    #: share of the steps, 1; what grows evenly to 3 to 70 times has come half of the way, as a ratio, after 37 to 11 % of them
    at_once: float = 0.1
    #: per step, 1; ten times the usual, which some small networks bear well
    max_ratio_in_trouble: float = 0.01
    #: records in a row with a loss that goes wrong
    min_in_trouble: int = 10
    #: noise from record to record over the level, 1; a loss that never falls and varies more is jumping
    max_noise: float = 0.2

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for the longest stretch of large steps."""
        updates = best(run)
        ratio = median(updates.ratios, axis=1)
        if not updates.exact:
            ratio[:1] = np.nan
        least = self.min_exact if updates.exact else self.min_records
        if np.isfinite(ratio).sum() < least:
            raise NotEnough(
                Text("at least {count} records of the norm of a weight matrix").format(
                    count=least + 2
                )
            )
        yield from self._judge(run, updates, ratio, least)

    def _judge(self, run: Run, updates: Updates, ratio: Doubles, least: int) -> Iterator[Finding]:
        trouble, worthless = self._harm(run)
        settled = updates.steps - updates.steps[0] >= self.settling
        calm = median(updates.settled(self.settling), axis=1)
        lasting = longest((calm > self.max_ratio) & settled, least)
        broken = longest(ratio > self.max_ratio, self.min_exact)
        enough = self.min_records if updates.exact else self.min_in_trouble
        # An applied change is large in the first steps of Adam.
        late = settled | (not updates.exact)
        unwell = longest((ratio > self.max_ratio_in_trouble) & late, enough)
        thrown = self._thrown(run) if worthless else None
        if lasting is not None:
            yield self._finding(run, updates, lasting, (ratio, self.max_ratio, trouble))
        elif broken is not None and (trouble or worthless):
            yield self._finding(run, updates, broken, (ratio, self.max_ratio, trouble or worthless))
        elif unwell is not None and trouble:
            yield self._finding(run, updates, unwell, (ratio, self.max_ratio_in_trouble, trouble))
        elif thrown is not None:
            yield thrown
        elif (replaced := self._replaced(run, updates, ratio)) is not None:
            yield replaced

    def _replaced(self, run: Run, updates: Updates, ratio: Doubles) -> Finding | None:
        """First steps that left little of what the weights were, in a run that has not got over it."""
        lost = fall(run)
        if lost is None and (usual := exact(run, usual=True)) is not None:
            ratio = median(usual.ratios, axis=1)
        first = ratio[: self.min_exact]
        apart = np.ptp(updates.steps[: self.min_exact]) >= self.settling
        seen = updates.steps if lost is None else run[q.LOSS].steps
        if not updates.exact or apart or not self._had_time(seen, lost):
            return None
        large = first.sum() >= self.max_first or first[0] >= self.max_alone
        if not large or (lost is not None and lost >= self.learned):
            return None
        span = Span(0, self.min_exact - 1)
        layer, total = updates.most_moved(span), float(first.sum())
        told = _NOTHING if lost is None else _LOST.format(percent=short_number(100 * max(lost, 0)))
        words = {"ratio": short_number(total), "records": str(len(first)), "layer": layer}
        ends = span.ends(updates.steps)
        evidence = Evidence(q.UPDATE_NORM.name, layer, *ends, total, self.max_first)
        # Aim at what healthy first steps come to.
        factor = float(np.clip(total / 0.1, 10, 1000))
        numbers = {"ratio": total, "factor": factor}
        message, advice = _REPLACED.format(lost=told, **words), _advice(run, factor)
        # An agent of 128 units that solves its task has moved as much in three steps; only the loss tells whether that was too much.
        blamed = lost is not None or first[0] >= self.max_alone
        severity = self.severity if blamed else Severity.INFO
        return Finding(self.code, severity, "", (evidence,), message, advice, numbers)

    def _harm(self, run: Run) -> tuple[Text | None, Text | None]:
        """What is wrong with the loss, and what it is worth, in words; None where all is well or too little is known."""
        loss = curve_of(run, q.LOSS) if q.LOSS in run else None
        if loss is None or loss.may_be_negative or len(loss) < self.min_in_trouble:
            return None, None
        if outgrown_by_targets(run, loss) or in_blocks(run) or is_a_game(run):
            return None, None
        if divergence(loss, 2.0, self.min_records, 0.1) is not None:
            return _DIVERGES, _WORTHLESS if never_fell(loss) else None
        # The first steps of any training are large, and their loss has not fallen yet.
        if np.ptp(loss.steps) < 2 * self.settling or not never_fell(loss):
            return None, None
        return _WORTHLESS if jumps(loss, self.max_noise) else None, _WORTHLESS

    def _had_time(self, steps: Steps, lost: float | None) -> bool:
        """Whether a loss could have fallen meanwhile; one that tells nothing is not waited for as long."""
        return bool(np.ptp(steps) >= (1 if lost is None else 2) * self.settling)

    def _thrown(self, run: Run) -> Finding | None:
        """Weights whose norm grew at once, in a run that never got anywhere."""
        grown = growth(run)
        if grown is None or grown.end < self.min_thrown * grown.start:
            return None
        # Weights that grow evenly to the end were thrown by no first step: something may pay for it, or nothing hold them.
        soon = max(self.settling, self.at_once * np.ptp(run[q.PARAMETER_NORM].steps))
        at_once = grown.half - grown.first <= soon
        times = grown.end / grown.start
        window = grown.first, grown.half
        evidence = Evidence(q.PARAMETER_NORM.name, grown.layer, *window, times, self.min_thrown)
        message = (_THROWN if at_once else _GROWN).format(
            start=short_number(grown.start), end=short_number(grown.end), layer=grown.layer
        )
        factor = float(np.clip(10 * times, 10, 1000))
        numbers = {"growth": times, "factor": factor}
        advice = _advice(run, factor)
        severity = Severity.ERROR if at_once else self.severity
        return Finding(self.code, severity, "", (evidence,), message, advice, numbers)

    def _finding(
        self, run: Run, updates: Updates, span: Span, seen: tuple[Doubles, float, Text | None]
    ) -> Finding:
        ratio, bound, trouble = seen
        typical = float(median(ratio[span.records]))
        ends = span.ends(updates.steps)
        layer = updates.most_moved(span)
        words = {"ratio": short_number(typical), "records": str(span.size), "layer": layer}
        least = _NOTHING if updates.exact else _LEAST
        message = _MESSAGE.format(trouble=trouble or _NOTHING, least=least, **words)
        # Aim at the upper end of what is usual: a lower bound is what is mostly known.
        factor = float(np.clip(typical / 3e-3, 3, 1000))
        evidence = with_judged(
            Evidence(updates.source.name, layer, *ends, typical, bound),
            _JUDGED if updates.exact else _JUDGED_LEAST,
            updates.steps,
            ratio,
        )
        severity = Severity.ERROR if trouble else self.severity
        return Finding(
            self.code,
            severity,
            "",
            (evidence,),
            message,
            _advice(run, factor),
            {"ratio": typical, "factor": factor},
        )


def _advice(run: Run, factor: float) -> Text:
    lr = rate(run)
    at = (
        Text("")
        if lr is None
        else Text(" (`lr={less}` instead of {now})").format(
            less=short_number(lr / factor), now=short_number(lr)
        )
    )
    kind = _FAMILIES[family(run)]
    much = short_number(float(f"{factor:.1g}"))
    return _ADVICE.format(factor=much, rate=at, family=kind)
