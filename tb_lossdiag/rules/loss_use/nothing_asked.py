"""LD512 nothing-asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import at_steps, columns, too_few
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "Of {share}% of the sequences no target of `{call}` counts (median of {checks} check-ups): they are computed, and teach nothing."
)
_ADVICE = Text("""Look at the labels of a few sequences, after everything that cuts them:

```python
print((labels != -100).sum(1))  # targets that count, sequence by sequence
```

- Sequences are cut at a maximum length, and what was to be learned stands at the end: raise it (`max_length`), cut the question instead, or leave out what doesn't fit.
- What marks the begin of an answer isn't found in the tokens: the template of the data and that of the mask differ by a space or a token.""")


@dataclass(frozen=True)
class NothingAsked:
    """Many sequences ask a language model for nothing: all of their targets are ignored.

    Why it matters: what is computed for them is thrown away, the batch is smaller than it seems, and where the long ones are cut off, the model never
    learns from those. Batches that hold no others have a loss of NaN or 0.

    How it decides: a model that is asked for the next token. The median share of sequences of which no target counts is at least `min_share`, over at
    least `min_checks` check-ups. Unit: share of sequences.

    What to try first: count the targets of each sequence.

    Guards against: long questions with answers of a single token; masked language models, whose short sequences may have nothing masked; batches in which
    nothing counts at all (LD506).

    References: huggingface/trl pull request 6320; unslothai/unsloth issue 1128; bytedance/UniVR issue 13.
    """

    code: ClassVar[str] = "LD512"
    name: ClassVar[str] = "nothing-asked"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Sequences that ask for nothing")
    reads: ClassVar[tuple[Quantity, ...]] = (q.CALL_UNASKED, q.CALL_TARGET_AHEAD)
    may_read: ClassVar[tuple[Quantity, ...]] = ()
    explains: ClassVar[tuple[str, ...]] = ("LD114",)

    #: check-ups; one batch may be odd
    min_checks: int = 3
    #: share of sequences, 1; some that are cut off are in most data
    min_share: float = 0.25

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per loss call that leaves out whole sequences."""
        enough = False
        for call, steps, shares in columns(run, q.CALL_UNASKED):
            ahead = at_steps(run, q.CALL_TARGET_AHEAD, steps, call)
            if len(shares) < self.min_checks or not (ahead == 1).any() or (ahead == 0).any():
                continue
            enough, share = True, float(np.median(shares))
            if share >= self.min_share:
                message = _MESSAGE.format(
                    share=short_number(float(f"{100 * share:.3g}")),
                    call=call,
                    checks=short_number(len(shares)),
                )
                ends = int(steps[0]), int(steps[-1])
                evidence = Evidence(q.CALL_UNASKED.name, call, *ends, share, self.min_share)
                said = message, _ADVICE, {"share": share}
                yield Finding(self.code, self.severity, call, (evidence,), *said)
        if not enough:
            wanted = Text("check-ups of a model that is asked for the next token")
            raise too_few(self.min_checks, wanted)
