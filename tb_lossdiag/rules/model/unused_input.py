"""LD740 unused-input."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.probes import Answer, answers
from tb_lossdiag.diagnosis.rule import Finding, Severity, Text
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "The model is given `{name}`, which differs from sample to sample, and nothing that it returns depends on it: with another sample's it says the same, in copies in eval() and in training mode at step {step}."
)
_ADVICE = Text("""Look where it goes in `forward`: an embedding of it that is made and not added, an argument that is handed on under another name, a branch that is never taken, a layer that gets the wrong tensor. Then another value must change the answer:

```python
model.eval()
with torch.no_grad():
    print(float((model(x) - model(x.roll(1, 0))).abs().max()))  # above 0
model.train()
```

If it is handed over for others' sake and is not meant to matter here, leave it out, or accept the finding in `lossdiag.toml`.""")


@dataclass(frozen=True)
class UnusedInput:
    """An argument of the model changes nothing.

    Why it matters: a condition, a time step, a mask or a source that the model never looks at. The loss falls to what can be had without it, and the curve
    looks like that of a hard task.

    How it decides: a copy of the model in eval() is given rows of a batch, and beside each the same row with one of its arguments from another sample. An
    argument that so changes the outputs by less than 1e-5 of their spread, while another one changes them by more than 1e-3, is exchanged whole in copies in
    training mode, twice, with different random numbers: everything that is returned, single numbers too, and all buffers must be the same to the bit. Unit: arguments.

    What to try first: follow it through `forward`.

    Guards against: arguments that are the same for all samples, as a mask where nothing is padded; targets that are given for a loss, or to a decoder in
    training; numbers of samples that a memory is written by; arguments that `forward` has no name for; parts of a container.

    References: Karpathy 2019, "A recipe for training neural networks" (chart dependencies, input-independent baseline).
    """

    code: ClassVar[str] = "LD740"
    name: ClassVar[str] = "unused-input"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("An input changes nothing")
    reads: ClassVar[tuple[Quantity, ...]] = ()
    may_read: ClassVar[tuple[Quantity, ...]] = (q.PROBE_INPUTS_UNUSED, q.PROBE_SKIPPED)
    explains: ClassVar[tuple[str, ...]] = ("LD104", "LD109", "LD118", "LD523")

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per such argument of a watched model."""
        for answer in answers(run, q.PROBE_INPUTS_UNUSED):
            names = run.facts.get(f"unused inputs {answer.name}".rstrip(), "")
            if answer.value > 0 and names:
                yield from (self._finding(answer, name) for name in names.split(", "))

    def _finding(self, answer: Answer, name: str) -> Finding:
        evidence = answer.beyond(q.PROBE_INPUTS_UNUSED, 0.0)
        subject = f"{answer.name}/{name}" if answer.name else name
        numbers = {"arguments": answer.value}
        message = _MESSAGE.format(name=name, step=str(answer.step))
        return Finding(self.code, self.severity, subject, (evidence,), message, _ADVICE, numbers)
