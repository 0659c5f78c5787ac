"""LD607 scheduler-misuse."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.begun_again import begun_again
from tb_lossdiag.analysis.columns import columns, too_few
from tb_lossdiag.analysis.curve import curve_of
from tb_lossdiag.analysis.needless import Course, streak, validated_accuracy, validated_loss
from tb_lossdiag.analysis.rates import below_nought, largest_rate, leading_group, leap
from tb_lossdiag.diagnosis import settings
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles, Steps
from tb_lossdiag.rules.loop import scheduler_words as words
from tb_lossdiag.run import Run


@dataclass(frozen=True)
class SchedulerMisuse:
    """The schedule of the learning rate doesn't fit the loop.

    Why it matters: a schedule made for epochs but stepped per batch ends the training in its first part; what follows only costs time.

    How it decides: the largest learning rate of all groups is below `max_dead` of its peak for at least `min_dead` of the steps up to
    the end. Or a plain cosine schedule came back above `min_return` of its peak `min_returns` times. Or the check-up saw
    `scheduler.step()` before the first `optimizer.step()` (an information). Or a rate that waits for a plateau was cut, from its first cut on and
    `min_cuts` times, when the validation loss was lower than ever, by `min_fall` since the cut before (by `min_better` where the accuracy recorded
    with it was higher than ever, by `min_gain`). Or the rate has only risen, for
    `min_risen` of the planned steps, and going on like this will come to less than `min_warm` of the schedule's full rate by their end (where
    the framework says how many steps are planned). Or a schedule that only falls leapt from `max_low` of its peak or less to `min_back`
    of it, once (an information, unless the loss rose `min_worse` times). Or the run was resumed with its optimizer's state, its rate had fallen to half of its peak,
    and then went through the very rates of its first steps, and is above where it was. Or there is a scheduler that was never stepped in `min_validations` validations. Or two schedules are stepped together, one of which
    (`LambdaLR`, `OneCycleLR`) makes each rate of the first one, and of what the other would have made of it by now, a fifth less at least,
    nothing is left. Or a rate sank through 0 and stayed below for `min_records_below` records, by `max_dead` of its peak at least. Unit: 1.

    What to try first: the schedule's length in the unit it is stepped in.

    Guards against: the tail of a cosine, linear or polynomial decay to 0, which is far shorter; cycles and warm restarts, which are
    other classes; a second round that has come down again, or begins with a new optimizer; a sign that is turned on purpose, which leaps over 0; a warm-up that is no longer stepped when the other schedule begins; a rate that waits for a plateau (an information, unless it was cut `max_hasty` times for each validation and `min_left` of
    the loss is left: it waits for single batches); a GradScaler's skipped first step;
    a first epoch in which a schedule per epoch has nothing to do yet (several validations).

    References: PyTorch, "How to adjust learning rate"; Loshchilov and Hutter 2017 (arXiv 1608.03983).
    """

    code: ClassVar[str] = "LD607"
    name: ClassVar[str] = "scheduler-misuse"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("The schedule doesn't fit the loop")
    reads: ClassVar[tuple[Quantity, ...]] = (q.LEARNING_RATE,)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.SCHEDULER_EARLY, q.AMP_SCALE, q.VALIDATION_LOSS, q.LOSS, q.REPLACED_OPTIMIZERS, q.VALIDATION_ACCURACY, q.EXTRA,
        q.STATE_TAKEN_UP,
    )  # fmt: skip
    explains: ClassVar[tuple[str, ...]] = (
        "LD102", "LD103", "LD104", "LD109", "LD111", "LD113", "LD202", "LD203", "LD523", "LD601", "LD602", "LD605",
    )  # fmt: skip
    setting: ClassVar[str] = settings.SCHEDULE

    #: learning rate over its peak, 1; three tenfold drops of a usual step schedule stay above
    max_dead: float = 1e-4
    #: share of the steps, 1; a cosine to 0 is that low for 0.6 % of its length, a squared polynomial for 1 %
    min_dead: float = 0.2
    #: learning rate over its peak, 1; nearly a full wave
    min_return: float = 0.9
    #: full returns; one may be a training that was prolonged
    min_returns: int = 2
    #: cuts of a rate that waits for a plateau; one may answer a value that was not recorded
    min_cuts: int = 2
    #: fall of the validation loss from one cut to the next, 1; an accuracy may stand still while its loss still falls a little
    min_fall: float = 0.05
    #: the same beside an accuracy that rises, 1; ten times what the scheduler itself takes for better by default
    min_better: float = 1e-3
    #: rise of an accuracy from one cut to the next, 1; by less it moves while it stands
    min_gain: float = 0.01
    #: cuts for each validation; who waits for validations cuts at most once for each
    max_hasty: float = 2.0
    #: share of the loss at the start that is left, 1; who has learned may rest
    min_left: float = 0.6
    #: share of the full rate at the planned end, 1; a warm-up that takes half of the training still gets there
    min_warm: float = 0.5
    #: share of the planned steps, 1; a warm-up along a cosine begins slowly
    min_risen: float = 0.1
    #: learning rate over its peak before a leap, 1; between the records of a coarse log any schedule moves
    max_low: float = 0.3
    #: learning rate over its peak after it, 1
    min_back: float = 0.9
    #: loss after the leap over that before, 1; of twenty records on either side
    min_worse: float = 1.2
    #: validations; some loops validate several times in an epoch, few as often as that
    min_validations: int = 8
    #: records with a rate below 0; a plan that is one call short ends there
    min_records_below: int = 3
    #: records of the learning rate; fewer show no shape
    min_records: int = 20

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per mistake that shows."""
        steps, rates = largest_rate(run)
        early = self._early(run)
        below = self._below(run)
        if len(steps) < self.min_records and early is None and below is None:
            raise too_few(self.min_records, Text("records of the learning rate"))
        if early is not None:
            yield early
        if below is not None:
            yield below
        elif len(steps) >= self.min_records and rates.max() > 0:
            found = (
                self._overwritten(run, steps, rates)
                or self._never(run, steps, rates)
                or self._needless(run, steps, rates)
                or self._warming(run, steps, rates)
                or self._set_back(run, steps, rates)
                or self._again(run, steps, rates)
                or self._dead(run, steps, rates)
                or self._waves(run, steps, rates)
            )
            yield from [found] if found else []

    def _below(self, run: Run) -> Finding | None:
        """A rate that sank through 0, with which an optimizer climbs."""
        found = below_nought(run, self.min_records_below, self.max_dead)
        if found is None:
            return None
        rates = {name: short_number(getattr(found, name)) for name in ("peak", "lowest")}
        message = words.BELOW.format(first=str(found.first), last=str(found.last), **rates)
        ends = found.first, found.last
        evidence = Evidence(q.LEARNING_RATE.name, found.group, *ends, found.lowest, 0.0)
        numbers = {"peak": found.peak, "lowest": found.lowest}
        return Finding(self.code, self.severity, "", (evidence,), message, words.NOT_BELOW, numbers)

    def _overwritten(self, run: Run, steps: Steps, rates: Doubles) -> Finding | None:
        """Two schedules, of which one does not count."""
        both = run.facts.get(q.OVERWRITTEN, "").split()
        if len(both) != 2:  # noqa: PLR2004
            return None
        writer, other = (f"`{each}`" for each in both)
        ends, rate = (int(steps[0]), int(steps[-1])), float(rates[-1])
        message = words.OVERWRITTEN.format(
            writer=writer, other=other, rate=short_number(rate), at=str(ends[1])
        )
        evidence = Evidence(q.LEARNING_RATE.name, leading_group(run), *ends, rate)
        return Finding(self.code, self.severity, "", (evidence,), message, words.ONE_PLAN)

    def _never(self, run: Run, steps: Steps, rates: Doubles) -> Finding | None:
        """A scheduler that nobody steps."""
        validations = len(run[q.VALIDATION_LOSS]) if q.VALIDATION_LOSS in run else 0
        if run.facts.get(q.MOVES) != "never" or validations < self.min_validations:
            return None
        ends, rate = (int(steps[0]), int(steps[-1])), float(rates[-1])
        message = words.NEVER.format(
            scheduler=f"`{run.facts.get('scheduler', 'scheduler')}`",
            rate=short_number(rate),
            first=str(ends[0]),
            at=str(ends[1]),
            validations=str(validations),
        )
        evidence = Evidence(q.LEARNING_RATE.name, leading_group(run), *ends, rate)
        numbers = {"validations": validations}
        return Finding(self.code, self.severity, "", (evidence,), message, words.STEP, numbers)

    def _warming(self, run: Run, steps: Steps, rates: Doubles) -> Finding | None:
        """A warm-up that the training is too short for."""
        planned, full = (_fact(run, name) for name in ("planned steps", "full rate"))
        risen = np.diff(rates)
        if not (planned and full) or not (risen >= 0).all() or not risen.any():
            return None
        if np.ptp(steps) < self.min_risen * planned:
            return None
        pace = (rates[-1] - rates[0]) / (steps[-1] - steps[0])
        share = float(rates[-1] + pace * (planned - 1 - steps[-1])) / full
        if share >= self.min_warm:
            return None
        ends = int(steps[0]), int(steps[-1])
        at = {"first": str(ends[0]), "at": str(ends[1]), "planned": f"{planned:g}"}
        rate, peak = short_number(float(rates[-1])), short_number(full)
        percent = short_number(100 * share)
        message = words.WARMING.format(rate=rate, full=peak, percent=percent, **at)
        evidence = Evidence(q.LEARNING_RATE.name, leading_group(run), *ends, float(rates[-1]), full)
        numbers = {"share": share, "full": full}
        advice = words.SHORTER.format(planned=at["planned"])
        return Finding(self.code, self.severity, "", (evidence,), message, advice, numbers)

    def _set_back(self, run: Run, steps: Steps, rates: Doubles) -> Finding | None:
        """A rate that was written over, by a schedule made anew."""
        found = leap(run, (steps, rates), (self.max_low, self.min_back), self.min_records)
        if found is None:
            return None
        harm = 0 < self.min_worse * found.before <= found.after
        said = {name: short_number(getattr(found, name)) for name in ("before", "after")}
        worse = words.WORSE.format(**said) if harm else words.SAME
        message = words.SET_BACK.format(
            low=short_number(found.low),
            high=short_number(found.high),
            at=str(found.step),
            worse=worse,
            scheduler=f"`{run.facts['scheduler']}`",
        )
        ends, bound = (found.step, int(steps[-1])), self.max_low * float(rates.max())
        evidence = Evidence(q.LEARNING_RATE.name, leading_group(run), *ends, found.high, bound)
        severity = self.severity if harm else Severity.INFO
        return Finding(self.code, severity, "", (evidence,), message, words.RESTORE)

    def _again(self, run: Run, steps: Steps, rates: Doubles) -> Finding | None:
        """A schedule that began anew where its run was resumed."""
        found = begun_again(run, (steps, rates), self.min_records)
        if found is None:
            return None
        end = float(rates[-1])
        said = {"low": found.low, "high": found.high, "end": end}
        message = words.AGAIN.format(
            step=str(found.step),
            last=str(int(steps[-1])),
            **{name: short_number(rate) for name, rate in said.items()},
        )
        ends = found.step, int(steps[-1])
        evidence = Evidence(q.LEARNING_RATE.name, leading_group(run), *ends, end, found.low)
        return Finding(self.code, self.severity, "", (evidence,), message, words.RESTORE, said)

    def _dead(self, run: Run, steps: Steps, rates: Doubles) -> Finding | None:
        alive = np.flatnonzero(rates >= self.max_dead * rates.max())
        last = int(alive[-1])
        tail = (steps[-1] - steps[last]) / max(int(np.ptp(steps)), 1)
        if last == len(rates) - 1 or tail < self.min_dead:
            return None
        said = {
            "peak": short_number(float(rates.max())),
            "low": short_number(float(rates[last + 1])),
            "end": short_number(float(rates[-1])),
            "at": str(int(steps[last + 1])),
            "percent": f"{100 * tail:.0f}",
        }
        ends = int(steps[last + 1]), int(steps[-1])
        numbers = {"tail": float(tail), "peak": float(rates.max())}
        dead = words.DEAD.format(**said)
        if run.facts.get("scheduler", "") != "ReduceLROnPlateau":
            return self._finding(run, self.severity, (ends, dead), numbers, words.DECAY)
        hasty = self._hasty(run, steps[: last + 2], rates[: last + 2])
        if hasty is None:
            return self._finding(run, Severity.INFO, (ends, dead), numbers, words.DECAY)
        message = words.DEAD_TOO_SOON.format(dead=dead, **hasty)
        found = self._finding(run, self.severity, (ends, message), numbers, Text(""))
        return replace(found, advice=words.PLATEAU)

    def _hasty(self, run: Run, steps: Steps, rates: Doubles) -> dict[str, str] | None:
        """Cuts and validations up to where the rate is dead, if cuts are many more and little was learned; else None."""
        if q.VALIDATION_LOSS not in run or q.LOSS not in run:
            return None
        cuts = int((rates[1:] < rates[:-1] * (1 - 1e-6)).sum())
        validations = int((run[q.VALIDATION_LOSS].steps <= steps[-1]).sum())
        loss = curve_of(run, q.LOSS)
        left = len(loss) > 0 and loss.start > 0 and loss.level[-1] >= self.min_left * loss.start
        if not left or validations < self.min_cuts or cuts < self.max_hasty * validations:
            return None
        return {"cuts": str(cuts), "validations": str(validations)}

    def _needless(self, run: Run, steps: Steps, rates: Doubles) -> Finding | None:
        """A plateau's rate that is cut while things get better: its scheduler takes better for worse."""
        if run.facts.get("scheduler", "") != "ReduceLROnPlateau" or q.VALIDATION_LOSS not in run:
            return None
        cuts, loss = steps[1:][rates[1:] < rates[:-1] * (1 - 1e-6)], validated_loss(run)
        lowest = streak(cuts, loss, self.min_fall)
        if len(lowest) > self.min_cuts:
            return self._better(cuts, loss, lowest, words.NEEDLESS)
        accuracy = validated_accuracy(run)
        if accuracy is None:
            return None
        percent = accuracy.values.min(initial=0.0) < -1
        highest = streak(cuts, accuracy, 0.0, self.min_gain * (100 if percent else 1))
        highest = highest[: len(streak(cuts, loss, self.min_better))]
        if len(highest) <= self.min_cuts:
            return None
        return self._better(cuts, accuracy, [-each for each in highest], words.RISING)

    def _better(self, cuts: Steps, course: Course, bests: list[float], text: Text) -> Finding:
        """The finding; of what was validated first, and then best at each cut."""
        ends, count = (int(cuts[0]), int(cuts[len(bests) - 2])), len(bests) - 1
        said = {"first": short_number(bests[0]), "last": short_number(bests[-1])}
        message = text.format(cuts=str(count), at=str(ends[1]), **said)
        evidence = Evidence(course.quantity.name, course.column, *ends, bests[-1], bests[0])
        numbers = {"cuts": count, "first": bests[0], "last": bests[-1]}
        return Finding(self.code, self.severity, "", (evidence,), message, words.MODE, numbers)

    def _waves(self, run: Run, steps: Steps, rates: Doubles) -> Finding | None:
        if run.facts.get("scheduler", "") != "CosineAnnealingLR":
            return None
        high, low = rates >= self.min_return * rates.max(), rates <= rates.max() / 2
        side = np.where(high, 1, np.where(low, -1, 0))
        turns = side[side != 0]
        returns = int(((turns[1:] > 0) & (turns[:-1] < 0)).sum())
        if returns < self.min_returns:
            return None
        ends = int(steps[0]), int(steps[-1])
        message = words.WAVES.format(returns=str(returns), peak=short_number(float(rates.max())))
        numbers = {"returns": returns, "peak": float(rates.max())}
        return self._finding(run, self.severity, (ends, message), numbers, Text(""))

    def _finding(
        self,
        run: Run,
        severity: Severity,
        said: tuple[tuple[int, int], Text],
        numbers: dict[str, float],
        decay: Text,
    ) -> Finding:
        ends, message = said
        table = run[q.LEARNING_RATE]
        bound = self.max_dead * numbers["peak"]
        evidence = Evidence(q.LEARNING_RATE.name, leading_group(run), *ends, None, bound)
        steps = short_number(float(np.ptp(table.steps)) + 1)
        advice = words.LENGTH.format(steps=steps, decay=decay)
        return Finding(self.code, severity, "", (evidence,), message, advice, numbers)

    def _early(self, run: Run) -> Finding | None:
        """An information if the scheduler went first; a GradScaler may have skipped the optimizer's first step."""
        scaled = any((each.values > 1).any() for each in columns(run, q.AMP_SCALE))
        for column, steps, early in columns(run, q.SCHEDULER_EARLY):
            if not scaled and (early > 0).any():
                at = int(steps[np.flatnonzero(early > 0)[0]])
                evidence = Evidence(q.SCHEDULER_EARLY.name, column, at, at, 1.0, 0.0)
                message = words.EARLY.format(at=str(at))
                return Finding(self.code, Severity.INFO, column, (evidence,), message, words.ORDER)
        return None


def _fact(run: Run, name: str) -> float:
    """A number among the run's facts, 0 where nobody said it."""
    try:
        return float(run.facts.get(name, 0))
    except ValueError:
        return 0.0
