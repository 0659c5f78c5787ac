"""LD516 loss-on-padding."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import columns, too_few
from tb_lossdiag.analysis.reinforcement import is_reinforcement
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles, Steps
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

_TURNED = Text(
    "The targets that `{call}` scores are all one and the same number, where {share} of them (median of {checks} check-ups) stand before another token; those that it leaves out are the tokens that follow. The mask is turned about: what has no target is trained, and what has one is not."
)
_ADVICE_TURNED = Text("""A target is to count where there is one:

```python
labels = tokens.masked_fill(tokens == 0, -100)[:, 1:]
counts = labels != -100  # not `== -100`
picked = model(tokens)[:, :-1].log_softmax(2).gather(2, labels.clamp_min(0)[..., None])[..., 0]
loss = -(picked * counts).sum() / counts.sum()
```

Masks of `nn.Transformer` say which places are to be left out, those of Transformers' tokenizers which are there: look at both sides of each `mask`, `~mask` and `masked_fill`.""")


@dataclass(frozen=True)
class LossOnPadding:
    """Padding is scored as if it were text.

    Why it matters: the model learns early that padding follows padding, which makes the loss small and says nothing; the share of padding
    decides how small, so batches and runs can't be compared, and what is left of the gradient is for the text.

    How it decides: in at least `min_checks` check-ups of a model of sequences, the median share of scored targets is `min_share` or more that lie in
    a constant end (or beginning) of their sequence, of the same value in all sequences, where the model's tokens are constant as well; at least
    half as many in the first of them, as padding is there from the start. Sequences lie along the first axis where targets are the next tokens along it. Which targets are scored shows the gradient that arrives at each, where a mask comes after the loss. Or the scored targets are all
    one number, `min_share` of them where another token follows, while those left out are the tokens that follow. Unit: share of targets.

    What to try first: labels of -100 where there is padding.

    Guards against: tokens that repeat in the middle; tags that are the same at the end of a sentence of different words; packed sequences;
    a policy that is rewarded for what it writes itself, whose answers may end alike (not evaluated); answers that come to end alike; losses by
    token that a mask is multiplied with.

    References: PyTorch, `CrossEntropyLoss` (`ignore_index`); Transformers, data collators (labels of -100).
    """

    code: ClassVar[str] = "LD516"
    name: ClassVar[str] = "loss-on-padding"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Padding is scored")
    reads: ClassVar[tuple[Quantity, ...]] = (q.CALL_PADDED,)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.REWARD, q.CALL_FILLED, q.LOSS_TERM, q.EXTRA, q.CALL_TARGET_MEAN, q.CALL_TARGET_STD,
    )  # fmt: skip
    explains: ClassVar[tuple[str, ...]] = ("LD509", "LD506")

    #: check-ups; one batch may be odd
    min_checks: int = 3
    #: share of targets; sound runs have 0, a fifth already moves the loss by a fifth
    min_share: float = 0.2

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per loss call that scores padding, or all but its targets."""
        if q.REWARD in run or is_reinforcement(run):
            raise NotEnough(Text("sequences that are given; what a policy writes may end alike"))
        turned = list(self._turned(run))
        yield from turned
        enough, known = False, {finding.subject for finding in turned}
        for call, steps, shares in columns(run, q.CALL_PADDED):
            if len(shares) < self.min_checks:
                continue
            enough = True
            # One batch has less of it than the others.
            least = min(float(np.median(shares)), 2 * float(shares[0]))
            padded = least >= self.min_share
            if padded and call not in known:
                yield self._finding(q.CALL_PADDED, call, (steps, shares), (_MESSAGE, _ADVICE))
        if not enough:
            raise too_few(self.min_checks, Text("check-ups of a model of sequences"))

    def _turned(self, run: Run) -> Iterator[Finding]:
        """Calls of which all counts but what has a target."""
        for call, steps, shares in columns(run, q.CALL_FILLED):
            if len(shares) >= self.min_checks and float(np.median(shares)) >= self.min_share:
                words = _TURNED, _ADVICE_TURNED
                yield self._finding(q.CALL_FILLED, call, (steps, shares), words)

    def _finding(
        self,
        quantity: Quantity,
        call: str,
        seen: tuple[Steps, Doubles],
        words: tuple[Text, Text],
    ) -> Finding:
        steps, shares = seen
        share = float(np.median(shares))
        checks = short_number(len(shares))
        message = words[0].format(share=f"{share:.0%}", call=call, checks=checks)
        ends = int(steps[0]), int(steps[-1])
        evidence = Evidence(quantity.name, call, *ends, share, self.min_share)
        numbers = {"share": share, "checks": len(shares)}
        return Finding(self.code, self.severity, call, (evidence,), message, words[1], numbers)
