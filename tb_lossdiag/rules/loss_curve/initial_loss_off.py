"""LD106 initial-loss-off."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.baselines import Baseline, baselines
from tb_lossdiag.analysis.reinforcement import (
    is_reinforcement,
    targets_begin_apart,
    targets_wander,
)
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity, Source
from tb_lossdiag.records import Doubles, Steps
from tb_lossdiag.run import Run

_CLASSES = Text(
    "The first loss of `{call}` was {first} at step {step}, {times} times {blind}, which is what guessing costs: the untrained model is sure and wrong. {fate}"
)
_LEARNED = Text(
    "The first loss of `{call}` was {first} at step {step}, {times} times {blind}, which is what guessing costs: the model begins sure and wrong. {fate}"
)
_VALUES = Text(
    "The first loss of `{call}` was {first} at step {step}, {times} times {blind}, which always predicting the targets' mean or median would cost: the outputs begin far from the targets. {fate}"
)
_BACK = Text("It was below that bound by step {step}.")
_STAYS = Text("It is still above that bound at step {step}.")
_WEIGHED = Text("{fate} By its weight, the loss as a whole does not begin far off.")
_NEEDS = Text(
    "an unweighted loss call whose loss of guessing is known, and whose targets are no agent's returns"
)
_CLASS_ADVICE = Text("""Let the model begin undecided: a small last layer makes all classes about equally likely, so that the first loss is near {blind}.

```python
last = [m for m in model.modules() if isinstance(m, torch.nn.Linear)][-1]
with torch.no_grad():
    last.weight.mul_({scale})
    if last.bias is not None:
        last.bias.zero_()
```

Also check that inputs are scaled (about mean 0 and standard deviation 1) and that labels belong to their inputs.""")
_LEARNED_ADVICE = Text("""The model has learned before, as what was frozen at the start or the weights themselves show: it may be sure of what was right for other data.

- If the new data are to be read in the same way, look at how they are scaled and at the order of the classes: both must be those it learned with.
- If they are not, a new last layer that begins near 0 begins undecided.""")
_VALUE_ADVICE = Text("""Bring outputs and targets together before the training does it at great cost: scale the targets, and undo it when predicting.

```python
mean, std = targets.mean(), targets.std()
loss = criterion(model(inputs), (targets - mean) / std)
```

Or start the last layer's bias at the targets' mean.""")


@dataclass(frozen=True)
class InitialLossOff:
    """The first loss is far above that of knowing nothing.

    Why it matters: the first steps undo a bad start instead of learning, with gradients that may be too large for the optimizer.

    How it decides: the loss call of the first check-up against the loss of not looking at the input. For C classes that is
    ln C (ln 2 for yes or no), for each answer that a sum adds up, and the value is off from `max_classes` times that (`max_scaled` where
    something scaled the scores after the last layer, as it does with cosines); for other losses it is that of the best
    constant prediction, such as the variance of the targets, and the value is off from `max_values` times that. An information
    if the loss may have been below the bound again within the first `patience` of the run's steps, as check-ups know, or records of the
    loss or of a term that have the same value there (within `same`). An information, too, for a weighed term where the sum of all terms, each by
    its weight, is below the bound beside that of guessing all of them; a term whose guess nobody knows counts as it began. Dimensionless.

    An information, too, for classes where at least `min_frozen` of the parameters were frozen at the start, or rows or columns of most weight matrices
    and of the last one differ in length more than draws of one distribution do (by 4 and 2.5 standard errors): such a model has learned before.

    What to try first: a smaller last layer for classes, scaled targets for values.

    Guards against: classes of unequal frequency and small batches (ln C is the largest of their entropies); weighted losses, returns of reinforcement learning, values beside a second network, which may make them, and targets that are four times closer together or farther apart at first than later (not judged); resumed runs, whose loss begins low.

    References: Ben Braiek and Khomh 2023, TheDeepChecker (TOSEM), "unstable initial loss"; Karpathy 2019, A Recipe for Training
    Neural Networks ("verify loss at init").
    """

    code: ClassVar[str] = "LD106"
    name: ClassVar[str] = "initial-loss-off"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("The first loss is far too high")
    reads: ClassVar[tuple[Quantity, ...]] = (q.CALL_VALUE, q.CALL_BASELINE)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.CALL_OUTPUTS,
        q.CALL_SAMPLES,
        q.CALL_SUMMED,
        q.CALL_WEIGHTED,
        q.CALL_IGNORED,
        q.CALL_MAJORITY,
        q.CALL_SOURCE,
        q.CALL_TARGET_MEAN,
        q.CALL_TARGET_STD,
        q.LOSS,
        q.LOSS_TERM,
        q.LOSS_WEIGHT,
        q.EXTRA,
        q.COPY_DISTANCE,
        q.PARAMETER_TRAINABLE,
        q.LEARNED_BEFORE,
    )
    explains: ClassVar[tuple[str, ...]] = ()

    #: value over ln C, 1; logits of a usual initialisation add a tenth to a half
    max_classes: float = 2.0
    #: value over ln C where the scores were scaled after the last layer, 1; cosines times 64 with a margin begin at twenty
    max_scaled: float = 25.0
    #: value over that of the best constant, 1; an output near 0 for targets whose mean is three of their deviations off
    max_values: float = 10.0
    #: share of the steps, 1; a start that is repaired within a tenth of the training costs little
    patience: float = 0.1
    #: share of the parameters, 1; a table of embeddings may be frozen in a new model, most of it is so in one that has learned
    min_frozen: float = 0.5
    #: relative difference, 1; rounding of a loss that is recorded as well
    same: float = 1e-3

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per loss call that began too high."""
        judged = [guess for guess in baselines(run) if self._judged(run, guess)]
        if not judged:
            raise NotEnough(_NEEDS)
        for guess in judged:
            blind = _blind(guess)
            bound = blind * self._most(run, guess)
            if guess.value[0] >= bound:
                yield self._finding(run, guess, (blind, bound))

    def _weighed_down(self, run: Run, guess: Baseline) -> bool:
        """Whether this is one of several terms, whose sum begins no further off than one of them may."""
        if q.LOSS_TERM not in run or q.LOSS_WEIGHT not in run:
            return False
        value, weight = run.aligned(q.LOSS_TERM, q.LOSS_WEIGHT)
        known = {
            name: each
            for each in baselines(run)
            for name in value.columns
            if self._same(value.column(name)[:2].astype(np.float64), each.value[:2])
        }
        if guess.column not in {each.column for each in known.values()}:
            return False
        first, by = np.abs(value.values[0].astype(np.float64)), np.abs(weight.values[0])
        blind = [
            _blind(known[name]) if name in known else first[index]
            for index, name in enumerate(value.columns)
        ]
        whole = float(np.nansum(by * first))
        return len(first) > 1 and whole < self._most(run, guess) * float(np.nansum(by * blind))

    def _judged(self, run: Run, guess: Baseline) -> bool:
        if _ever(run, q.CALL_WEIGHTED, guess.column, 1):
            return False
        # What an agent's value is compared with is no data set: it grows with the agent, and begins as alike as what a new network answers.
        own = is_reinforcement(run) or targets_wander(run, guess.column) or q.COPY_DISTANCE in run
        # What a network makes, as a codebook its codes, is in a few steps what the first ones tell nothing of.
        made = own or targets_begin_apart(run, guess.column)
        return np.isfinite(guess.uniform) or not made

    def _most(self, run: Run, guess: Baseline) -> float:
        """How many times the loss of guessing the first loss may be."""
        if not np.isfinite(guess.chance):
            return self.max_values
        scaled = guess.classes and _ever(run, q.CALL_SOURCE, guess.column, Source.OTHER)
        return self.max_scaled if scaled else self.max_classes

    def _finding(self, run: Run, guess: Baseline, costs: tuple[float, float]) -> Finding:
        blind, bound = costs
        steps, values = self._course(run, guess)
        first, step = float(guess.value[0]), int(guess.steps[0])
        low = np.flatnonzero(values < bound)
        at = int(steps[low[0]] if len(low) else steps[-1])
        # Nothing is known before the second record.
        soon = max(step + self.patience * (_last(run, guess) - step), int(steps[:2][-1]))
        # When it came back is known no better than the records say: the last one above the bound may have been the last.
        back = len(low) > 0 and int(steps[max(low[0] - 1, 0)]) < soon
        fate = (_BACK if len(low) else _STAYS).format(step=str(at))
        words = {
            "call": guess.column,
            "first": short_number(first),
            "step": str(step),
            "times": short_number(first / blind),
            "blind": short_number(blind),
        }
        is_class = bool(np.isfinite(guess.uniform))
        learned = is_class and self._has_learned(run)
        text = (_LEARNED if learned else _CLASSES) if is_class else _VALUES
        light = self._weighed_down(run, guess)
        message = text.format(fate=_WEIGHED.format(fate=fate) if light else fate, **words)
        evidence = Evidence(q.CALL_VALUE.name, guess.column, step, at, first, bound)
        new = _CLASS_ADVICE if is_class else _VALUE_ADVICE
        advice = (_LEARNED_ADVICE if learned else new).format(
            blind=short_number(blind), scale=short_number(float(f"{min(0.1, blind / first):.1g}"))
        )
        severity = Severity.INFO if back or light or learned else self.severity
        numbers = {"first": first, "guess": blind}
        return Finding(self.code, severity, guess.column, (evidence,), message, advice, numbers)

    def _has_learned(self, run: Run) -> bool:
        """Whether so much of the model was frozen at the start that it must have been trained before, or its weights are not as they were drawn."""
        if q.LEARNED_BEFORE in run and (run[q.LEARNED_BEFORE].values[0] == 1).all():
            return True
        if q.PARAMETER_TRAINABLE not in run:
            return False
        first = run[q.PARAMETER_TRAINABLE].values[0]
        known = first[np.isfinite(first)]
        return bool(len(known) and (known == 0).mean() >= self.min_frozen)

    def _course(self, run: Run, guess: Baseline) -> tuple[Steps, Doubles]:
        """The call's value over the steps: check-ups are few, so what is recorded more often and has the same value tells more."""
        for table in (run[quantity] for quantity in (q.LOSS, q.LOSS_TERM) if quantity in run):
            for name in table.columns:
                values = table.column(name).astype(np.float64)
                if self._same(values[:2], guess.value[:2]):
                    return table.steps[np.isfinite(values)], values[np.isfinite(values)]
        return guess.steps, guess.value

    def _same(self, recorded: Doubles, called: Doubles) -> bool:
        """Whether the first two records are the first two calls, at whatever steps: each step has both then."""
        if len(recorded) != len(called) or len(called) < 2:  # noqa: PLR2004  (one may agree by chance)
            return False
        return bool((np.abs(recorded - called) <= self.same * np.abs(called)).all())


def _blind(guess: Baseline) -> float:
    """What not looking at the input costs in the first check-up."""
    return guess.chance if np.isfinite(guess.chance) else float(guess.blind[0])


def _ever(run: Run, quantity: Quantity, call: str, value: float) -> bool:
    """Whether a fact of this call was ever this."""
    return quantity in run and bool((run[quantity].column(call) == value).any())


def _last(run: Run, guess: Baseline) -> int:
    """Last step of the run."""
    ends = [int(run[quantity].steps[-1]) for quantity in (q.LOSS, q.LOSS_TERM) if quantity in run]
    return max([int(guess.steps[-1]), *ends])
