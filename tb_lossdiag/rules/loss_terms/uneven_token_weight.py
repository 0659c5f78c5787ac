"""LD409 uneven-token-weight."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import not_recorded
from tb_lossdiag.analysis.levels import Bools
from tb_lossdiag.analysis.loss_calls import LossCallSeries, calls, mostly
from tb_lossdiag.analysis.skipped import after_skipped
from tb_lossdiag.diagnosis.rule import Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "A step takes {parts} backward passes of `{call}`, each of its own mean, over parts with unlike numbers of scored targets: in the median of {hits} of {checks} check-ups a target of the shortest part counts {spread} times as much as one of the longest."
)
_ADVICE = Text("""Add up, and divide once by the number of targets that count in the whole step:

```python
parts = list(zip(x.chunk(4), y.chunk(4)))
scored = sum(int((targets != -100).sum()) for _, targets in parts)
for inputs, targets in parts:
    loss = F.cross_entropy(model(inputs), targets, ignore_index=-100, reduction="sum") / scored
    loss.backward()
optimizer.step()
optimizer.zero_grad()
```

On several ranks the number is that of all ranks. Recent versions of Transformers' `Trainer` do this by themselves, if the model takes
`num_items_in_batch`. Where parts are alike, nothing changes.""")


@dataclass(frozen=True)
class UnevenTokenWeight:
    """Targets count unequally, by how many others lie in their part of the batch.

    Why it matters: the mean of the parts' means is not the mean of the targets. Short answers weigh more than long ones, and the loss changes
    with how the batch is cut, which it must not.

    How it decides: in a check-up, one class loss took part in several backward passes of a step, each a mean over its own scored targets. What
    arrives at each over its number of targets is what a target counts; the most of a step's parts is at least `min_spread` times the least,
    in at least `min_checks` check-ups and more than half of them. Unit: 1.

    What to try first: `reduction="sum"`, divided by the number of targets of the whole step.

    Guards against: sums over a common number; parts of one size; a last batch that is shorter; weighted losses.

    References: Hugging Face Transformers, pull request 34191; pytorch/torchtitan pull request 2206; prime-rl pull request 1957.
    """

    code: ClassVar[str] = "LD409"
    name: ClassVar[str] = "uneven-token-weight"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Targets count unequally over a step's parts")
    reads: ClassVar[tuple[Quantity, ...]] = ()
    may_read: ClassVar[tuple[Quantity, ...]] = (q.CALL_TOKEN_SPREAD, q.CALL_PASSES, q.AMP_SKIPPED)
    explains: ClassVar[tuple[str, ...]] = ()

    #: 1; sentences of a packed corpus differ by a tenth, answers of a chat by tens
    min_spread: float = 1.5
    #: check-ups; one may hold the last batch of an epoch
    min_checks: int = 2

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per loss call whose targets count unequally."""
        if q.CALL_TOKEN_SPREAD not in run:
            raise not_recorded(q.CALL_TOKEN_SPREAD)
        for call in calls(run):
            spread = call.of(q.CALL_TOKEN_SPREAD)
            known: Bools = np.isfinite(spread) & ~after_skipped(run, call.steps)
            hits = known & (spread >= self.min_spread)
            if mostly(hits, known, self.min_checks):
                yield self._finding(call, hits, known)

    def _finding(self, call: LossCallSeries, hits: Bools, known: Bools) -> Finding:
        spread = float(np.median(call.of(q.CALL_TOKEN_SPREAD)[hits]))
        parts = float(np.median(call.of(q.CALL_PASSES)[hits]))
        message = _MESSAGE.format(
            parts=short_number(parts),
            call=call.name,
            hits=str(int(hits.sum())),
            checks=str(int(known.sum())),
            spread=short_number(spread),
        )
        evidence = call.evidence(q.CALL_TOKEN_SPREAD, hits, spread, self.min_spread)
        numbers = {"spread": spread, "parts": parts}
        return Finding(self.code, self.severity, call.name, (evidence,), message, _ADVICE, numbers)
