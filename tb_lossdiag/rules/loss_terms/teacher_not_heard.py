"""LD420 teacher-not-heard."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import at_steps, columns
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles, Steps
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "The answers that `{call}` asks for are softened by {temperature}, which divides their gradient by the square of that. The term counts {weight} times what `{named}` counts, so it pulls {share} times as hard: it is hardly heard."
)
_AVERAGED = Text(
    "`{call}` takes its mean over {classes} classes as well as over the samples, which divides it by {classes} once more. The term counts {weight} times what `{named}` counts, and pulls {share} times as hard: the teacher is hardly heard."
)
_SAMPLES = Text("""A divergence is a sum over classes and a mean over samples. `mean`, which is the default, divides by both:

```python
temperature = 2.0
scores, teacher = torch.randn(8, 1000), torch.randn(8, 1000)
told = torch.nn.functional.kl_div(
    (scores / temperature).log_softmax(dim=1), (teacher / temperature).softmax(dim=1), reduction="batchmean"
)
told = told * temperature**2
```

Of rows of words give it `flatten(0, 1)` first: `batchmean` divides by the length of the first axis only.""")
_ADVICE = Text("""Multiply a softened loss by the square of its temperature, so that its gradient keeps its size whatever the temperature is:

```python
temperature = 4.0
scores, teacher = torch.randn(8, 10), torch.randn(8, 10)
told = torch.nn.functional.kl_div(
    (scores / temperature).log_softmax(dim=1), (teacher / temperature).softmax(dim=1), reduction="batchmean"
)
told = told * temperature**2
```""")


@dataclass(frozen=True)
class TeacherNotHeard:
    """A loss of softened answers is divided by its temperature's square, or by the number of classes.

    Why it matters: the student learns from the labels alone, as if there were no teacher, and nothing in the loss curve shows it.

    How it decides: the same scores are given to a loss that names classes and, divided by a temperature of at least `min_temperature`, to
    one that asks for probabilities. Its weight (the gradient that arrives at its value, beside the other's) is `min_weight` or more, so it is meant to
    count; over the square of the temperature it is `max_pull` or less, in at least `min_checks` check-ups and most of them. Where `kl_div` takes
    its mean over classes, too, their number divides like the square, and any temperature will do. Unit: 1.

    What to try first: multiply that term by the temperature squared, and take its mean over samples alone.

    Guards against: small temperatures, whose square is little; terms with the square; means over ten classes, which other weights make up for; terms
    that are meant to count little.

    References: Hinton et al. 2015, Distilling the knowledge in a neural network (arXiv 1503.02531), section 2.1; PyTorch, `torch.nn.KLDivLoss`, on
    `batchmean`; haitongli/knowledge-distillation-pytorch issue 48.
    """

    code: ClassVar[str] = "LD420"
    name: ClassVar[str] = "teacher-not-heard"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("A temperature makes a loss term too small to count")
    reads: ClassVar[tuple[Quantity, ...]] = (q.CALL_TEMPERATURE, q.CALL_ARRIVED)
    may_read: ClassVar[tuple[Quantity, ...]] = (q.CALL_TARGET_INDEX, q.CALL_OVER_CLASSES)
    explains: ClassVar[tuple[str, ...]] = ()

    #: check-ups; of fewer chance has a say
    min_checks: int = 3
    #: 1; below it the square changes little
    min_temperature: float = 3.0
    #: beside the loss that names classes, 1; what counts less is meant to
    min_weight: float = 0.2
    #: the same over the square, 1; usual settings with the square have 0.5 and more
    max_pull: float = 0.05

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per softened loss that is hardly heard."""
        for call, steps, softened in columns(run, q.CALL_TEMPERATURE):
            named, of_named = _named(run, steps)
            weight = at_steps(run, q.CALL_ARRIVED, steps, call) / of_named
            classes = np.nan_to_num(at_steps(run, q.CALL_OVER_CLASSES, steps, call), nan=1.0)
            quiet = weight <= self.max_pull * softened**2 * classes
            divided = (softened >= self.min_temperature) | (classes > 1)
            hits = divided & (weight >= self.min_weight) & quiet
            if hits.sum() >= self.min_checks and 2 * hits.sum() > len(hits):
                seen = (float(np.median(each[hits])) for each in (softened, weight, classes))
                yield self._finding((call, named), steps[hits], *seen)

    def _finding(
        self,
        calls: tuple[str, str],
        steps: Steps,
        temperature: float,
        weight: float,
        classes: float,
    ) -> Finding:
        pull = weight / (temperature**2 * classes)
        message, advice = (_AVERAGED, _SAMPLES) if classes > 1 else (_MESSAGE, _ADVICE)
        call, named = calls
        said = message.format(
            call=call,
            named=named,
            temperature=short_number(temperature),
            classes=short_number(classes),
            weight=short_number(weight),
            share=short_number(pull),
        )
        ends = int(steps[0]), int(steps[-1])
        evidence = Evidence(q.CALL_TEMPERATURE.name, call, *ends, temperature, self.min_temperature)
        if classes > 1:
            evidence = Evidence(q.CALL_OVER_CLASSES.name, call, *ends, classes, 1.0)
        numbers = {"temperature": temperature, "weight": weight, "pull": pull}
        return Finding(self.code, self.severity, call, (evidence,), said, advice, numbers)


def _named(run: Run, steps: Steps) -> tuple[str, Doubles]:
    """(the first loss call that names classes, what arrived at it)."""
    for call, at, named in columns(run, q.CALL_TARGET_INDEX):
        if np.any(named[np.isin(at, steps)] == 1):
            arrived = at_steps(run, q.CALL_ARRIVED, steps, call)
            return call, np.where(arrived > 0, arrived, np.nan)
    return "", np.full(len(steps), np.nan)
