"""LD623 copy-out-of-step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import Sighting, at_steps, columns, too_few
from tb_lossdiag.analysis.contrastive import comparisons, first_is_right
from tb_lossdiag.analysis.copies import steps_behind, validated_alone
from tb_lossdiag.analysis.curve import curve_of
from tb_lossdiag.analysis.loss_calls import BINARY, calls
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles, Steps
from tb_lossdiag.rules.loop import copy_words as say
from tb_lossdiag.run import Run

_NEWEST = 3
"""Validations; one may be a lucky one."""


@dataclass(frozen=True)
class CopyOutOfStep:
    """A target, teacher or average is never updated, or is always the trained network itself.

    Why it matters: a target network that stays at its random beginning gives targets that mean nothing; an average that is never updated is
    an untrained model; one that always equals the trained network steadies nothing. The loss falls all the same.

    How it decides: a network that is called, not trained, and has class and shapes of one that is. In each of at least `min_checks`
    check-ups (`min_apart` where they lie `apart` steps from each other) over `min_steps` steps (`min_compared` where samples are compared with
    keys) either it has not moved at all, though it began within `max_distance` of the trained one, or of what that began with, or
    all of its parameters were written `min_writes` times, in `min_stretches` stretches between check-ups; and the
    trained one has moved by at least `min_moved` of its size. Or it is exactly that one, and both move. A warning where the step has one
    loss call, of targets that vary or of keys, which the copy must then have made; else an information. Or it follows, but has moved by less than
    `max_followed` of what the trained one has, and the validation loss has lost less than `max_shared` of what the training loss has, which
    lost at least `min_learned` of its start (a warning). Or it follows, is in eval(), and what its batch normalisation remembers has not moved in any of them, and ends
    at least `min_apart_from` standard deviations from the trained one's (a warning). Or it moves, and is
    never further from the trained one than `max_between` of what that has moved since the check-up before, nor, in the middle, than `max_behind` of the step before; `max_behind_alone` steps, where it
    is called in validations alone (a warning). Unit: share of the parameters' norm.

    What to try first: print the distance between both networks before and after the line that updates the copy.

    Guards against: frozen teachers that differ from the start, and are not written; references of preference tuning and penalties on the distance from a model's
    beginning (an information); copies each few hundred steps; slow targets, where the validation follows the training; networks with fewer than four parameter tensors; batch normalisation that is frozen in both,
    or takes the statistics of its batch.

    References: Mnih et al. 2015, Human-level control through deep reinforcement learning (Nature 518), target networks; Grill et al. 2020,
    BYOL (arXiv 2006.07733), table 5.
    """

    code: ClassVar[str] = "LD623"
    name: ClassVar[str] = "copy-out-of-step"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("A second network is never updated, or always the same")
    reads: ClassVar[tuple[Quantity, ...]] = (q.COPY_DISTANCE, q.COPY_MOVED, q.ORIGINAL_MOVED)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.CALL_VALUE, q.CALL_TARGET_MIN, q.CALL_TARGET_MAX, q.CALL_SAMPLES, q.CALL_OUTPUTS, q.CALL_TARGET_INDEX,
        q.CALL_TARGET_UNIQUE, q.COPY_BEGAN, q.COPY_WRITTEN, q.LOSS, q.VALIDATION_LOSS, q.COPY_STATISTICS,
        q.COPY_STATISTICS_MOVED, q.UPDATE_NORM, q.PARAMETER_NORM,
    )  # fmt: skip
    explains: ClassVar[tuple[str, ...]] = ("LD104", "LD105", "LD107", "LD108", "LD523")

    #: check-ups; those at the beginning are close to each other
    min_checks: int = 6
    #: check-ups of a network that is called in validations alone; as many as tell a stretch from a moment
    min_apart: int = 3
    #: steps between two of those
    apart: int = 20
    #: steps between the first and the last of them; copies are often made each hundred steps
    min_steps: int = 150
    #: the same for keys; they are averaged after each step
    min_compared: int = 50
    #: share of the parameters' norm, 1; a copy is one to the bit, but a batch may have come between
    max_distance: float = 0.01
    #: writes of all parameters; one or two may load a teacher that is loaded already
    min_writes: int = 3
    #: stretches between check-ups in which there was one; who writes again and again means to change something
    min_stretches: int = 2
    #: share of the parameters' norm, 1; a target that lags by this is another function
    min_moved: float = 0.05
    #: share of the trained one's way, 1; half of it is missing anyway where an average remembers as long as was trained
    max_followed: float = 0.25
    #: share of the training loss' fall, 1; what is validated is then rather the beginning
    max_shared: float = 0.5
    #: share of the starting loss, 1; before that much is won, nobody can say whether the other follows
    min_learned: float = 0.3

    #: standard deviations; batches of 16 values differ by a sixth, LD622 takes the same for its own
    min_apart_from: float = 0.5

    #: steps of the optimizer, 1; an average of decay 0.9 is 2 behind where steps are random and 9 where they agree, a copy of the weights before exactly 1
    max_behind: float = 0.3
    #: the same of what is never asked in a step of training, as an average is and a network of the step before is not
    max_behind_alone: float = 1.5
    #: share of the trained one's way between two check-ups, 1; where steps take each other back, an average is near as well, but then there is no way
    max_between: float = 0.2

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per second network that is out of step."""
        judged = False
        least = self.min_compared if _has_keys(run) else self.min_steps
        for copy in columns(run, q.COPY_DISTANCE):
            if not self._enough(copy.steps) or np.ptp(copy.steps) < least:
                continue
            judged = True
            moved = at_steps(run, q.COPY_MOVED, copy.steps, copy.column)
            gone = float(at_steps(run, q.ORIGINAL_MOVED, copy.steps[-1:], copy.column)[0])
            if gone >= self.min_moved:
                yield from self._out_of_step(run, copy, moved, gone)
        if not judged:
            needs = Text("check-ups over {steps} steps that see a second network")
            raise too_few(self.min_checks, needs.format(steps=str(least)))

    def _enough(self, steps: Steps) -> bool:
        far = bool(np.all(np.diff(steps) >= self.apart))
        return len(steps) >= (self.min_apart if far else self.min_checks)

    def _out_of_step(
        self, run: Run, copy: Sighting, moved: Doubles, gone: float
    ) -> Iterator[Finding]:
        severity = self.severity if _makes_the_targets(run) else Severity.INFO
        began = at_steps(run, q.COPY_BEGAN, copy.steps[:1], copy.column, np.inf)[0]
        if np.all(moved == 0) and min(copy.values[0], began) <= self.max_distance:
            what = (q.COPY_MOVED, 0.0, severity)
            yield self._finding(copy, (say.STANDS, say.STANDS_ADVICE), what, gone)
        elif np.all(moved == 0) and self._written(run, copy) >= self.min_writes:
            words = say.WRITTEN.format(times=str(self._written(run, copy))), say.WRITTEN_ADVICE
            yield self._finding(copy, words, (q.COPY_MOVED, 0.0, severity), gone)
        elif np.all(copy.values == 0):
            yield self._finding(
                copy, (say.EQUAL, say.EQUAL_ADVICE), (q.COPY_DISTANCE, 0.0, severity), gone
            )
        elif (apart := self._forgotten(run, copy)) and moved[-1] > 0:
            yield self._forgets(copy, apart, float(moved[-1]), gone)
        elif behind := self._at_once(run, copy):
            texts = say.AT_ONCE.format(behind=short_number(behind)), say.AT_ONCE_ADVICE
            what = (q.COPY_DISTANCE, float(np.median(copy.values)), self.severity)
            yield self._finding(copy, texts, what, gone)
        elif 0 < moved[-1] < self.max_followed * gone and copy.values[-1] >= self.min_moved:
            yield from self._lags(run, copy, float(moved[-1]), gone)

    def _forgotten(self, run: Run, copy: Sighting) -> float:
        """How far what it remembers ends from the trained one's, where that has never moved; else 0."""
        moved = at_steps(run, q.COPY_STATISTICS_MOVED, copy.steps, copy.column, np.nan)
        apart = at_steps(run, q.COPY_STATISTICS, copy.steps[-1:], copy.column, np.nan)
        stands = np.all(moved == 0) and float(apart[0]) >= self.min_apart_from
        return float(apart[0]) if stands else 0.0

    def _at_once(self, run: Run, copy: Sighting) -> float:
        """How many steps it is behind, where those are so few that it averages nothing; else 0."""
        gone = at_steps(run, q.ORIGINAL_MOVED, copy.steps, copy.column)
        near = copy.values[1:] <= self.max_between * np.abs(np.diff(gone))
        if not near.all() or not (copy.values > 0).all():
            return 0.0
        behind = float(np.median(steps_behind(run, copy)))
        alone = validated_alone(run, copy)
        return behind if behind <= (self.max_behind_alone if alone else self.max_behind) else 0.0

    def _forgets(self, copy: Sighting, apart: float, moved: float, gone: float) -> Finding:
        """It follows, all but its memory of batches."""
        words = {"apart": short_number(apart), "share": short_number(100 * moved / gone)}
        what = (q.COPY_STATISTICS_MOVED, 0.0, self.severity)
        return self._finding(copy, (say.FORGETS.format(**words), say.FORGETS_ADVICE), what, gone)

    def _written(self, run: Run, copy: Sighting) -> int:
        """How often it was written; 0 where that was once, or nobody knows."""
        times = at_steps(run, q.COPY_WRITTEN, copy.steps, copy.column, np.nan)
        again = (np.diff(times) > 0).sum() >= self.min_stretches
        return int(times[-1]) if again and np.isfinite(times).all() else 0

    def _lags(self, run: Run, copy: Sighting, moved: float, gone: float) -> Iterator[Finding]:
        """It follows from too far, and that shows in the validation."""
        if q.LOSS not in run or q.VALIDATION_LOSS not in run:
            return
        train, validation = curve_of(run, q.LOSS), curve_of(run, q.VALIDATION_LOSS)
        start, end = train.start, float(train.level[-1])
        late = float(np.median(validation.values[-_NEWEST:]))
        won = start - end
        if not won >= self.min_learned * start > 0 or not start - late < self.max_shared * won:
            return
        words = {"validation": late, "start": start, "train": end, "share": 100 * moved / gone}
        texts = say.LAGS.format(**{k: short_number(v) for k, v in words.items()}), say.LAGS_ADVICE
        what = (q.COPY_MOVED, moved, self.severity)
        yield self._finding(copy, texts, what, gone)

    def _finding(
        self,
        copy: Sighting,
        words: tuple[Text, Text],
        what: tuple[Quantity, float, Severity],
        gone: float,
    ) -> Finding:
        quantity, observed, severity = what
        ends = int(copy.steps[0]), int(copy.steps[-1])
        message = words[0].format(
            name=f"`{copy.column}`" if copy.column else Text("the model"),
            checks=str(len(copy.steps)),
            step=str(ends[1]),
            percent=short_number(100 * gone),
        )
        evidence = Evidence(quantity.name, copy.column, *ends, observed)
        numbers = {"moved": gone, "check_ups": len(copy.steps)}
        return Finding(self.code, severity, copy.column, (evidence,), message, words[1], numbers)


def _makes_the_targets(run: Run) -> bool:
    """Whether the step has one loss call whose targets vary, or keys: then the copy makes them, for who else would."""
    try:
        seen = calls(run)
    except NotEnough:
        return False
    if len(seen) != 1 or seen[0].function in BINARY:
        return False
    if _has_keys(run):
        return True
    return seen[0].typical(q.CALL_TARGET_MIN) < seen[0].typical(q.CALL_TARGET_MAX)


def _has_keys(run: Run) -> bool:
    """Whether samples are compared with keys, of which the first is right."""
    return any(first_is_right(call) for call in comparisons(run))
