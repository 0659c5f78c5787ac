"""LD502 sigmoid-before-bce-with-logits."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.levels import Bools
from tb_lossdiag.analysis.loss_calls import LossCallSeries, calls, counts, mostly
from tb_lossdiag.diagnosis.rule import Finding, Severity, Text, short_number
from tb_lossdiag.quantities import LOSS_FUNCTIONS, Quantity, Source
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "`{call}` was given probabilities in {count} of {checks} check-ups: all values from {low} to {high}. It applies the sigmoid again, so its probabilities stay between 0.5 and 0.731 and the loss can't fall below {floor}."
)
_ADVICE = Text("""Give the loss the raw outputs of the last layer:

```python
logits = model(x)  # no sigmoid or softmax at the end of the model
loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, target)
probabilities = logits.sigmoid()  # for people, not for the loss
```

If the model has to return probabilities, use `binary_cross_entropy(probabilities, target)`. A threshold of 0.5 on the probabilities
is a threshold of 0 on the logits.""")


_FUNCTIONS = tuple(name for name, loss in LOSS_FUNCTIONS.items() if loss.sigmoid)


@dataclass(frozen=True)
class SigmoidBeforeBceWithLogits:
    """The sigmoid is applied before a loss that applies it itself.

    Why it matters: the second sigmoid maps [0, 1] to [0.5, 0.731]. "No" can't be said, the loss of a perfect model is still 0.31 for
    a yes and 0.69 for a no, and gradients are a quarter of what they should be or less.

    How it decides: all inputs of a loss that applies a sigmoid itself (`binary_cross_entropy_with_logits`, the soft margins) lie in [0, 1] and come from a sigmoid or softmax (seen in the
    autograd graph, once is enough); or, where the graph says nothing, they do so in at least `min_checks` check-ups over which they
    spread by at least `min_spread`. In most check-ups either way.

    What to try first: remove the sigmoid from the model, or use `binary_cross_entropy`.

    Guards against: logits that are small or positive at the start (a linear layer's output is never this; values alone need several
    check-ups); a clamp or ReLU at the end, which is LD511.

    References: PyTorch, `torch.nn.BCEWithLogitsLoss` ("combines a Sigmoid layer and the BCELoss in one single class").
    """

    code: ClassVar[str] = "LD502"
    name: ClassVar[str] = "sigmoid-before-bce-with-logits"
    severity: ClassVar[Severity] = Severity.ERROR
    title: ClassVar[Text] = Text("Sigmoid before a loss that takes logits")
    reads: ClassVar[tuple[Quantity, ...]] = (q.CALL_INPUT_MIN, q.CALL_INPUT_MAX)
    may_read: ClassVar[tuple[Quantity, ...]] = (q.CALL_SOURCE, q.CALL_TARGET_MEAN)
    explains: ClassVar[tuple[str, ...]] = (
        "LD104", "LD105", "LD106", "LD108", "LD109", "LD201", "LD205", "LD509", "LD523", "LD602", "LD701", "LD704", "LD705", "LD707", "LD722",
    )  # fmt: skip

    #: check-ups that must agree where only the values speak; logits leave [0, 1] within the first few steps
    min_checks: int = 3
    #: largest minus smallest value over the check-ups, 1; a model that has learned nothing may give one number
    min_spread: float = 0.02

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per call that is given probabilities."""
        for call in calls(run, _FUNCTIONS):
            low, high = call.of(q.CALL_INPUT_MIN), call.of(q.CALL_INPUT_MAX)
            known = ~np.isnan(low) & ~np.isnan(high)
            inside = (low >= 0) & (high <= 1)
            made = inside & call.made_by(Source.SIGMOID, Source.SOFTMAX)
            silent = np.isnan(call.of(q.CALL_SOURCE)) | call.made_by(Source.OTHER, Source.LEAF)
            values = inside & silent
            if mostly(made, known, 1):
                yield self._finding(call, made, known)
            elif mostly(values, known, self.min_checks) and self._spread(call, values, known):
                yield self._finding(call, values, known)

    def _spread(self, call: LossCallSeries, inside: Bools, known: Bools) -> bool:
        """Whether the inputs vary, and none ever left [0, 1]."""
        low, high = call.of(q.CALL_INPUT_MIN)[inside], call.of(q.CALL_INPUT_MAX)[inside]
        return bool(inside[known].all()) and float(high.max() - low.min()) >= self.min_spread

    def _finding(self, call: LossCallSeries, hits: Bools, known: Bools) -> Finding:
        low = float(call.of(q.CALL_INPUT_MIN)[hits].min())
        high = float(call.of(q.CALL_INPUT_MAX)[hits].max())
        mean = call.typical(q.CALL_TARGET_MEAN)
        # Its targets are -1 and 1.
        floor = _floor((mean + 1) / 2 if call.function == "soft_margin_loss" else mean)
        message = _MESSAGE.format(
            call=call.name,
            **counts(hits, known),
            low=short_number(low),
            high=short_number(high),
            floor=short_number(floor),
        )
        evidence = call.evidence(q.CALL_INPUT_MAX, hits, high, 1.0)
        return Finding(
            self.code, self.severity, call.name, (evidence,), message, _ADVICE, {"floor": floor}
        )


def _floor(yes: float) -> float:
    """Loss of a perfect model whose logits are held in [0, 1], for a share of positive targets (0.5 if unknown)."""
    share = min(max(yes, 0.0), 1.0) if math.isfinite(yes) else 0.5
    return share * math.log1p(math.exp(-1)) + (1 - share) * math.log(2)
