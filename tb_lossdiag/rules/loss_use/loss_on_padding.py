"""LD516 loss-on-padding."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import columns, too_few
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "{share} of the targets that `{call}` scores are padding (median of {checks} check-ups): at the ends of the sequences, tokens and targets are one and the same value."
)
_ADVICE = Text("""Leave padding out of the loss: give it a label of its own, which the loss ignores.

```python
labels = tokens.masked_fill(tokens == 0, -100)  # 0: the tokenizer's padding; where that is also its end of text, use the attention mask
loss = torch.nn.functional.cross_entropy(model(tokens)[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100)
```

Batches of sequences of similar length, or several packed into one, waste less as well.""")


@dataclass(frozen=True)
class LossOnPadding:
    """Padding is scored as if it were text.

    Why it matters: the model learns early that padding follows padding, which makes the loss small and says nothing; the share of padding
    decides how small, so batches and runs can't be compared, and what is left of the gradient is for the text.

    How it decides: in at least `min_checks` check-ups of a model of sequences, the median share of scored targets is `min_share` or more that lie in
    a constant end (or beginning) of their sequence, of the same value in all sequences, where the model's tokens are constant as well.
    Unit: share of targets.

    What to try first: labels of -100 where there is padding.

    Guards against: tokens that repeat in the middle; tags that are the same at the end of a sentence of different words; packed sequences;
    a policy that is rewarded for what it writes itself, whose answers may end alike (not evaluated).

    References: PyTorch, `CrossEntropyLoss` (`ignore_index`); Transformers, data collators (labels of -100).
    """

    code: ClassVar[str] = "LD516"
    name: ClassVar[str] = "loss-on-padding"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Padding is scored")
    reads: ClassVar[tuple[Quantity, ...]] = (q.CALL_PADDED,)
    may_read: ClassVar[tuple[Quantity, ...]] = (q.REWARD,)
    explains: ClassVar[tuple[str, ...]] = ("LD509", "LD506")

    #: check-ups; one batch may be odd
    min_checks: int = 3
    #: share of targets; sound runs have 0, a fifth already moves the loss by a fifth
    min_share: float = 0.2

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per loss call that scores padding."""
        if q.REWARD in run:
            raise NotEnough(Text("sequences that are given; what a policy writes may end alike"))
        enough = False
        for call, steps, shares in columns(run, q.CALL_PADDED):
            if len(shares) < self.min_checks:
                continue
            enough = True
            share = float(np.median(shares))
            if share >= self.min_share:
                message = _MESSAGE.format(
                    share=f"{share:.0%}", call=call, checks=short_number(len(shares))
                )
                ends = int(steps[0]), int(steps[-1])
                evidence = Evidence(q.CALL_PADDED.name, call, *ends, share, self.min_share)
                numbers = {"share": share, "checks": len(shares)}
                yield Finding(
                    self.code, self.severity, call, (evidence,), message, _ADVICE, numbers
                )
        if not enough:
            raise too_few(self.min_checks, Text("check-ups of a model of sequences"))
