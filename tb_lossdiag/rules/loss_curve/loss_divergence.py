"""LD102 loss-divergence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.blocks import in_blocks
from tb_lossdiag.analysis.columns import columns
from tb_lossdiag.analysis.curve import Divergence, curve_of, divergence, needs_one_model
from tb_lossdiag.analysis.levels import median
from tb_lossdiag.analysis.maturity import needs_records
from tb_lossdiag.analysis.parameters import Family, family, rate
from tb_lossdiag.analysis.progress import below_baseline
from tb_lossdiag.analysis.reinforcement import follows_a_copy
from tb_lossdiag.diagnosis import settings
from tb_lossdiag.diagnosis.judged import with_judged
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "The loss level fell to {best} by step {best_step} and is {end} at step {last}, {ratio} times as much; it has not come back."
)
_RISES = Text(
    "The loss level rises from the start: it was {best} at step {best_step} and is {end} at step {last}, {ratio} times as much."
)
_OTHER_DATA = Text(
    " The model's inputs are not what they were then: their standard deviation went from {before} to {after}."
)
_OTHER_TARGETS = Text(
    " The targets are not what they were then: their standard deviation went from {before} to {after}, and such a loss grows with its square."
)
_OF_A_COPY = Text(
    " It compares with values beside a second network: where that makes them, they are easy to follow as long as it knows nothing."
)
_BETTER = Text(
    " The validation loss went from {before} to {after} in the meantime: the model has become better, and what it is trained on harder, as in scheduled sampling."
)
_NOTHING = Text("")
_VALIDATIONS = 3
"""On either side of the best level, whose median is compared: a single one may be lucky."""
_EARLY = 10
"""Records before the rise; of fewer there is no checkpoint to go back to."""
_GO_BACK = Text(
    "Go back to a checkpoint from before step {first} and lower the learning rate{rate}."
)
_ANEW = Text("Start anew with a lower learning rate{rate}.")
_JUDGED = Text("level of the loss")
_ADVICE = Text("""{again}

- Clip the gradients, so that one bad batch cannot throw the parameters away.{family}
- If it broke at a fixed place, look for what changes there: a schedule's jump, a new data shard, a weight being annealed.""")
_RATE = Text(" (`lr` was {lr} there; try {less} and a warm-up)")
_FAMILIES = {
    Family.SGD: Text(
        " With SGD the step grows with the gradient: `clip_grad_norm_` acts directly."
    ),
    Family.ADAM: Text(
        " With an Adam-like optimizer also try a smaller second beta (0.95): a late spike outruns a slow average."
    ),
    Family.UNKNOWN: Text(""),
}


@dataclass(frozen=True)
class LossDivergence:
    """The training loss left its best level and does not come back.

    Why it matters: the parameters have been thrown out of the region they were trained to; more steps rarely repair it.

    How it decides: level = median of a window of records (a twentieth of the run, 3 to 50). The last level is at least `factor`
    times the best one for `min_records` records in a row up to the end (of `min_sparse` and more that stand for many steps
    each, for a quarter of these), isn't falling, and gives back at least `regained` of what had been won and more than 3 times
    the noise from record to record. It is an information if the standard deviation of the model's inputs differs by more than
    `max_change` between the check-ups at the best level and at the end, or the loss is less than `factor` times the best level for
    each unit of its targets' variance, or all that is compared are values beside a second network, and it ends at no more than `max_regrown` times its start, or the median of the last 3 validation losses is
    at most `bettered` times that of the last 3 up to the best level. A loss that rose from the start and never fell is one
    if it ends at `at_peak` of its highest level or more, and no loss call is below its best constant answer. Unit: that of the
    loss.

    What to try first: restart before the rise with a lower learning rate, warm-up and clipping.

    Guards against: losses that go below zero and games of several models, as in a GAN (not evaluated); ripples of a warm-up, which end before the run does; swings that came back at least three times, as on a stream with seasons; a loss that leaps with other data at least three times and comes back, whose last block may be a hard one; a loss near
    zero that doubles without it mattering; noise; data that get harder on purpose, as far as their scale tells; targets that hold the
    model's own guess and grow with it; a
    first record that is low by chance, or since a queue was empty.

    References: Ben Braiek and Khomh 2023, TheDeepChecker (TOSEM), "diverging loss"; Zhang et al. 2022, OPT-175B logbook
    (arXiv 2205.01068), section 2.5.
    """

    code: ClassVar[str] = "LD102"
    name: ClassVar[str] = "loss-divergence"
    severity: ClassVar[Severity] = Severity.ERROR
    title: ClassVar[Text] = Text("The loss diverges")
    reads: ClassVar[tuple[Quantity, ...]] = (q.LOSS,)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.LEARNING_RATE,
        q.GRADIENT_NORM,
        q.PARAMETER_NORM,
        q.STEPS,
        q.LOSS_OF_ANOTHER,
        q.INPUT_STD,
        q.VALIDATION_LOSS,
        q.VALIDATION_ACCURACY,
        q.CALL_VALUE,
        q.CALL_BASELINE,
        q.LOSS_TERM,
        q.EXTRA,
        q.CALL_TARGET_MEAN,
        q.CALL_TARGET_STD,
        q.COPY_DISTANCE,
    )
    explains: ClassVar[tuple[str, ...]] = ("LD103", "LD104", "LD105", "LD118", "LD523")
    setting: ClassVar[str] = settings.RATE

    #: last level over best level, 1; TheDeepChecker's doubling
    factor: float = 2.0
    #: records; a level needs a window of its own before it can be believed
    min_records: int = 10
    #: share of the fall, 1; less is a wobble of a converged run
    regained: float = 0.1
    #: records of the whole run; the first ripples of a warm-up are over by then
    min_run: int = 30
    #: last level over the highest one since the best, 1; a queue that has filled or harder data have their peak behind them
    at_peak: float = 0.9
    #: relative change of the inputs' standard deviation, 1; batches of one kind of data differ by a tenth
    max_change: float = 0.2
    #: end over start, 1; what a second network makes up at first costs little to follow, and several times that once it knows something
    max_regrown: float = 10.0
    #: validation loss at the end over that at the best level, 1; passes over one set with dropout left on differ by less
    bettered: float = 0.9
    #: records where each stands for an epoch, or for ten steps and more; a quarter of them must be above then
    min_sparse: int = 12

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding if the loss ends far above its best level."""
        needs_one_model(run)
        loss = curve_of(run, q.LOSS)
        loss.needs_positive()
        needs_records(run, loss, self.min_run, self.min_sparse)
        least = self.min_records if len(loss) >= self.min_run else self.min_sparse // 4
        found = divergence(loss, self.factor, least, self.regained)
        if found is None or in_blocks(run):
            return
        if found.fell or self._lost(run, found):
            yield self._finding(run, found, found.span.ends(loss.steps))

    def _lost(self, run: Run, found: Divergence) -> bool:
        """Whether a loss that only ever rose is out of hand: still at its highest, and no better than guessing."""
        return found.end >= self.at_peak * found.peak and below_baseline(run) is not True

    def _finding(self, run: Run, found: Divergence, ends: tuple[int, int]) -> Finding:
        ratio = found.end / found.best if found.best else float("inf")
        message = (_MESSAGE if found.fell else _RISES).format(
            best=short_number(found.best),
            best_step=str(found.best_step),
            end=short_number(found.end),
            last=str(ends[1]),
            ratio=short_number(ratio),
        )
        data = self._other_data(run, found.best_step)
        if data is _NOTHING:
            data = self._other_targets(run, found.best_step, ratio)
        near = found.end <= self.max_regrown * curve_of(run, q.LOSS).start
        if data is _NOTHING and near and follows_a_copy(run):
            data = _OF_A_COPY
        if data is _NOTHING:
            data = self._better(run, found.best_step)
        message = Text("{message}{data}").format(message=message, data=data)
        severity = self.severity if data is _NOTHING else Severity.INFO
        bound = self.factor * found.best
        loss = curve_of(run, q.LOSS)
        evidence = with_judged(
            Evidence(q.LOSS.name, "", *ends, found.end, bound),
            _JUDGED,
            loss.steps,
            loss.level,
            unit=q.LOSS.unit,
        )
        numbers = {"best": found.best, "best_step": found.best_step, "end": found.end}
        return Finding(
            self.code, severity, "", (evidence,), message, _advice(run, found, ends[0]), numbers
        )

    def _other_data(self, run: Run, best: int) -> Text:
        """A sentence if the model's inputs are of another scale than when the loss was at its best."""
        for _, steps, values in columns(run, q.INPUT_STD):
            then, now = values[steps <= best], values[steps > best]
            if len(then) and len(now) and abs(now[-1] - then[-1]) > self.max_change * then[-1]:
                return _OTHER_DATA.format(
                    before=short_number(then[-1]), after=short_number(now[-1])
                )
        return _NOTHING

    def _other_targets(self, run: Run, best: int, ratio: float) -> Text:
        """A sentence if the loss has not left its best level more than its targets' variance has grown, as an agent's does."""
        for _, steps, values in columns(run, q.CALL_TARGET_STD):
            then, now = values[steps <= best], values[steps > best]
            if not len(then) or not len(now):
                continue
            before = float(median(then))
            if before > 0 and ratio < self.factor * (float(now[-1]) / before) ** 2:
                return _OTHER_TARGETS.format(
                    before=short_number(before), after=short_number(now[-1])
                )
        return _NOTHING

    def _better(self, run: Run, best: int) -> Text:
        """A sentence if held-out data say that the model is better than when the loss was at its best: who diverges isn't."""
        for _, steps, values in columns(run, q.VALIDATION_LOSS):
            then, now = (values[at][-_VALIDATIONS:] for at in (steps <= best, steps > best))
            if len(now) < _VALIDATIONS or len(then) < _VALIDATIONS:
                continue
            before, after = float(median(then)), float(median(now))
            if before > 0 and after <= self.bettered * before:
                return _BETTER.format(before=short_number(before), after=short_number(after))
        return _NOTHING


def _advice(run: Run, found: Divergence, first: int) -> Text:
    lr = rate(run, first)
    more = Text("") if lr is None else _RATE.format(lr=short_number(lr), less=short_number(lr / 3))
    kind = _FAMILIES[family(run)]
    back = found.fell and found.span.first >= _EARLY
    again = _GO_BACK.format(first=first, rate=more) if back else _ANEW.format(rate=more)
    return _ADVICE.format(again=again, family=kind)
