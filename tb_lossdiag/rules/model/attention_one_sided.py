"""LD725 attention-one-sided."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.baselines import Baseline, baselines
from tb_lossdiag.analysis.modules import layout
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "The model knows nothing yet, and its attention looks at single places all the same: at step {step} the weights of `{name}` are one-sided to {least} (0: equal weights, 1: all on one place), and those of no other of {count} layers less."
)
_ADVICE = Text("""The scores are too large for a softmax, which hands hardly any gradient on. They are divided by the root of a head's width, once:

```python
scores = query @ key.transpose(-2, -1) / query.shape[-1] ** 0.5
weights = scores.softmax(-1)
```

`torch.nn.functional.scaled_dot_product_attention` does so itself: neither multiply before it, nor give it the root as `scale=`. Where the
scale is right, queries and keys are too large: normalise what comes into the layer, and begin with smaller weights.""")


@dataclass(frozen=True)
class AttentionOneSided:
    """Attention looks at single places before anything was learned.

    Why it matters: a softmax whose largest score is far ahead has next to no slope. Where each query looks was decided by the initial weights,
    and it takes long to learn that it should look elsewhere.

    How it decides: at the first check-up, at step `max_step` or before, the weights of every layer of attention (scaled dot products of torch's, or
    a softmax over the last of three dimensions or more inside the model) are one-sided to `min_focus` or more, and a loss call costs `min_loss` of guessing or more.
    One-sided: the sum of the squared weights of a query, less what equal weights would give, over the most that can be; mean over queries
    that may see four places or more. Unit: 1.

    What to try first: divide the scores by the root of the width of a head.

    Guards against: trained models, whose heads do look at single places; masks and padding, which leave few places; the softmax of an output.

    References: Vaswani et al. 2017, Attention Is All You Need (arXiv 1706.03762), section 3.2.1; Zhai et al. 2023, Stabilizing Transformer
    Training by Preventing Attention Entropy Collapse (arXiv 2303.06296).
    """

    code: ClassVar[str] = "LD725"
    name: ClassVar[str] = "attention-one-sided"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Attention begins one-sided")
    reads: ClassVar[tuple[Quantity, ...]] = (q.ATTENTION_FOCUS,)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.CALL_VALUE,
        q.CALL_BASELINE,
        q.CALL_OUTPUTS,
        q.CALL_SAMPLES,
        q.CALL_SUMMED,
        q.CALL_IGNORED,
        q.CALL_MAJORITY,
        q.MODULE_KIND,
        q.MODULE_FED_BY,
        q.MODULE_LAST,
    )
    explains: ClassVar[tuple[str, ...]] = (
        "LD104", "LD105", "LD109", "LD201", "LD523", "LD705", "LD710", "LD711",
    )  # fmt: skip

    #: 1; usual initial weights make 0.001 to 0.15, scores that were not divided by the root of 64 make 0.4
    min_focus: float = 0.5
    #: steps; later it may have been learned
    max_step: int = 10
    #: first loss over that of guessing, 1; who was trained before begins lower
    min_loss: float = 0.7

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for all layers."""
        first = self._first(run)
        step = int(run[q.ATTENTION_FOCUS].steps[0])
        if not first or step > self.max_step:
            needs = Text("layers of attention in a check-up of the first {steps} steps")
            raise NotEnough(needs.format(steps=str(self.max_step)))
        guesses = baselines(run) if q.CALL_VALUE in run and q.CALL_BASELINE in run else []
        if not guesses:
            raise NotEnough(Text("a loss call whose loss of guessing is known"))
        name = min(first, key=lambda each: first[each])
        if first[name] >= self.min_focus and any(map(self._at_guessing, guesses)):
            yield self._finding(name, step, first)

    def _first(self, run: Run) -> dict[str, float]:
        """What each layer begins with; an output is no layer of attention."""
        table = run[q.ATTENTION_FOCUS]
        last = layout(run).last if q.MODULE_KIND in run else frozenset()
        row = dict(zip(table.columns, table.values[0].tolist(), strict=True))
        return {n: value for n, value in row.items() if np.isfinite(value) and n not in last}

    def _at_guessing(self, guess: Baseline) -> bool:
        blind = guess.chance if np.isfinite(guess.chance) else float(guess.blind[0])
        return bool(guess.value[0] >= self.min_loss * blind)

    def _finding(self, name: str, step: int, first: dict[str, float]) -> Finding:
        least = first[name]
        message = _MESSAGE.format(
            step=str(step), name=name, least=short_number(least), count=str(len(first))
        )
        evidence = Evidence(q.ATTENTION_FOCUS.name, name, step, step, least, self.min_focus)
        numbers = {"focus": least}
        return Finding(self.code, self.severity, name, (evidence,), message, _ADVICE, numbers)
