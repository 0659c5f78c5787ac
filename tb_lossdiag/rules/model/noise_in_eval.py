"""LD719 noise-in-eval."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import value_in_force
from tb_lossdiag.analysis.probes import Answer, answers
from tb_lossdiag.diagnosis.rule import Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "In eval() the model gives two answers to the same input, {noise} of their spread apart: dropout that is not told of the mode goes on, in {calls} calls per pass."
)
_ADVICE = Text("""The function drops unless it is told not to; the module knows the mode by itself, if it is made in `__init__`, where `eval()` reaches it:

```python
dropped = torch.nn.functional.dropout(output, 0.1, training=model.training)
layer = nn.Dropout(0.1)
```

`scaled_dot_product_attention` has no such argument at all: give it `dropout_p=0.1 if self.training else 0.0`.""")


@dataclass(frozen=True)
class NoiseInEval:
    """Dropout goes on in eval mode.

    Why it matters: every validation is measured with parts of the model switched off, differently each time, and so is every answer later.

    How it decides: a copy of the model in eval() is given the same input twice, with different random numbers; the outputs differ by more than
    `max_noise` of their standard deviation, and dropout was called as a function without its argument `training` (or
    `scaled_dot_product_attention` with a `dropout_p` above 0), or by an `nn.Dropout` that was made in that very pass. Unit: 1.

    What to try first: `training=self.training`, or an `nn.Dropout` that is made in `__init__`.

    Guards against: models that draw on purpose (variational ones, diffusion, policies); dropout that is told to go on; float rounding.

    References: PyTorch, `torch.nn.functional.dropout` (`training` is True by default) and `scaled_dot_product_attention`.
    """

    code: ClassVar[str] = "LD719"
    name: ClassVar[str] = "noise-in-eval"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Dropout goes on in eval()")
    reads: ClassVar[tuple[Quantity, ...]] = ()
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.PROBE_NOISE,
        q.PROBE_FORGOTTEN_DROPOUT,
        q.PROBE_SKIPPED,
    )
    explains: ClassVar[tuple[str, ...]] = ("LD108",)

    #: of the outputs' standard deviation, 1; without noise it is 0, or rounding of 1e-6
    max_noise: float = 1e-3

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per watched model that drops in eval()."""
        for answer in answers(run, q.PROBE_NOISE):
            calls = value_in_force(run, q.PROBE_FORGOTTEN_DROPOUT, answer.step, answer.name)
            if answer.value >= self.max_noise and calls > 0:
                yield self._finding(answer, calls)

    def _finding(self, answer: Answer, calls: float) -> Finding:
        message = _MESSAGE.format(noise=short_number(answer.value), calls=short_number(calls))
        evidence = answer.beyond(q.PROBE_NOISE, self.max_noise)
        numbers = {"noise": answer.value, "calls": calls}
        return Finding(
            self.code, self.severity, answer.name, (evidence,), message, _ADVICE, numbers
        )
