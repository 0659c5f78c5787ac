"""LD728 weight-of-one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import columns
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "{count} weights of a choice are 1 whatever their scores are, in {checks} check-ups up to step {step}: each was divided by a sum of itself alone, or is a softmax over one number. What chooses hears nothing of the error."
)
_ADVICE = Text("""Where one of several is chosen, its probability among all of them is the weight; make weights add up to 1 only where two or more are chosen:

```python
weight, chosen = probabilities.topk(many, 1)
if many > 1:
    weight = weight / weight.sum(1, keepdim=True)
```

The output has to be multiplied with that weight: it is the only way by which the error reaches the scores. A balancing loss alone teaches to spread, not to choose.""")


@dataclass(frozen=True)
class WeightOfOne:
    """The weight of what was chosen is always 1, so that the scores it was chosen by learn nothing.

    Why it matters: a router that sends each token to one expert learns by the weight of that expert's answer. A weight that is divided by itself
    is 1 and has no gradient: tokens go where they went by chance, or where a balancing loss sends them.

    How it decides: in at least `min_checks` check-ups numbers that could learn are divided by their sum over a single one of them, which could learn,
    too; or a softmax is taken over a single number that `topk` has chosen among more. Exact: no other value is possible. Unit: weights.

    What to try first: leave out the normalisation where one is chosen.

    Guards against: one choice weighed by its probability, as in Switch Transformers; two choices or more; a divisor that is detached, for a gradient of
    one's own; attention to a single key.

    References: Fedus et al. 2021, Switch Transformers (arXiv 2101.03961), equation 2; Shazeer et al. 2017 (arXiv 1701.06538): a softmax over the k
    chosen, with k > 1; jingyaogong/minimind issue 858.
    """

    code: ClassVar[str] = "LD728"
    name: ClassVar[str] = "weight-of-one"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("A weight is 1 whatever its score is")
    reads: ClassVar[tuple[Quantity, ...]] = (q.WEIGHTS_OF_ONE,)
    may_read: ClassVar[tuple[Quantity, ...]] = (q.ROUTER_MOST,)
    instead: ClassVar[tuple[Quantity, ...]] = (q.ROUTER_MOST,)
    explains: ClassVar[tuple[str, ...]] = ("LD104", "LD204", "LD205", "LD523", "LD713", "LD714")

    #: check-ups; a last batch of one kind may leave one choice once
    min_checks: int = 3

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding where such weights were seen again and again."""
        if q.WEIGHTS_OF_ONE not in run:
            if q.ROUTER_MOST in run:
                return
            raise NotEnough(Text("check-ups of a router"))
        for column, steps, seen in columns(run, q.WEIGHTS_OF_ONE):
            if len(steps) < self.min_checks:
                continue
            count, ends = float(np.median(seen)), (int(steps[0]), int(steps[-1]))
            message = _MESSAGE.format(
                count=short_number(count), checks=str(len(steps)), step=str(ends[1])
            )
            evidence = Evidence(q.WEIGHTS_OF_ONE.name, column, *ends, count)
            numbers = {"weights": count}
            yield Finding(self.code, self.severity, column, (evidence,), message, _ADVICE, numbers)
