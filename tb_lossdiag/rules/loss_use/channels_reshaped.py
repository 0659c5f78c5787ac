"""LD547 channels-reshaped."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import columns
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "Channels lie in turn along the rows of the pictures that the model is given: in {checks} check-ups numbers as many places apart as there are channels are more alike, by {ahead} (a correlation), than nearer ones and than channels at the same place. Pictures with channels last were reshaped, not permuted."
)
_ADVICE = Text("""`reshape` and `view` keep the order in memory, so they tear pixels and colours apart. Change the order of the axes:

```python
picture = torch.rand(8, 32, 32, 3)  # channels last, as PIL, OpenCV and matplotlib have them
picture = picture.permute(0, 3, 1, 2)  # not reshape(8, 3, 32, 32)
```

Look at one as the model is given it: `matplotlib.pyplot.imshow(inputs[0].permute(1, 2, 0))` must show a picture. Validation pictures, and what
is predicted later, take the same way.""")


@dataclass(frozen=True)
class ChannelsReshaped:
    """Pictures were given the shape that the model wants instead of the order of axes.

    Why it matters: nothing raises. Neighbours are no neighbours any more and each channel holds a third of the picture in all colours; a model
    learns from that all the same, worse, and whatever was trained on pictures elsewhere is worth nothing.

    How it decides: of a first input real[N, 3 or 4, H, W], correlations of numbers some places apart, as they lie in memory. Numbers one
    and two turns of channels apart are more alike than all nearer ones, and than channels at the same place, by `min_ahead` in the median of at least
    `min_checks` check-ups, and by more than 0 in each. Unit: 1.

    What to try first: `permute(0, 3, 1, 2)` instead of `reshape`.

    Guards against: pictures in order, whose likeness falls with distance; noise; grey pictures and stacked frames, whose channels are alike
    at the same place; pictures nearly without colour, of which nothing is said; tables and series, whose period may be the number of their
    channels.

    References: PyTorch, "Tensor views" (`view` keeps the order in memory); torchvision, `ToTensor` (HWC to CHW).
    """

    code: ClassVar[str] = "LD547"
    name: ClassVar[str] = "channels-reshaped"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Pixels and colours were torn apart")
    reads: ClassVar[tuple[Quantity, ...]] = (q.INPUT_INTERLEAVED,)
    may_read: ClassVar[tuple[Quantity, ...]] = ()
    explains: ClassVar[tuple[str, ...]] = ("LD104", "LD105", "LD107", "LD108", "LD109", "LD523")

    #: check-ups; of fewer chance has a say
    min_checks: int = 4
    #: difference of two correlations, 1; photographs and digits in order have -0.05 to -0.8, reshaped ones 0.02 to 1
    min_ahead: float = 0.03

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per watched model whose pictures lie so."""
        for model, steps, values in columns(run, q.INPUT_INTERLEAVED):
            if len(values) < self.min_checks or values.min() <= 0:
                continue
            ahead = float(np.median(values))
            if ahead >= self.min_ahead:
                message = _MESSAGE.format(
                    checks=short_number(len(values)), ahead=short_number(ahead)
                )
                ends = int(steps[0]), int(steps[-1])
                evidence = Evidence(q.INPUT_INTERLEAVED.name, model, *ends, ahead, self.min_ahead)
                numbers = {"checks": len(values), "ahead": ahead}
                yield Finding(
                    self.code, self.severity, model, (evidence,), message, _ADVICE, numbers
                )
