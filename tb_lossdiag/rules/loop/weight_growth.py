"""LD608 weight-growth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import columns, too_few
from tb_lossdiag.analysis.levels import Bools, level, median
from tb_lossdiag.analysis.parameters import Family, family, global_norm, sizes, weights
from tb_lossdiag.analysis.progress import broke, fall
from tb_lossdiag.diagnosis import settings
from tb_lossdiag.diagnosis.judged import with_judged
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles, Floats, Table
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "The norm of all weights grew from {start} to {end}, {factor} times, and still grows; `{layer}` grew most ({layer_factor} times)."
)
_JUDGED = Text("norm of `{layer}` over what it began with")
_ADVICE = Text("""{decay}

- A learning rate that is too large throws weights outwards in the first steps: look at LD601, and begin with a warm-up.
- A loss that rewards ever larger outputs (separable data under cross-entropy) needs label smoothing or an earlier stop.""")
_NO_DECAY = Text("""Hold the weights back with weight decay:

```python
optimizer = torch.optim.{optimizer}(model.parameters(), lr=lr, weight_decay={decay})
```""")
_WEAK_DECAY = Text(
    "Weight decay is {now}: too weak to hold the weights at this learning rate. Raise it tenfold, or lower the learning rate."
)


@dataclass(frozen=True)
class WeightGrowth:
    """The weights grow without bound.

    Why it matters: activations saturate or overflow, gradients lose their scale, and the model becomes overconfident.

    How it decides: norm over all weight matrices with a value throughout, level of the last records over that of the first, is at
    least `min_growth`; their root mean square ends above `min_rms`; and the norm rises in the last quarter by `min_rise`, and at `min_pace` of the
    average pace of its growth. Unit: 1.

    What to try first: weight decay, or a smaller learning rate.

    Guards against: weights that start at or near 0, as in LoRA or a zero-initialised head (below `min_start`, or
    nothing but their first update within `max_difference`); ordinary growth, which
    levels off; a run whose loss has lost `learned` of its start, as one whose true weights are large; layers that are unfrozen later; biases and normalisation scales.

    References: Loshchilov and Hutter 2019 (arXiv 1711.05101); Soudry et al. 2018 (arXiv 1710.10345) on growth under cross-entropy.
    """

    code: ClassVar[str] = "LD608"
    name: ClassVar[str] = "weight-growth"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("The weights grow without bound")
    reads: ClassVar[tuple[Quantity, ...]] = (q.PARAMETER_NORM, q.PARAMETER_SIZE)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.UPDATE_NORM,
        q.WEIGHT_DECAY,
        q.LOSS,
        q.LOSS_NONFINITE,
        q.LOSS_TERM,
        q.EXTRA,
        q.CALL_TARGET_MEAN,
        q.CALL_TARGET_STD,
    )
    explains: ClassVar[tuple[str, ...]] = ("LD101", "LD702", "LD704")
    setting: ClassVar[str] = settings.DECAY

    #: last norm over first, 1; trainings from the usual initialisations grow one- to threefold
    min_growth: float = 10.0
    #: root mean square of the weights in the end, 1; small weights may grow tenfold and still be small
    min_rms: float = 0.3
    #: root mean square of a matrix at the start, 1; below, it was initialised to grow
    min_start: float = 1e-3
    #: relative difference between a matrix after its first step and that step, 1; rounding
    max_difference: float = 1e-3
    #: growth of the norm over the last quarter of the records, 1; more than noise
    min_rise: float = 0.05
    #: rise per record in the last quarter over that of the whole run, 1; a random walk keeps 0.54, what goes towards a goal slows down
    min_pace: float = 0.5
    #: share of the starting loss, 1; weights that grow while most of it is lost go where the data want them
    learned: float = 0.8
    #: records; fewer show no trend
    min_records: int = 10

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for the growth of all weights."""
        norm = run[q.PARAMETER_NORM]
        elements = sizes(run, norm.columns)
        chosen = weights(norm.columns, elements) & np.isfinite(elements)
        chosen &= np.isfinite(norm.values).all(axis=0)
        if len(norm) < self.min_records or not chosen.any():
            raise too_few(self.min_records, Text("records of a weight matrix's norm"))
        lost = fall(run)
        if lost is not None and lost >= self.learned and not broke(run):
            return
        values = norm.values.astype(np.float64)
        chosen &= median(values[:3], axis=0) / np.sqrt(elements) >= self.min_start
        chosen &= ~self._began_at_zero(run, norm)
        if chosen.any():
            yield from self._judge(run, values[:, chosen], elements[chosen], chosen)

    def _began_at_zero(self, run: Run, norm: Table) -> Bools:
        """Matrices that are all first update: one step may already take them above `min_start`."""
        if q.UPDATE_NORM not in run:
            return np.zeros(len(norm.columns), bool)
        first = run[q.UPDATE_NORM].at(norm.steps[:1], norm.columns)[0].astype(np.float64)
        same: Bools = np.abs(norm.values[0] - first) <= self.max_difference * first
        return same

    def _judge(
        self, run: Run, values: Doubles, elements: Doubles, chosen: Bools
    ) -> Iterator[Finding]:
        norm = run[q.PARAMETER_NORM]
        total = level(global_norm(values.astype(np.float32)), 3)
        start, end = float(total[2]), float(total[-1])
        rms = end / float(np.sqrt(elements.sum()))
        before = float(total[-(len(total) // 4) - 1])
        rising = end >= (1 + self.min_rise) * before
        rising &= 4 * (end - before) >= self.min_pace * (end - start)
        if not start > 0 or end < self.min_growth * start or rms < self.min_rms or not rising:
            return
        each = median(values[-3:], axis=0) / median(values[:3], axis=0)
        names = [n for n, ok in zip(norm.columns, chosen, strict=True) if ok]
        layer = names[int(np.argmax(each))]
        numbers = {"start": start, "end": end, "factor": end / start}
        numbers["layer_factor"] = float(each.max())
        words = {key: short_number(value) for key, value in numbers.items()}
        ends = int(norm.steps[0]), int(norm.steps[-1])
        evidence = with_judged(
            Evidence(q.PARAMETER_NORM.name, layer, *ends, float(each.max()), self.min_growth),
            _JUDGED.format(layer=layer),
            norm.steps,
            _over_start(norm.column(layer)),
        )
        message = _MESSAGE.format(layer=layer, **words)
        yield Finding(self.code, self.severity, "", (evidence,), message, _advice(run), numbers)


def _over_start(norms: Floats) -> Doubles:
    """float64[T]: the norm over that of the first three records, as a level of three."""
    return level(norms.astype(np.float64), 3) / float(median(norms[:3].astype(np.float64)))


def _advice(run: Run) -> Text:
    decays = [float(each.values[-1]) for each in columns(run, q.WEIGHT_DECAY) if len(each.values)]
    now = max(decays, default=0.0)
    if now > 0:
        decay = _WEAK_DECAY.format(now=short_number(now))
    elif family(run) is Family.SGD:
        decay = _NO_DECAY.format(optimizer="SGD", decay="5e-4")
    else:
        decay = _NO_DECAY.format(optimizer="AdamW", decay="0.01")
    return _ADVICE.format(decay=decay)
