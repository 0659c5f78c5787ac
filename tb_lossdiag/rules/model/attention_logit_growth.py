"""LD710 attention-logit-growth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.inside import Seen, rising, seen
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "The scores of attention grow without a stop: the largest of `{name}` was {first} at step {begin}, and reached {last} at step {step}; in {count} of {all} layers it is more than {bound}."
)
_ADVICE = Text("""A softmax of such scores is all on one place, has no slope, and the next step may throw it to another one; half precision cannot tell them apart any more. Normalise queries and keys of each head, which bounds the scores by the root of its width:

```python
query = torch.nn.functional.rms_norm(query, query.shape[-1:])
key = torch.nn.functional.rms_norm(key, key.shape[-1:])
```

A lower learning rate or weight decay on the projections of queries and keys slows the growth.""")


@dataclass(frozen=True)
class AttentionLogitGrowth:
    """The scores of attention grow without a stop.

    Why it matters: training of transformers often breaks in this way. Scores grow for thousands of steps, while the loss shows nothing, until
    every softmax is all on one place.

    How it decides: the largest absolute score of a layer, of some queries, was at least `min_score` in the last check-up, rose over the last
    `min_checks` of them and is at least `min_growth` times what it was in the first ones; an information. A warning from `severe_score` on. Unit: 1.

    What to try first: normalise queries and keys (QK norm), or a lower learning rate.

    Guards against: places that are masked; scores that are large and stay so, as of models that were trained before; capped and normalised ones, which cannot get there.

    References: Wortsman et al. 2023, Small-scale proxies for large-scale Transformer training instabilities (arXiv 2309.14322), section 3.1;
    Dehghani et al. 2023, Scaling Vision Transformers to 22 Billion Parameters (arXiv 2302.05442), section 3.1.
    """

    code: ClassVar[str] = "LD710"
    name: ClassVar[str] = "attention-logit-growth"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Scores of attention grow without a stop")
    reads: ClassVar[tuple[Quantity, ...]] = (q.ATTENTION_SCORE,)
    may_read: ClassVar[tuple[Quantity, ...]] = ()
    explains: ClassVar[tuple[str, ...]] = ("LD102", "LD103", "LD104", "LD523", "LD711")

    #: 1; bfloat16 has steps of 4 there, by which a softmax tells places apart fifty to one
    min_score: float = 1000.0
    #: 1; ten times that, where bfloat16 has steps of 64
    severe_score: float = 10000.0
    #: times the median of the first three check-ups, 1
    min_growth: float = 4.0
    #: check-ups; of fewer a single one decides
    min_checks: int = 4

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for all layers."""
        layers = list(seen(run, q.ATTENTION_SCORE, self.min_checks))
        if not layers:
            needs = Text("{count} check-ups of layers of attention")
            raise NotEnough(needs.format(count=str(self.min_checks)))
        growing = [layer for layer in layers if self._grows(layer)]
        if growing:
            yield self._finding(growing, len(layers))

    def _grows(self, layer: Seen) -> bool:
        values = layer.values
        first = float(np.median(values[:3]))
        large = values[-1] >= max(self.min_score, self.min_growth * first)
        return bool(large) and rising(values, self.min_checks)

    def _finding(self, growing: list[Seen], count: int) -> Finding:
        worst = max(growing, key=lambda layer: layer.values[-1])
        begin, step = int(worst.steps[0]), int(worst.steps[-1])
        last = float(worst.values[-1])
        message = _MESSAGE.format(
            name=worst.name,
            first=short_number(float(worst.values[0])),
            last=short_number(last),
            begin=str(begin),
            step=str(step),
            count=str(len(growing)),
            all=str(count),
            bound=short_number(self.min_score),
        )
        evidence = Evidence(q.ATTENTION_SCORE.name, worst.name, begin, step, last, self.min_score)
        severity = self.severity if last >= self.severe_score else Severity.INFO
        return Finding(
            self.code, severity, worst.name, (evidence,), message, _ADVICE, {"score": last}
        )
