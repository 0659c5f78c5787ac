"""LD716 future-leak."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.probes import Answer, answers
from tb_lossdiag.diagnosis.rule import Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "The model sees what it is to guess: when the second half of each sequence was replaced, its outputs for the first half changed by {change} of their spread, in a copy in eval() at step {step}."
)
_ADVICE = Text("""Each place may look at itself and at what came before it:

```python
length = x.shape[0]
mask = torch.triu(torch.full((length, length), float("-inf")), diagonal=1)
scores = (x @ x.T + mask).softmax(dim=-1)  # the mask comes before the softmax, which runs over the places looked at
```

`scaled_dot_product_attention` takes `is_causal=True`; `nn.TransformerEncoder` needs the mask in each call. In a boolean mask, `True`
means "may look" there and "must not look" in `nn.MultiheadAttention`. A convolution must be padded on the left alone, a recurrent
layer must not be bidirectional, and nothing may be averaged or normalised over all places.""")


@dataclass(frozen=True)
class FutureLeak:
    """A model that is to guess the next token can see it.

    Why it matters: the loss falls far below what is possible and the model can write nothing, since then there is no future to look at.

    How it decides: only where a check-up saw that the targets are the model's own input, tokens or measured values, shifted by one. A copy in eval() is asked twice,
    once with the second half of each sequence, padding aside, replaced by another sample's, and its outputs for the first half change by more than
    `max_change` of their standard deviation (median over samples). Those of the second half must have changed by `min_moved`.
    Unit: 1.

    What to try first: the attention mask: is it there, the right way around, and added before the softmax?

    Guards against: masked language models, encoders with decoders, classifiers (their targets are not their shifted input); experts that
    are full (a median over samples); float rounding.

    References: Vaswani et al. 2017, "Attention is all you need", 3.2.3; nanoVLM pull request 204.
    """

    code: ClassVar[str] = "LD716"
    name: ClassVar[str] = "future-leak"
    severity: ClassVar[Severity] = Severity.ERROR
    title: ClassVar[Text] = Text("The future changes the past")
    reads: ClassVar[tuple[Quantity, ...]] = ()
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.PROBE_FUTURE_CHANGE,
        q.PROBE_FUTURE_MOVED,
        q.PROBE_SKIPPED,
    )
    explains: ClassVar[tuple[str, ...]] = ("LD107", "LD108")

    #: of the outputs' standard deviation, 1; sound models have 0, leaking ones 0.13 to 0.5
    max_change: float = 0.02
    #: the same of the places that were replaced, 1
    min_moved: float = 0.02

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per watched model that sees its future."""
        for answer in answers(run, q.PROBE_FUTURE_CHANGE, q.PROBE_FUTURE_MOVED):
            if answer.value >= self.max_change and answer.moved >= self.min_moved:
                yield self._finding(answer)

    def _finding(self, answer: Answer) -> Finding:
        message = _MESSAGE.format(change=short_number(answer.value), step=str(answer.step))
        evidence = answer.beyond(q.PROBE_FUTURE_CHANGE, self.max_change)
        numbers = {"change": answer.value, "moved": answer.moved}
        return Finding(
            self.code, self.severity, answer.name, (evidence,), message, _ADVICE, numbers
        )
