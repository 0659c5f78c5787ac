"""LD545 targets-of-others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import at_steps, columns, not_recorded
from tb_lossdiag.analysis.pairing import Correlation, correlations, paired
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles, Steps
from tb_lossdiag.run import Run

_CONTRADICT = Text(
    "The answers that `{call}` asks for have nothing to do with the classes that are named for the same scores: over {checks} check-ups both have {share} in common (± {error}). They were made for other samples."
)
_HALF = Text(
    "The targets of `{call}` are mixtures of two classes, and predictions have something to do with one of them ({best} in common at step {step}), but nothing with the other: {share} (± {error}) over {checks} check-ups. Inputs and targets are mixed with different samples."
)
_NEVER = Text(
    "What the model says has nothing to do with the targets of `{call}`: {share} (± {error}) in common over the last {checks} check-ups, while `{other}` has {best} at step {step}. The loss has learned how often each target comes, and not where."
)
_ADVICE = Text("""Look at one input beside its target, as the model is given them:

```python
for index in range(4):
    print(inputs[index].flatten()[:8], targets[index])
```

Answers that were written down for later must be found by the sample's own number, not by the place in a shuffled loader; a list of inputs and
one of targets must be sorted and shuffled together; grids and maps must not be shifted against each other.""")
_DROWNED = 0.05
"""Share of what all loss calls add to the loss, below which one is drowned by the others."""
_ONCE = Text("""Draw one order for inputs and targets:

```python
order, share = torch.randperm(len(inputs)), 0.7
mixed = share * inputs + (1 - share) * inputs[order]
labels = torch.nn.functional.one_hot(targets, 10).float()
soft = share * labels + (1 - share) * labels[order]  # the same order, not a second one
```""")


@dataclass(frozen=True)
class TargetsOfOthers:
    """Targets, or parts of them, belong to other samples.

    Why it matters: there is nothing to learn in them but how often each comes, and samples by heart. The loss falls, to a level that no
    change of the model moves.

    How it decides: of what two things have in common check-ups record a correlation beyond other samples of the batch, and its standard
    error. Over at least `min_checks` check-ups it is nearer to 0 than `max_share`, and than twice that with two standard errors added, (1) in the newer half, between
    classes that are named and probabilities that another loss asks of the same scores; (2) between predictions and one of the two classes of mixed targets, of which the lesser
    counts 0.15 or more, while it is `min_learned` or more with the whole in one of them; (3) between predictions and the classes that one loss call names in the newest check-ups, in a
    training of `min_steps` or more, while in a call of another line it is `min_learned` in most of them and the first one's
    mean counts at least `min_weight` of what the other's does. Unit: 1.

    What to try first: print a few inputs beside their targets.

    Guards against: models that have learned nothing at all (LD104); the first steps; teachers that know little but something, or learn beside the student; label
    smoothing; mixtures of which one part is hardly there,
    also as two losses of one answer; numbers that no input foretells.

    References: Zhang et al. 2018, mixup (arXiv 1710.09412), section 3; Hinton et al. 2015 (arXiv 1503.02531).
    """

    code: ClassVar[str] = "LD545"
    name: ClassVar[str] = "targets-of-others"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Targets belong to other samples")
    reads: ClassVar[tuple[Quantity, ...]] = ()
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.CALL_PAIRED, q.CALL_PAIRED_ERROR, q.CALL_LESSER, q.CALL_LESSER_ERROR, q.CALL_AGREES, q.CALL_AGREES_ERROR,
        q.CALL_ARRIVED, q.CALL_SAMPLES, q.CALL_SUMMED, q.CALL_TARGET_INDEX, q.CALL_VALUE,
    )  # fmt: skip
    explains: ClassVar[tuple[str, ...]] = (
        "LD104", "LD105", "LD108", "LD109", "LD401", "LD405", "LD523", "LD705",
    )  # fmt: skip

    #: check-ups; of fewer chance has a say
    min_checks: int = 4
    #: correlation, 1; of 64 samples it is 0.06 by chance, of four such check-ups 0.03
    max_share: float = 0.1
    #: correlation, 1; healthy ones end at 0.6 to 1
    min_learned: float = 0.5
    #: of what the other call counts, 1; one that is to count little may stay unlearned
    min_weight: float = 0.3
    #: steps; earlier one loss may only be slower than another
    min_steps: int = 100

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per loss call whose targets are others'."""
        own = paired(run)
        if not own:
            raise not_recorded(q.CALL_PAIRED)
        agrees = correlations(run, q.CALL_AGREES, q.CALL_AGREES_ERROR)
        newer = [each.last(max(len(each) // 2, self.min_checks)) for each in agrees.values()]
        apart = [each for each in newer if self._nothing(each)]
        for each in apart:
            yield self._finding(each, q.CALL_AGREES, _CONTRADICT, _ADVICE, {})
        if not apart:
            yield from self._halves(run, own)
            yield from self._never(run, own)

    def _nothing(self, found: Correlation) -> bool:
        if len(found) < self.min_checks:
            return False
        mean, error = found.pooled()
        return abs(mean) < self.max_share and abs(mean) + 2 * error < 2 * self.max_share

    def _halves(self, run: Run, own: Mapping[str, Correlation]) -> Iterator[Finding]:
        """Mixed targets, judged from where predictions have something to do with them."""
        for call, half in correlations(run, q.CALL_LESSER, q.CALL_LESSER_ERROR).items():
            known = own[call]
            learned = known.steps[known.values >= self.min_learned]
            later = half.at(half.steps[half.steps >= learned[0]]) if len(learned) else None
            if later is not None and self._nothing(later):
                yield self._finding(later, q.CALL_LESSER, _HALF, _ONCE, _best(known, learned))

    def _never(self, run: Run, own: Mapping[str, Correlation]) -> Iterator[Finding]:
        for call, each in own.items():
            newest = each.last(self.min_checks)
            classes = bool(np.all(at_steps(run, q.CALL_TARGET_INDEX, newest.steps, call) == 1))
            late = newest.steps[-1] >= self.min_steps
            if not (classes and late and self._nothing(newest)) or _drowned(run, call, list(own)):
                continue
            for other, beside in own.items():
                known = beside.at(newest.steps)
                learned = known.steps[known.values >= self.min_learned]
                heard = self._heard(run, (call, other), newest.steps)
                if heard and 2 * len(learned) >= self.min_checks and other != call:
                    words = {**_best(known, learned), "other": other}
                    yield self._finding(newest, q.CALL_PAIRED, _NEVER, _ADVICE, words)
                    break

    def _heard(self, run: Run, both: tuple[str, str], steps: Steps) -> bool:
        """Whether the first call is meant to be learned as well, by what it counts beside the other; where that is not known, it is.

        Two calls of one line are taken for two parts of one answer.
        """
        if _line(run, both[0]) == _line(run, both[1]) != "":
            return False
        one, other = (_weight(run, call, steps) for call in both)
        known = np.isfinite(one) & np.isfinite(other)
        return not known.any() or bool(
            np.median(one[known]) >= self.min_weight * np.median(other[known])
        )

    def _finding(
        self, found: Correlation, of: Quantity, text: Text, advice: Text, more: Mapping[str, str]
    ) -> Finding:
        mean, error = found.pooled()
        words = {"call": found.call, "checks": short_number(len(found)), **more}
        message = text.format(share=short_number(mean), error=short_number(error), **words)
        ends = int(found.steps[0]), int(found.steps[-1])
        evidence = Evidence(of.name, found.call, *ends, mean, self.max_share)
        numbers = {"checks": len(found), "share": mean, "error": error}
        return Finding(self.code, self.severity, found.call, (evidence,), message, advice, numbers)


def _drowned(run: Run, call: str, others: list[str]) -> bool:
    """Whether another loss is nearly all that is trained: LD401 says so, and why this one is not learned."""
    parts = np.array([_part(run, each) for each in (call, *others)])
    return bool(parts[0] < _DROWNED * np.nansum(parts[1:]))


def _part(run: Run, call: str) -> float:
    """What the newest value of a call adds to the loss; NaN where that is not known."""
    for _, steps, values in (each for each in columns(run, q.CALL_VALUE) if each.column == call):
        return float((np.abs(values) * at_steps(run, q.CALL_ARRIVED, steps, call))[-1])
    return float("nan")


def _line(run: Run, call: str) -> str:
    """Where in the script it is."""
    parts = (part.partition(" at ") for part in run.facts.get(q.LOSS_LINES, "").split(q.LINES))
    return next((line for name, _, line in parts if name == call), "")


def _weight(run: Run, call: str, steps: Steps) -> Doubles:
    """float64[len(steps)]: what the mean over a call's samples counts."""
    samples = at_steps(run, q.CALL_SAMPLES, steps, call)
    summed = at_steps(run, q.CALL_SUMMED, steps, call, 0.0) == 1
    return at_steps(run, q.CALL_ARRIVED, steps, call) * np.where(summed, samples, 1.0)


def _best(known: Correlation, steps: Steps) -> dict[str, str]:
    """Where predictions had most to do with their targets."""
    there = known.at(steps)
    place = int(there.values.argmax())
    return {"best": short_number(float(there.values[place])), "step": str(int(there.steps[place]))}
