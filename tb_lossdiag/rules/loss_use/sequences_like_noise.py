"""LD518 sequences-like-noise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import at_steps, columns, too_few
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Steps
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "In {count} of {checks} check-ups one sequence cost as much as guessing, or more, while the others of its batch had been learned (a typical one costs {times} times less): {share}% of the batch's loss was its own."
)
_ADVICE = Text("""Look at what costs most. Such sequences are often no text at all (encoded files, broken characters, another language, answers of another question):

```python
each = torch.nn.functional.cross_entropy(scores.flatten(0, 1), labels.flatten(), reduction="none")
cost = each.view(labels.shape).mean(1)  # per sequence
print(rows[cost.argmax()], cost.max())
```

Leave them out, or clip the gradient: they decide its direction. `writer.data(rows)` says which rows a step was taken with.""")


@dataclass(frozen=True)
class SequencesLikeNoise:
    """Now and then one sequence of a batch makes much of the loss, because nothing of it can be guessed.

    Why it matters: the gradient of such a batch is the gradient of that sequence, and what it teaches is noise. Loss curves get spikes from it that no learning
    rate explains.

    How it decides: a model is asked for the next token. In at least `min_count` check-ups (one is enough for `alone_level`), and `min_part` of those in which the others of the
    batch cost at most `max_others` of what guessing does (the logarithm of the number of classes), one sequence costs at least `min_level` of it, and makes
    `min_share` of the loss. An information. Unit: loss over that of guessing.

    What to try first: look at the sequence.

    Guards against: the beginning, where everything costs that; sequences that are merely harder than others; batches of a few sequences.

    References: OLMo team 2024, 2 OLMo 2 Furious (arXiv 2501.00656), section 3.1: data that make the gradient leap.
    """

    code: ClassVar[str] = "LD518"
    name: ClassVar[str] = "sequences-like-noise"
    severity: ClassVar[Severity] = Severity.INFO
    title: ClassVar[Text] = Text("Single sequences make the loss")
    reads: ClassVar[tuple[Quantity, ...]] = (
        q.CALL_WORST_LEVEL,
        q.CALL_OTHERS_LEVEL,
        q.CALL_WORST_SHARE,
    )
    may_read: ClassVar[tuple[Quantity, ...]] = ()
    explains: ClassVar[tuple[str, ...]] = ()

    #: of the loss of guessing, 1; a sequence of which nothing was learned
    min_level: float = 1.0
    #: of the loss of guessing, 1; the others have been learned
    max_others: float = 0.45
    #: share of the batch's loss, 1
    min_share: float = 0.1
    #: check-ups with such a sequence; one may be an accident
    min_count: int = 2
    #: of the loss of guessing, 1; what is merely hard costs no more than guessing, noise costs a model that is sure 1.25 to 1.4
    alone_level: float = 1.2
    #: share of the check-ups, 1
    min_part: float = 0.05
    #: check-ups of a model that has learned; they are rare in long runs
    min_checks: int = 3

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per loss call that meets such sequences."""
        enough = False
        for call, steps, others in columns(run, q.CALL_OTHERS_LEVEL):
            learned = steps[others <= self.max_others]
            if len(learned) >= self.min_checks:
                enough = True
                yield from self._call(run, call, learned)
        if not enough:
            wanted = Text("check-ups of a model that has learned to tell the next token")
            raise too_few(self.min_checks, wanted)

    def _call(self, run: Run, call: str, steps: Steps) -> Iterator[Finding]:
        level, share, others = (
            at_steps(run, each, steps, call)
            for each in (q.CALL_WORST_LEVEL, q.CALL_WORST_SHARE, q.CALL_OTHERS_LEVEL)
        )
        odd = (level >= self.min_level) & (share >= self.min_share)
        fewest = 1 if (level[odd] >= self.alone_level).any() else self.min_count
        if odd.sum() < max(fewest, self.min_part * len(steps)):
            return
        message = _MESSAGE.format(
            count=short_number(int(odd.sum())),
            checks=short_number(len(steps)),
            times=short_number(float(np.median(level[odd] / others[odd]))),
            share=f"{100 * np.median(share[odd]):.0f}",
        )
        ends = int(steps[odd][0]), int(steps[odd][-1])
        observed = float(np.median(level[odd]))
        evidence = Evidence(q.CALL_WORST_LEVEL.name, call, *ends, observed, self.min_level)
        numbers = {"share": float(np.median(share[odd])), "count": int(odd.sum())}
        yield Finding(self.code, self.severity, call, (evidence,), message, _ADVICE, numbers)
