"""LD729 places-merged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import columns, too_few
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "Places that count on by one were cast to half precision, and {share} of neighbours became one and the same number (median of {checks} check-ups): the model can't tell them apart."
)
_ADVICE = Text("""Compute angles and distances of places in single precision, and cast what they give, numbers between -1 and 1:

```python
places = torch.arange(length, dtype=torch.float32)
angles = torch.outer(places, frequencies.float())
cos, sin = angles.cos().bfloat16(), angles.sin().bfloat16()
```

`model.bfloat16()` casts buffers as well, such as the frequencies of rotary embeddings, and whatever is given their type with `type_as` or `to`.""")


@dataclass(frozen=True)
class PlacesMerged:
    """Places are counted in a half-precision format that skips numbers.

    Why it matters: bfloat16 has 8 bits for a number's digits: it holds every whole number up to 256, every second one up to 512, every eighth from 1,024 on.
    Places that share a number are one place to the model, and what depends on their order can't be learned there.

    How it decides: within the forward pass, rows of at least eight numbers that count on by one, without a gradient, are cast to bfloat16 or float16, and in the
    median of at least `min_checks` check-ups `min_share` of neighbours or more become equal. Unit: share of neighbours.

    What to try first: keep places and frequencies in single precision.

    Guards against: places that the format holds, up to 256 in bfloat16 and 2,048 in float16; sines and cosines that are cast after they were computed;
    other whole numbers, such as counts and times; masks.

    References: EleutherAI/gpt-neox issue 1003; huggingface/transformers issue 25681; IEEE 754 and bfloat16 (8 bits of significand).
    """

    code: ClassVar[str] = "LD729"
    name: ClassVar[str] = "places-merged"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Neighbouring places are one number")
    reads: ClassVar[tuple[Quantity, ...]] = (q.PLACES_MERGED,)
    may_read: ClassVar[tuple[Quantity, ...]] = ()
    explains: ClassVar[tuple[str, ...]] = ("LD104", "LD109", "LD523", "LD724")

    #: check-ups; lengths of batches differ
    min_checks: int = 3
    #: share of neighbours, 1; the last of few places more than the format holds are one in ten
    min_share: float = 0.1

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding for each model whose places were merged."""
        enough = False
        for model, steps, shares in columns(run, q.PLACES_MERGED):
            if len(shares) < self.min_checks:
                continue
            enough, share = True, float(np.median(shares))
            if share >= self.min_share:
                message = _MESSAGE.format(share=f"{share:.0%}", checks=short_number(len(shares)))
                ends = int(steps[0]), int(steps[-1])
                evidence = Evidence(q.PLACES_MERGED.name, model, *ends, share, self.min_share)
                numbers = {"share": share}
                yield Finding(
                    self.code, self.severity, model, (evidence,), message, _ADVICE, numbers
                )
        if not enough:
            raise too_few(self.min_checks, Text("check-ups of places in half precision"))
