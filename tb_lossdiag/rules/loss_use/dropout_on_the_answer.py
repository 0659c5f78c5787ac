"""LD548 dropout-on-the-answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import Sighting, columns, too_few
from tb_lossdiag.diagnosis.judged import with_judged
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "{percent}% of the answers that `{call}` is given are exactly 0, left out behind the model's last layer ({checks} check-ups): dropout stands between the answer and the loss."
)
_ADVICE = Text("""Dropout belongs between layers; nothing comes between the last one and the loss:

```python
model = torch.nn.Sequential(body, torch.nn.Dropout(0.1), torch.nn.Linear(features, outputs))
```

For a single number that is measured, dropout right before the last layer changes the answer's spread as well: leave it out there, or put it
further in.""")

_JUDGED = Text("share of answers that a factor made 0; the mean decides")


@dataclass(frozen=True)
class DropoutOnTheAnswer:
    """Dropout makes some of the model's answers 0 before the loss sees them.

    Why it matters: an answer that was thrown away is wrong whatever the model has learned, and the others are multiplied to make up for it.
    A regression can't get below the share of its targets' spread that this costs, a classification is asked for classes whose score is gone,
    and both teach the model to hedge.

    How it decides: in at least `min_checks` check-ups and in most of them, dropout behind the model's last operation (autograd graph: a
    node of its own, or a factor that is 0 here and one number above 1 there) made predictions exactly 0, behind a linear layer or while others
    are negative and positive; over all check-ups at least `min_share` of them. Unit: share of the answers.

    What to try first: take the dropout behind the last layer away.

    Guards against: an output that ends in a ReLU; masks of 0 and 1, gates; answers and targets under one mask; padding and classes that are shut out, which are
    0 in whole rows or columns; embeddings with dropout that are compared with each other, which are no answers.

    References: deepchem/deepchem issue 303; Srivastava et al. 2014, Dropout (JMLR 15), section 4; Li et al. 2019, Understanding the Disharmony Between Dropout and Batch
    Normalization by Variance Shift (arXiv 1801.05134).
    """

    code: ClassVar[str] = "LD548"
    name: ClassVar[str] = "dropout-on-the-answer"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Dropout on the model's answer")
    reads: ClassVar[tuple[Quantity, ...]] = ()
    may_read: ClassVar[tuple[Quantity, ...]] = (q.CALL_DROPPED,)
    explains: ClassVar[tuple[str, ...]] = (
        "LD103", "LD104", "LD105", "LD109", "LD202", "LD203", "LD207", "LD523",
    )  # fmt: skip

    #: share of the answers, 1; the smallest rate that is used for dropout is about 0.05, and rounding makes none
    min_share: float = 0.03
    #: check-ups; what is done once may be a look at something
    min_checks: int = 3

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per call that is given answers which were left out."""
        seen = [each for each in columns(run, q.CALL_DROPPED) if len(each.steps) >= self.min_checks]
        if not seen:
            raise too_few(self.min_checks, Text("check-ups that see a call of a loss function"))
        for each in seen:
            share = float(each.values.mean())
            if share >= self.min_share and np.median(each.values) > 0:
                yield self._finding(each, share)

    def _finding(self, each: Sighting, share: float) -> Finding:
        message = _MESSAGE.format(
            percent=f"{100 * share:.0f}", call=each.column, checks=str(len(each.steps))
        )
        ends = int(each.steps[0]), int(each.steps[-1])
        evidence = with_judged(
            Evidence(q.CALL_DROPPED.name, each.column, *ends, share, self.min_share),
            _JUDGED,
            each.steps,
            each.values,
        )
        numbers = {"share": share}
        return Finding(
            self.code, self.severity, each.column, (evidence,), message, _ADVICE, numbers
        )
