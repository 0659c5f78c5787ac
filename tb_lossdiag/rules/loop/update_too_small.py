"""LD602 update-too-small."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import held, not_recorded
from tb_lossdiag.analysis.curve import Curve, curve_of, is_of_one_model
from tb_lossdiag.analysis.early_fall import fell, level_of
from tb_lossdiag.analysis.levels import Bools, Span, median, spans
from tb_lossdiag.analysis.maturity import needs_beginning, needs_full_rate
from tb_lossdiag.analysis.parameters import Family, family, rate
from tb_lossdiag.analysis.updates import Updates, estimated, exact, growth
from tb_lossdiag.diagnosis import settings
from tb_lossdiag.diagnosis.judged import with_judged
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Steps
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "A step moves the typical weight matrix by{most} {ratio} of its norm (around 1e-3 is usual), in {records} records, while the loss has hardly fallen ({percent}% of its start).{all}"
)
_ALL = Text(" All {steps} steps together take it no further than {travel}%.")
_NO_MORE = Text("")
_MOST = Text(" at most")
_JUDGED = Text("update over norm, of the typical weight matrix")
_ADVICE = Text("""{rate}

- Check that nothing else shrinks the step: a schedule that has reached its end, a clip that always binds (LD301), a gradient that vanishes (LD201).
- {family}""")
_RATE = Text(
    "Raise the learning rate in steps of 10, from {lr} towards {more}, as long as the loss stays smooth."
)
_MORE = Text("Raise the learning rate in steps of 10, as long as the loss stays smooth.")
_ZERO = Text("The learning rate is 0: no step does anything. Look at the schedule.")
_FAMILIES = {
    Family.SGD: Text(
        "With SGD the step is proportional to the gradient: a loss that is averaged over many elements makes it small; Adam would not care."
    ),
    Family.ADAM: Text(
        "With an Adam-like optimizer the step is about the learning rate per element; scaling the loss would change nothing."
    ),
    Family.UNKNOWN: Text("Pass `optimizer=` to `add_diagnostics` for advice that fits it."),
}


@dataclass(frozen=True)
class UpdateTooSmall:
    """The steps are too small to get anywhere.

    Why it matters: at a hundred-thousandth of the weights per step, nothing changes within a training of usual length.

    How it decides: the update-to-weight ratio per weight matrix, from the applied change where that was recorded; else an upper
    estimate from the optimizer's formula: SGD lr x gradient norm x clip coefficient / (1 - momentum) / parameter norm; Adam's kind lr x sqrt(elements) / parameter norm, less
    where the gradient is below Adam's epsilon. Its median over the matrices is below `min_ratio` for `min_records` records in a row
    over `min_steps` steps, which make up `min_stretch` of the run, while the loss has lost less than `learned` of its start. Or its mean times the steps, at least
    `min_long`, stays below `max_travel`: one after the other, in whatever direction, they took the weights nowhere, and the loss ends where it began, as far as its noise
    tells. Unit: per step.

    What to try first: a learning rate ten times as large, again and again.

    Guards against: steps that change nothing at all, which are not small ones (LD208, LD605, LD616; but for a rate of 0); a learned or
    converged run; the start of a warm-up and the end of a schedule (most of the run counts); optimizers
    whose formula isn't known, without a recorded change (not evaluated); a network that large
    steps have broken before (`max_growth`, LD601). The change of the norm is not used: it misses updates at right angles.

    References: Karpathy 2022, Building makemore part 3 (update-to-data ratio around 1e-3); Amazon SageMaker Debugger,
    WeightUpdateRatio.
    """

    code: ClassVar[str] = "LD602"
    name: ClassVar[str] = "update-too-small"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("The updates are too small")
    reads: ClassVar[tuple[Quantity, ...]] = (q.PARAMETER_NORM, q.PARAMETER_SIZE, q.LOSS)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.UPDATE_NORM,
        q.PARAMETER_TRAINABLE,
        q.LEARNING_RATE,
        q.GRADIENT_NORM,
        q.MOMENTUM,
        q.CLIP_GLOBAL_NORM,
        q.CLIP_MAX_NORM,
        q.STEPS,
        q.LOSS_OF_ANOTHER,
        q.LOSS_TERM,
        q.EXTRA,
        q.CALL_TARGET_MEAN,
        q.CALL_TARGET_STD,
    )
    explains: ClassVar[tuple[str, ...]] = ("LD104", "LD106", "LD109", "LD523")
    setting: ClassVar[str] = settings.RATE

    #: per step, 1; a hundredth of the usual 1e-3
    min_ratio: float = 1e-5
    #: records in a row; the applied change is recorded now and then only
    min_records: int = 5
    #: steps of the stretch; a warm-up of a handful is no training yet
    min_steps: int = 20
    #: share of all steps, 1; neither a warm-up nor the end of a schedule is that long
    min_stretch: float = 0.5
    #: norm of the typical weight matrix over that of its first record, 1; more is what too large a rate leaves behind (LD601)
    max_growth: float = 3.0
    #: share of the starting loss, 1; who has won a tenth is getting somewhere
    learned: float = 0.1
    #: norm of the weights, 1; a training takes them a tenth of that and more, and noise alone ten times this bound within a thousand usual steps
    max_travel: float = 0.01
    #: steps; fewer are no training yet
    min_long: int = 500
    #: share of the starting loss, 1; a smaller fall is none, as in LD104
    max_fall: float = 0.02
    #: share of the starting loss that noise may excuse, 1; as in LD104
    max_noise: float = 0.1

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for the longest stretch of small steps."""
        updates = _updates(run)
        ratio, loss = median(updates.ratios, axis=1), curve_of(run, q.LOSS)
        loss.needs(self.min_records)
        if np.isfinite(ratio).sum() < self.min_records or np.ptp(updates.steps) < self.min_steps:
            least = self.min_steps
            raise NotEnough(
                Text("records of weights and their updates over at least {least} steps").format(
                    least=least
                )
            )
        fall = loss.fall_at(updates.steps)
        # An exact 0 is never small: something else is broken, unless it is the learning rate.
        moved = (ratio > 0) | _off(run, updates.steps)
        small = (ratio < self.min_ratio) & moved & (fall < self.learned)
        span = max(spans(small, self.min_records), key=lambda s: _length(s, updates), default=None)
        least_steps = max(self.min_steps, int(self.min_stretch * np.ptp(updates.steps)))
        long = span is not None and _length(span, updates) >= least_steps
        if span and long and fall[-1] < self.learned and not self._thrown(run):
            seen = float(median(ratio[span.records])), float(fall[span.last])
            yield self._finding(run, updates, span, seen)
        elif bool((moved & (fall < self.learned)).all()) and not self._thrown(run):
            yield from self._nowhere(run, updates, loss)

    def _nowhere(self, run: Run, updates: Updates, loss: Curve) -> Iterator[Finding]:
        """The finding that all steps together went nowhere, and the loss is where it was."""
        ratio, length = median(updates.ratios, axis=1), int(np.ptp(updates.steps))
        known = np.flatnonzero(np.isfinite(ratio))
        travel = float(ratio[known].mean()) * length
        if length < self.min_long - 1 or travel >= self.max_travel or not is_of_one_model(run):
            return
        end = level_of(loss, loss.row(0.75), len(loss))
        if loss.may_be_negative or fell(loss, end, self.max_fall, self.max_noise):
            return
        needs_beginning(loss)
        needs_full_rate(run, loss)
        percent = short_number(float(f"{100 * travel:.1g}"))
        words = _ALL.format(steps=str(length), travel=percent)
        typical = float(np.median(ratio[known])), float(loss.fall_at(updates.steps[-1:])[0])
        span = Span(int(known[0]), int(known[-1]))
        yield self._finding(run, updates, span, typical, words)

    def _thrown(self, run: Run) -> bool:
        """Whether large steps broke the run before: a dead network's steps are small, but not the cause."""
        grown = growth(run)
        return grown is not None and grown.end >= self.max_growth * grown.start

    def _finding(
        self,
        run: Run,
        updates: Updates,
        span: Span,
        seen: tuple[float, float],
        together: Text = _NO_MORE,
    ) -> Finding:
        typical, fall = seen
        ends = span.ends(updates.steps)
        each = median(updates.ratios[span.records], axis=0)
        layer = updates.columns[int(np.argmin(np.nan_to_num(each, nan=np.inf)))]
        most = Text("") if updates.exact else _MOST
        ratio = median(updates.ratios, axis=1)
        words = {"ratio": short_number(typical), "records": str(span.size)}
        words["percent"] = short_number(100 * max(fall, 0.0))
        message = _MESSAGE.format(most=most, all=together, **words)
        piece = Evidence(updates.source.name, layer, *ends, typical, self.min_ratio)
        evidence = [with_judged(piece, _JUDGED, updates.steps, ratio)]
        if q.LEARNING_RATE in run:
            evidence.append(Evidence(q.LEARNING_RATE.name, run[q.LEARNING_RATE].columns[0], *ends))
        return Finding(
            self.code,
            self.severity,
            "",
            tuple(evidence),
            message,
            _advice(run, typical),
            {"ratio": typical},
        )


def _updates(run: Run) -> Updates:
    """The applied change, or the formula's estimate; raises `NotEnough` without either."""
    updates = exact(run)
    if updates is not None:
        return updates
    if q.LEARNING_RATE not in run or q.GRADIENT_NORM not in run:
        raise not_recorded(q.UPDATE_NORM, q.LEARNING_RATE, q.GRADIENT_NORM)
    updates = estimated(run)
    if updates is None:
        raise NotEnough(Text("one optimizer of the SGD or Adam kind, given with optimizer="))
    return updates


def _off(run: Run, steps: Steps) -> Bools:
    """bool[T]: whether the learning rate in force was 0 in all groups."""
    if q.LEARNING_RATE not in run:
        return np.zeros(len(steps), bool)
    rates = held(run[q.LEARNING_RATE], steps, run[q.LEARNING_RATE].columns)
    off: Bools = np.logical_and.reduce(rates.values == 0, axis=1)[rates.rows]
    return off


def _length(span: Span, updates: Updates) -> int:
    """Steps from a stretch's first record to its last."""
    first, last = span.ends(updates.steps)
    return last - first


def _advice(run: Run, typical: float) -> Text:
    lr = rate(run)
    times = min(1e-3 / max(typical, 1e-12), 1e4)
    change = _MORE
    if lr is not None:
        more = short_number(float(f"{lr * times:.1g}"))
        change = _RATE.format(lr=short_number(lr), more=more) if lr > 0 else _ZERO
    kind = _FAMILIES[family(run)]
    return _ADVICE.format(rate=change, family=kind)
