"""LD712 output-logit-drift."""

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
    "The logits drift away from log-probabilities: what normalises them was {first} at step {begin} and is {last} at step {step} (root mean square over rows; 0 for log-probabilities, {even} for equal ones)."
)
_ADVICE = Text("""A softmax does not see what is added to all logits, so nothing holds them: they drift, and half precision rounds away what tells classes apart. A small penalty on the logarithm of their sum holds them near log-probabilities:

```python
loss = torch.nn.functional.cross_entropy(logits, target)
loss = loss + 1e-4 * logits.logsumexp(-1).square().mean()
```

Weight decay on the output layer, or a softcap, does it as well.""")


@dataclass(frozen=True)
class OutputLogitDrift:
    """The logits of a model with many classes drift away from log-probabilities.

    Why it matters: what they have in common costs nothing in a cross-entropy and all in half precision, whose steps grow with it; late
    instabilities of large models begin so.

    How it decides: the root mean square of the logarithm of the sum of a row's exponentials is at least `min_norm`, at least `min_growth`
    times as large as at first, and has risen over the last `min_checks` check-ups. An information. Unit: nats.

    What to try first: a z-loss.

    Guards against: few classes (below `min_classes`), whose logits grow with what they know; the logarithm of the number of classes, which
    untrained models begin at; logits that are large and stay so, as capped ones do, and those of a z-loss.

    References: Chowdhery et al. 2022, PaLM (arXiv 2204.02311), section 5; Wortsman et al. 2023 (arXiv 2309.14322), section 3.1.2.
    """

    code: ClassVar[str] = "LD712"
    name: ClassVar[str] = "output-logit-drift"
    severity: ClassVar[Severity] = Severity.INFO
    title: ClassVar[Text] = Text("Output logits drift")
    reads: ClassVar[tuple[Quantity, ...]] = (q.CALL_LOG_NORM_SIZE, q.CALL_OUTPUTS)
    may_read: ClassVar[tuple[Quantity, ...]] = ()
    explains: ClassVar[tuple[str, ...]] = ()

    #: nats; twice what equal logits of the largest vocabularies in use have
    min_norm: float = 25.0
    #: times the median of the first three check-ups, 1
    min_growth: float = 2.0
    #: check-ups; of fewer a single one decides
    min_checks: int = 4
    #: classes; vocabularies have more, whose logits grow with what they know fewer
    min_classes: float = 256.0

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for each loss call."""
        calls = list(seen(run, q.CALL_LOG_NORM_SIZE, self.min_checks))
        known = {c.name: float(np.median(c.values)) for c in seen(run, q.CALL_OUTPUTS, 1)}
        large = [call for call in calls if known.get(call.name, 0.0) >= self.min_classes]
        if not large:
            needs = Text("{count} check-ups of a cross-entropy with {classes} classes or more")
            wanted = {"count": str(self.min_checks), "classes": short_number(self.min_classes)}
            raise NotEnough(needs.format(**wanted))
        for call in large:
            if self._drifts(call):
                yield self._finding(call, known[call.name])

    def _drifts(self, call: Seen) -> bool:
        first = float(np.median(call.values[:3]))
        least = max(self.min_norm, self.min_growth * first)
        return bool(call.values[-1] >= least) and rising(call.values, self.min_checks)

    def _finding(self, call: Seen, classes: float) -> Finding:
        begin, step = int(call.steps[0]), int(call.steps[-1])
        last = float(call.values[-1])
        message = _MESSAGE.format(
            first=short_number(float(call.values[0])),
            last=short_number(last),
            begin=str(begin),
            step=str(step),
            even=short_number(float(np.log(classes))),
        )
        bound = self.min_norm
        evidence = Evidence(q.CALL_LOG_NORM_SIZE.name, call.name, begin, step, last, bound)
        numbers = {"norm": last}
        return Finding(self.code, self.severity, call.name, (evidence,), message, _ADVICE, numbers)
