"""LD613 schedule-speed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from typing import ClassVar, NamedTuple

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import columns, too_few
from tb_lossdiag.analysis.rates import largest_rate, leading_group
from tb_lossdiag.diagnosis import settings
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Floats
from tb_lossdiag.run import Run

_FAST = Text(
    "`scheduler.step()` is called {pace} times per step of the optimizer, so its plan of {length} calls is over after {over} steps; there were {steps}."
)
_SELDOM = Text(
    "`scheduler.step()` is called once in {pace} steps of the optimizer, and its plan has {length} calls: as many as there are steps ({steps}). By the end {percent}% of the plan were run; the learning rate ends at {rate}."
)
_PARTS = Text(
    "`scheduler.step()` is called once per step of the optimizer, and its plan of {length} calls counts the {parts} backward passes of each of the {steps} steps. By the end {percent}% of the plan were run; the learning rate ends at {rate}."
)
_CUT = Text(
    "The schedule's plan has {length} calls, the training {steps} steps: by its end {percent}% of the plan will have been run."
)
_BEGUN = Text(
    "The schedule's plan has {length} calls, and the training ended after {steps} steps: {percent}% of the plan were run; the learning rate ends at {rate}."
)
_ADVICE = Text("""Count the plan in what the scheduler is stepped by. With gradients of several batches per step, and on several ranks:

```python
parts = 4  # batches of a step
steps = epochs * len(loader) // parts  # of the optimizer; each rank has a loader of its own
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
for index, batch in enumerate(loader):
    ...
    if (index + 1) % parts == 0:
        optimizer.step()
        scheduler.step()  # once per step of the optimizer
```

Per epoch, `T_max=epochs` and one `scheduler.step()` after each. Accelerate's prepared scheduler moves once per process at each step: give it
the steps of one process times the number of processes, or `split_batches=True`.""")


class _Course(NamedTuple):
    """How a schedule runs beside its optimizer.

    Attributes:
        length: calls of its plan.
        pace: calls per step of the optimizer.
        calls: by the end of the run, as far as that is known, else so far.
        steps: of the optimizer by then.
        planned: whether a framework said how many there will be.
        ended: whether the run is over.
        step: of the newest record.
    """

    length: float
    pace: float
    calls: float
    steps: float
    planned: bool
    ended: bool
    step: int

    @property
    def share(self) -> float:
        """Of the plan."""
        return self.calls / self.length


@dataclass(frozen=True)
class ScheduleSpeed:
    """A schedule of the learning rate runs several times too fast or too slow for its training.

    Why it matters: a plan that counts steps and is moved with each batch, or with each rank, is over early, and what follows has no learning rate
    or a rising one. One that is moved per epoch hardly begins: the rate stays at its peak, and the decay that gives the last
    part of the result never comes.

    How it decides: for schedules that know their length (cosine, linear, polynomial, one cycle, those of Transformers). Too fast: at least
    `min_pace` calls per step of the optimizer, and `min_over` of the plan has been run. Too slow: by the planned end, or the end of a run whose writer was closed,
    no more than `max_share` of the plan has been run, and the plan is as long (within `near`) as the steps, while it is moved less than once in
    1 / `max_pace` steps, or as the steps' backward passes (warnings). An information where less than `max_share` will be run of the planned steps of a framework, or
    no more than `max_begun` was run when the writer was closed, by a schedule that moves with each step.
    Unit: calls over those of the plan.

    What to try first: one `scheduler.step()` per `optimizer.step()`, and a length in steps.

    Guards against: schedules that are moved per batch and planned in batches; trainings that were ended early; epochs of a few steps; a GradScaler's skipped steps; warm-ups, and
    schedules without an end.

    References: huggingface/transformers pull request 24088; huggingface/accelerate issue 1382; sthalles/SimCLR issue 8.
    """

    code: ClassVar[str] = "LD613"
    name: ClassVar[str] = "schedule-speed"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("The schedule runs too fast or too slow")
    reads: ClassVar[tuple[Quantity, ...]] = (q.STEPS, q.LEARNING_RATE)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.SCHEDULE_LENGTH,
        q.SCHEDULE_CALLS,
        q.SCHEDULE_STEPS,
        q.BACKWARDS,
    )
    explains: ClassVar[tuple[str, ...]] = ("LD104", "LD109", "LD523", "LD602", "LD605", "LD607")
    setting: ClassVar[str] = settings.SCHEDULE

    #: calls per step; a scaler that skips a step in three comes to that
    min_pace: float = 1.5
    #: of the plan; whoever goes on that long beyond its end with such a pace did not plan to
    min_over: float = 1.25
    #: calls per step; with short epochs a plan of epochs that is ended early has as many calls as there were steps by chance
    max_pace: float = 0.1
    #: of the plan
    max_share: float = 0.5
    #: of the plan; who ends a training early has seen more of it, or only tried
    max_begun: float = 0.1
    #: share of the steps; the last batches of epochs, and an end a little early
    near: float = 0.2
    #: records of the schedule; two show its pace
    min_records: int = 2
    #: calls; fewer show no pace
    min_calls: int = 2

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per watched optimizer whose schedule has another pace than its plan."""
        courses = {name: c for name in self._names(run) if (c := self._course(run, name))}
        if not courses:
            raise too_few(self.min_records, Text("records of a schedule that moves"))
        for name, course in courses.items():
            message = self._message(run, name, course)
            if message is not None:
                yield self._finding(run, name, course, message)

    def _names(self, run: Run) -> tuple[str, ...]:
        known = all(each in run for each in (q.SCHEDULE_LENGTH, q.SCHEDULE_CALLS, q.SCHEDULE_STEPS))
        return run[q.SCHEDULE_LENGTH].columns if known else ()

    def _course(self, run: Run, name: str) -> _Course | None:
        lengths, calls, steps = (
            run[quantity].column(name)
            for quantity in (q.SCHEDULE_LENGTH, q.SCHEDULE_CALLS, q.SCHEDULE_STEPS)
        )
        known = np.isfinite(lengths) & np.isfinite(calls) & np.isfinite(steps)
        session = np.flatnonzero(known)[_since(steps[known]) :]
        if len(session) < self.min_records:
            return None
        moved, taken = (float(each[session[-1]] - each[session[0]]) for each in (calls, steps))
        if moved < self.min_calls:
            return None
        newest = int(run[q.SCHEDULE_CALLS].steps[session[-1]])
        planned, ended, pace = _planned(run), run.closed is not None, moved / max(taken, 1.0)
        so_far, all_of_them = _taken(run, name, newest)
        end = planned or (all_of_them if ended else so_far)
        far = float(calls[session[-1]]) + pace * max(end - so_far, 0.0)
        return _Course(float(lengths[session[-1]]), pace, far, end, planned > 0, ended, newest)

    def _message(self, run: Run, name: str, course: _Course) -> tuple[Text, Severity] | None:
        said = {"length": short_number(course.length), "steps": short_number(course.steps)}
        percent = short_number(float(f"{100 * course.share:.2g}"))
        if course.pace >= self.min_pace:
            over = short_number(ceil(float(f"{course.length / course.pace:.3g}")))
            pace = short_number(float(f"{course.pace:.2g}"))
            fast = _FAST.format(pace=pace, over=over, **said)
            return (fast, self.severity) if course.share >= self.min_over else None
        if not (course.planned or course.ended) or course.share > self.max_share:
            return None
        rate = short_number(_rate(run))
        if course.pace <= self.max_pace and self._close(course.length, course.steps):
            pace = short_number(float(f"{1 / course.pace:.2g}"))
            return _SELDOM.format(pace=pace, percent=percent, rate=rate, **said), self.severity
        parts = _parts(run, name)
        if parts > 1 and self._close(course.length, parts * course.steps):
            words = {"parts": short_number(parts), "percent": percent}
            return _PARTS.format(**words, rate=rate, **said), self.severity
        if course.planned:
            return _CUT.format(percent=percent, **said), Severity.INFO
        begun = _BEGUN.format(percent=percent, rate=rate, **said)
        each = (
            course.pace >= 1 / self.min_pace
        )  # moved with each step, and not with each of a few epochs
        return (begun, Severity.INFO) if each and course.share <= self.max_begun else None

    def _close(self, length: float, steps: float) -> bool:
        return abs(length - steps) <= self.near * steps

    def _finding(
        self, run: Run, name: str, course: _Course, said: tuple[Text, Severity]
    ) -> Finding:
        message, severity = said
        ends = course.step, course.step
        rates = run[q.LEARNING_RATE].steps
        evidence = (
            Evidence(q.SCHEDULE_CALLS.name, name, *ends, None, course.length),
            Evidence(
                q.LEARNING_RATE.name,
                leading_group(run),
                int(rates[0]),
                int(rates[-1]),
                _rate(run),
            ),
        )
        numbers = {"pace": course.pace, "share": course.share}
        return Finding(self.code, severity, name, evidence, message, _ADVICE, numbers)


def _since(steps: Floats) -> int:
    """The first record of the newest watch, each of which counts from 0."""
    begins = np.flatnonzero(np.diff(steps) < 0)
    return int(begins[-1]) + 1 if len(begins) else 0


def _taken(run: Run, name: str, step: int) -> tuple[float, float]:
    """The optimizer's steps before this one, and all of them."""
    counts = np.nan_to_num(run[q.STEPS].column(name))
    return float(counts[run[q.STEPS].steps < step].sum()), float(counts.sum())


def _planned(run: Run) -> float:
    """Steps that the framework says there will be, 0 where nobody does."""
    try:
        return float(run.facts.get("planned steps", 0))
    except ValueError:
        return 0.0


def _parts(run: Run, name: str) -> float:
    """Backward passes of a step."""
    seen = [each.values for each in columns(run, q.BACKWARDS) if each.column == name]
    return float(np.median(seen[0])) if seen else 1.0


def _rate(run: Run) -> float:
    """The newest learning rate."""
    return float(largest_rate(run)[1][-1])
