"""LD103 loss-spike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.attribution import risen_earlier, risen_layer, risen_term
from tb_lossdiag.analysis.batches import batch_of, exact_step, samples_of_classes
from tb_lossdiag.analysis.curve import Curve, curve, needs_one_model
from tb_lossdiag.analysis.lessons import lessons
from tb_lossdiag.analysis.levels import Span, median
from tb_lossdiag.analysis.maturity import needs_records
from tb_lossdiag.analysis.parameters import Family, family
from tb_lossdiag.analysis.relapse import LOAD, Relapse, relapse
from tb_lossdiag.analysis.spikes import baseline, grouped
from tb_lossdiag.diagnosis import settings
from tb_lossdiag.diagnosis.counted import in_steps, often
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles, Steps
from tb_lossdiag.rules.loss_curve.spike_excuses import (
    BLOCKS,
    FEW,
    LESSONS,
    NONE,
    PRUNED,
    Spike,
    blocks,
    excuse,
    is_cut,
)
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "The loss jumped out of its noise {often}. The highest jump, at step {step}, reached {peak}, {times} times the level before ({level}); {fate}.{term}{layer}{earlier}{batch}{renewed}"
)
_BACK = Text("it was back after {steps}")
_STAYS = Text("it has not come back")
_OPEN = Text("the run ends before one can say whether it comes back")
_ADVICE = Text("""{kind}

- Look at the batch of step {step}: labels, lengths, values out of range. The same batch at a healthy checkpoint tells data from weights.
- {guard}
- {family}""")
_DATA = Text(
    "The loss was back at once, so the weights are unhurt: this points to the batch rather than to the optimizer."
)
_WEIGHTS = Text(
    "The loss stayed high for a while, so the step itself has hurt the weights: this points to too long a step."
)
_CLIP = Text(
    "Gradients are clipped already: a lower `max_norm`, near their median norm of {norm}, catches such steps."
)
_NO_CLIP = Text(
    "Clip the global norm, so that one batch cannot move the weights far: `writer.clip_grad_norm_(model.parameters(), max_norm=1.0)`."
)
_FAMILIES = {
    Family.SGD: Text(
        "With SGD the step grows with the gradient: a lower learning rate shrinks both."
    ),
    Family.ADAM: Text(
        "With an Adam-like optimizer a smaller second beta (0.95) lets its scale follow a sudden gradient."
    ),
    Family.UNKNOWN: Text("Then try a lower learning rate."),
}


@dataclass(frozen=True)
class LossSpike:
    """The loss jumps far out of its noise.

    Why it matters: a spike is the moment at which a training breaks or a bad batch shows itself; what follows is easier to
    understand from there.

    How it decides: the logarithm of the loss is more than `min_deviation` standard deviations (from
    record to record) above the level before it (median of the last 32 records, noise of the
    last 128; where each record stands for many steps, `min_sparse` before it suffice for `sparse_deviation` times as many
    deviations), at least `min_factor` times that level, and the rise is at
    least `min_rise` of the loss at the start. A record of several steps counts with its highest. A warning if one does
    not come back below `recovered` times the level within `patience` records, if one is at least `violent` times the level and
    exceeds the start of the training, or if at least `min_spikes` either last
    `lasting` records or exceed that start; else an information. An information, too, if what it compares with are values that a
    second network makes, or whose middle moves by more than half of their standard deviation from the first third of the check-ups to the last, or if a function turns gradients round, as in domain-adversarial training; or if it came back from all that would make it a warning and weights had been cut away right before them, by `torch.nn.utils.prune` or a mask under which a fifth of a matrix becomes 0; or if three leaps or more come at equal distances, and what each leaps to is learned before the next, as in a curriculum; or if leaps of
    which two came back, and all but a third at most, come with other data: the loss stands high from one step to the next, goes on at a third to 4 times of that, its gradient at two fifths or more, and the step
    before was an ordinary one (its gradient at most 3 times its median, its rate not raised, its weights not made anew). A short jump of the mean cost of classes
    that one sample alone would make, were it given a chance of `unlikely`, is none of those that make a warning.
    A jump where the run was resumed is told apart: a warning if at
    least `min_lost` of what the loss had lost since its start is undone there. Unit: that of the loss.

    Where the loop says which rows each step is taken with (`writer.data(ids)`), it names those of the highest jump.
    Around a jump single steps are kept, also where a record covers many: a gradient that had risen before the loss did is named.

    What to try first: look at that batch, clip the gradients, lower the learning rate.

    Guards against: noise, which is a factor of the loss and compared in the logarithm; a hard sample once the loss is near zero;
    the first records; values that are learned from the model's own guesses, with which the loss leaps each time they are renewed; gradient reversal, whose two sides swing; weights that are pruned in the course of a training; data in blocks, tasks in turn and seasons; batches of a few samples, some of whose labels are noise; losses below zero and games of several models (not evaluated).

    References: OLMo-core, `SkipStepOptimizer` (6 deviations over 128 steps); Zhang et al. 2022, OPT-175B (arXiv 2205.01068),
    section 2.5; Takase et al. 2023, Spike No More (arXiv 2312.16903).
    """

    code: ClassVar[str] = "LD103"
    name: ClassVar[str] = "loss-spike"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("The loss spikes")
    reads: ClassVar[tuple[Quantity, ...]] = (q.LOSS,)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.LOSS_TERM,
        q.LOSS_WEIGHT,
        q.GRADIENT_NORM,
        q.LEARNING_RATE,
        q.PARAMETER_NORM,
        q.BREAK_GRADIENT_NORM,
        q.CLIP_GLOBAL_NORM,
        q.STEPS,
        q.LOSS_OF_ANOTHER,
        q.VALIDATION_LOSS,
        q.VALIDATION_ACCURACY,
        q.EXTRA,
        q.CALL_TARGET_MEAN,
        q.CALL_TARGET_STD,
        q.COPY_DISTANCE,
        q.CUSTOM_AGREEMENT,
        q.CUSTOM_NESTED,
        q.CALL_VALUE,
        q.CALL_SAMPLES,
        q.CALL_PASSES,
        q.CALL_SUMMED,
        q.CALL_WEIGHTED,
    )
    explains: ClassVar[tuple[str, ...]] = ("LD203",)
    setting: ClassVar[str] = settings.CLIP

    #: standard deviations of the logarithm, 1; OLMo-core skips a step beyond 6
    min_deviation: float = 6.0
    #: loss over the level before, 1; Lightning's SpikeDetection and llm-foundry use the double
    min_factor: float = 2.0
    #: share of the loss at the start, 1; near zero a single hard sample multiplies the loss without harm
    min_rise: float = 0.1
    #: over the level before, 1; below, the loss counts as back
    recovered: float = 1.5
    #: records after the jump; who isn't back by then has been thrown out of its place
    patience: int = 20
    #: records; a bad batch is one, its echo in momentum two
    lasting: int = 3
    #: times the level before, 1; what throws the loss so far above its start has thrown the weights, too, if only for a moment
    violent: float = 20.0
    #: chance of its class, 1; a classifier at 99.9 % of its training samples gives the mislabelled ones among them no more
    unlikely: float = 1e-3
    #: share of the fall since the start, 1; a resumed optimizer without its state loses less
    min_lost: float = 0.5
    #: spikes; one may be an accident, three are a habit
    min_spikes: int = 3
    #: records before; OLMo-core judges from half of its window on
    min_before: int = 64
    #: records before where each stands for an epoch, or for ten steps and more; their spread is known half as well
    min_sparse: int = 16
    #: times `min_deviation` with fewer than `min_before` records before, 1
    sparse_deviation: float = 2.0

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for all jumps of the loss."""
        needs_one_model(run)
        loss = curve(run.highest(q.LOSS))
        loss.needs_positive()
        needs_records(run, loss, self.min_before + 1, self.min_sparse + 1)
        lost = relapse(loss, run.restarts, self.min_lost, self.recovered)
        spikes = self._spikes(loss.values, loss.start)
        if lost is not None:
            yield self._relapse(loss, lost)
            spikes = [s for s in spikes if not lost.covers(s.span)]
        if spikes:
            yield self._finding(run, loss.steps.tolist(), loss.values, spikes, loss.start)

    def _relapse(self, loss: Curve, lost: Relapse) -> Finding:
        end = len(loss) - 1 if lost.back is None else max(lost.first, lost.back - 1)
        steps = int(loss.steps[lost.first]), int(loss.steps[end])
        seen = Evidence(q.LOSS.name, "", *steps, lost.after, self.recovered * lost.before)
        numbers = {"before": lost.before, "after": lost.after, "lost": lost.lost}
        return Finding(self.code, self.severity, "", (seen,), lost.told(loss), LOAD, numbers)

    def _spikes(self, values: Doubles, start: float) -> list[Spike]:
        sparse = len(values) <= 2 * self.min_before
        before = baseline(values[:, None], 128, self.min_sparse if sparse else self.min_before)
        level, deviation = before.level[:, 0], before.deviation(values[:, None])[:, 0]
        few = np.arange(len(values)) < self.min_before
        bound = self.min_deviation * np.where(few, self.sparse_deviation, 1.0)
        mask = np.isfinite(values) & (deviation > bound)
        mask &= (values >= self.min_factor * level) & (values - level >= self.min_rise * start)
        return [self._spike(values, level, span) for span in grouped(mask, self.lasting)]

    def _spike(self, values: Doubles, level: Doubles, span: Span) -> Spike:
        calm = float(level[span.first])
        after = np.flatnonzero(values[span.first :] < self.recovered * calm)
        back = span.first + int(after[0]) if len(after) else None
        return Spike(span, span.first + int(np.argmax(values[span.records])), calm, back)

    def _lost(self, spike: Spike, records: int) -> bool:
        """Whether the loss had time to come back and did not take it."""
        end = records if spike.back is None else spike.back
        return end - spike.span.first > self.patience

    def _bad(self, values: Doubles, spikes: Sequence[Spike], start: float) -> bool:
        """Whether one of these is violent, or enough of them last or exceed the start."""
        harmful = [s for s in spikes if s.span.size >= self.lasting or values[s.top] >= start]
        violent = any(values[s.top] >= max(start, self.violent * s.level) for s in spikes)
        return violent or len(harmful) >= self.min_spikes

    def _by_one(self, values: Doubles, spike: Spike, samples: float) -> bool:
        """Whether one of so many samples would make it, to which the model gives next to no chance."""
        rise = samples * (values[spike.top] - spike.level)
        return spike.span.size < self.lasting and bool(rise <= -np.log(self.unlikely))

    def _finding(
        self,
        run: Run,
        steps: Sequence[int],
        values: Doubles,
        spikes: Sequence[Spike],
        start: float,
    ) -> Finding:
        worst = max(spikes, key=lambda s: values[s.top] / s.level)
        lost = [s for s in spikes if self._lost(s, len(values))]
        bad = bool(lost) or self._bad(values, spikes, start)
        why = self._excused(run, np.asarray(steps), values, spikes, start)
        severe = bad and why is NONE
        shown = lost[0] if lost else worst
        told = self._message(run, steps, values, shown, (len(spikes), bool(lost)))
        message = told.format(renewed=why)
        numbers = {"spikes": len(spikes), "peak": float(values[shown.top]), "level": shown.level}
        ends = [(steps[s.span.first], steps[s.span.last]) for s in (shown, *spikes)]
        pieces = [Evidence(q.LOSS.name, "", *e) for e in dict.fromkeys(ends[1:]) if e != ends[0]][
            :9
        ]
        bound = self.min_factor * shown.level
        first = Evidence(q.LOSS.name, "", *ends[0], float(values[shown.top]), bound)
        severity = self.severity if severe else Severity.INFO
        long = shown.span.size >= self.lasting or shown in lost
        advice = _advice(run, steps[shown.top], long)
        return Finding(self.code, severity, "", (first, *pieces), message, advice, numbers)

    def _excused(
        self, run: Run, steps: Steps, values: Doubles, spikes: Sequence[Spike], start: float
    ) -> Text:
        """What makes it leap without harm, in words."""
        learned = lessons(steps, values, [s.span.first for s in spikes])
        why = LESSONS if learned else excuse(run)
        lost = [s for s in spikes if self._lost(s, len(values))]
        if why is not NONE or not (lost or self._bad(values, spikes, start)):
            return why
        samples = samples_of_classes(run)
        few = [] if lost else [s for s in spikes if self._by_one(values, s, samples)]
        pruned = [s for s in spikes if is_cut(run, steps, s)]
        given = blocks(run, steps, values, spikes)
        for reason, sound in ((PRUNED, pruned), (FEW, few), (BLOCKS, given)):
            others = [s for s in spikes if s not in sound]
            if (
                sound
                and not any(s in lost for s in others)
                and not self._bad(values, others, start)
            ):
                return reason
        return NONE

    def _message(
        self,
        run: Run,
        steps: Sequence[int],
        values: Doubles,
        spike: Spike,
        seen: tuple[int, bool],
    ) -> Text:
        count, lost = seen
        fate = _STAYS if lost else _OPEN
        if spike.back is not None:
            fate = _BACK.format(steps=in_steps(steps[spike.back] - steps[spike.span.first]))
        step, first = steps[spike.top], steps[spike.span.first]
        term, layer = risen_term(run, step, first), risen_layer(run, step, first)
        words = {
            "step": str(step),
            "peak": short_number(float(values[spike.top])),
            "times": short_number(float(values[spike.top] / spike.level)),
            "level": short_number(spike.level),
        }
        exact = exact_step(run, step)
        seen_at = {"earlier": risen_earlier(run, exact), "batch": batch_of(run, exact)}
        parts = {"fate": fate, "term": term, "layer": layer, **seen_at}
        return _MESSAGE.format(often=often(count), **parts, **words)


def _advice(run: Run, step: int, weights: bool) -> Text:
    clips = q.CLIP_GLOBAL_NORM in run
    norm = float(median(run[q.CLIP_GLOBAL_NORM].values.ravel())) if clips else np.nan
    guard = _CLIP.format(norm=short_number(norm)) if np.isfinite(norm) else _NO_CLIP
    kind, by = (_WEIGHTS if weights else _DATA), _FAMILIES[family(run)]
    return _ADVICE.format(kind=kind, step=step, guard=guard, family=by)
