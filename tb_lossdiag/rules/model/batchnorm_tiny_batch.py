"""LD706 batchnorm-tiny-batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.loss_calls import counts, mostly
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "Batch normalisation{model} takes mean and variance over {values} values per channel in {count} of {checks} check-ups."
)
_ADVICE = Text("""So few values make the statistics a lottery: the same sample gets another output in every batch, and validation, which uses running
averages, sees another model. Use a normalisation that doesn't look at the batch:

```python
norm = torch.nn.GroupNorm(num_groups=8, num_channels=channels)  # images
norm = torch.nn.LayerNorm(features)  # vectors, tokens
```

Or enlarge the batch{size}; accumulating gradients does not help here. Over several GPUs, `torch.nn.SyncBatchNorm.convert_sync_batchnorm(model)`
takes the statistics over all of them. `drop_last=True` in the loader avoids a small last batch.""")


@dataclass(frozen=True)
class BatchnormTinyBatch:
    """Batch normalisation takes its statistics over a handful of values.

    Why it matters: the standard deviation of n values is off by about 1 / sqrt(2n): a quarter for eight. Outputs become noisy, and the
    running statistics used in validation fit none of the batches.

    How it decides: fewer than `min_values` values per channel (batch size times positions) in most check-ups, and at least `min_checks`.
    Unit: values.

    What to try first: GroupNorm or LayerNorm, or a larger batch.

    Guards against: a small last batch now and then; small batches of images, where positions count too; layers in eval().

    References: Wu and He 2018, "Group normalization" (arXiv 1803.08494, figure 1: error rises below 16); Ioffe 2017 (arXiv
    1702.03275).
    """

    code: ClassVar[str] = "LD706"
    name: ClassVar[str] = "batchnorm-tiny-batch"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Batch normalisation over too few values")
    reads: ClassVar[tuple[Quantity, ...]] = (q.BATCH_NORM_VALUES,)
    may_read: ClassVar[tuple[Quantity, ...]] = (q.BATCH_SIZE,)
    explains: ClassVar[tuple[str, ...]] = ("LD103", "LD105", "LD108", "LD203", "LD207")

    #: values per channel; eight leave the standard deviation off by a quarter
    min_values: int = 8
    #: check-ups; the batch size is the same in nearly every step
    min_checks: int = 2

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per watched model with tiny statistics."""
        table = run[q.BATCH_NORM_VALUES]
        known = ~np.isnan(table.values)
        if known.sum(axis=0).max(initial=0) < self.min_checks:
            least = self.min_checks
            raise NotEnough(
                Text("at least {least} check-ups with a batch normalisation in train()").format(
                    least=least
                )
            )
        for index, name in enumerate(table.columns):
            values = table.values[:, index]
            hits = values < self.min_values
            if mostly(hits, known[:, index], self.min_checks):
                few = float(np.median(values[hits]))
                ends = int(table.steps[hits][0]), int(table.steps[hits][-1])
                evidence = Evidence(table.quantity.name, name, *ends, few, self.min_values)
                message = _MESSAGE.format(
                    model=f" `{name}` " if name else "",
                    values=short_number(few),
                    **counts(hits, known[:, index]),
                )
                advice = _ADVICE.format(size=_size(run, name))
                numbers = {"values": few}
                yield Finding(self.code, self.severity, name, (evidence,), message, advice, numbers)


def _size(run: Run, name: str) -> str:
    """The batch size in brackets, if it is known."""
    if q.BATCH_SIZE not in run:
        return ""
    sizes = run[q.BATCH_SIZE].column(name)
    known = sizes[np.isfinite(sizes)]
    return f" ({short_number(float(np.median(known)))})" if len(known) else ""
