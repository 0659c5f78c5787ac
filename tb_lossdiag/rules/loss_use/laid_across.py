"""LD546's targets whose width and height have changed places: the pictures that the model is given tell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import at_steps, columns
from tb_lossdiag.analysis.modules import layout
from tb_lossdiag.diagnosis.rule import Evidence, Text, short_number
from tb_lossdiag.quantities import Kind
from tb_lossdiag.records import Doubles, Steps
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "Over {checks} check-ups the pictures that the model is given explain {across}% of the targets of `{call}` with width and height in each other's place, and {upright}% as they lie: width and height have changed places in these targets."
)
ACROSS_ADVICE = Text("""Arrays of pictures are [height, width, channels], tensors [channels, height, width], and sizes as `Image.size` (width, height). Bring the picture and its target
into the same order by the same call:

```python
picture, mask = torch.rand(8, 32, 24, 3), torch.rand(8, 32, 24, 1)  # height, width, channels
picture, mask = (each.permute(0, 3, 1, 2) for each in (picture, mask))  # not (0, 3, 2, 1), not .T
assert picture.shape[2:] == mask.shape[2:]
```

Pictures that are as high as they are wide hide it: try one that is not.""")


@dataclass(frozen=True)
class Laid:
    """How targets of a call lie beside the pictures.

    Attributes:
        call: its column.
        steps: int64[N] of check-ups.
        upright: float64[N] share of the targets that the pictures explain.
        across: float64[N] the same with width and height in each other's place.
    """

    call: str
    steps: Steps
    upright: Doubles
    across: Doubles

    def lies(self, checks: int, least: float, share: float, *, across: bool) -> bool:
        """Whether the pictures explain so much of one way, in all check-ups and in the newest, and of the other no more than a share of that."""
        this, other = (self.across, self.upright) if across else (self.upright, self.across)
        if len(self.steps) < checks:
            return False
        parts = slice(None), slice(-checks, None)
        means = ((this[part].mean(), other[part].mean()) for part in parts)
        return all(one >= least and two <= share * one for one, two in means)

    def message(self) -> Text:
        """What is said of it."""
        return _MESSAGE.format(
            call=self.call,
            checks=str(len(self.steps)),
            across=short_number(100 * float(self.across.mean())),
            upright=short_number(100 * float(self.upright.mean())),
        )

    def evidence(self, bound: float) -> Evidence:
        """Where that is recorded."""
        ends = int(self.steps[0]), int(self.steps[-1])
        return Evidence(q.CALL_ACROSS.name, self.call, *ends, float(self.across.mean()), bound)


def laid(run: Run) -> list[Laid]:
    """Of each call that asks for square maps of pictures; reads `CALL_UPRIGHT` and `CALL_ACROSS` if they are there."""
    found = []
    for call, steps, across in columns(run, q.CALL_ACROSS):
        upright = at_steps(run, q.CALL_UPRIGHT, steps, call)
        known = np.isfinite(upright) & np.isfinite(across)
        if known.any():
            found.append(Laid(call, steps[known], upright[known], across[known]))
    return found


def convolves(run: Run) -> bool:
    """Whether places of the model's answer are those of its input, as convolutions leave them."""
    return q.MODULE_KIND in run and Kind.CONVOLUTION in layout(run).kinds.values()
