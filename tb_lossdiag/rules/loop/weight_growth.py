"""LD608 weight-growth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.bottomless import bottomless
from tb_lossdiag.analysis.columns import columns, too_few
from tb_lossdiag.analysis.levels import level, median
from tb_lossdiag.analysis.parameters import Family, family
from tb_lossdiag.analysis.runaway import Bounds, Runaway, matrices, runaway
from tb_lossdiag.diagnosis import settings
from tb_lossdiag.diagnosis.judged import with_judged
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles, Floats
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "The norm of all weights grew from {start} to {end}, {factor} times, and still grows; `{layer}` grew most ({layer_factor} times).{pays}"
)
_PAYS = Text(
    " The loss falls with them from {start} to {end}, without slowing down: it has no lowest value, and pays for ever larger weights."
)
_JUDGED = Text("norm of `{layer}` over what it began with")
_ADVICE = Text("""{decay}

- A learning rate that is too large throws weights outwards in the first steps: look at LD601, and begin with a warm-up.
- A loss that rewards ever larger outputs (separable data under cross-entropy) needs label smoothing or an earlier stop.{paid}""")
_PAID = Text("""
- A loss without a lowest value is never done: look at its signs, above all of a decay or penalty written by hand, and hold what is meant to grow (a critic's scores, a margin) by a penalty on its slope, by clipped weights, or by a bound of its own.""")
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
        q.STEPS,
        q.LOSS_OF_ANOTHER,
    )
    explains: ClassVar[tuple[str, ...]] = ("LD101", "LD702", "LD704", "LD710", "LD712")
    setting: ClassVar[str] = settings.DECAY

    #: last norm over first, 1; trainings from the usual initialisations grow one- to threefold
    min_growth: float = Bounds.growth
    #: root mean square of the weights in the end, 1; small weights may grow tenfold and still be small
    min_rms: float = Bounds.rms
    #: root mean square of a matrix at the start, 1; below, it was initialised to grow
    min_start: float = Bounds.start
    #: relative difference between a matrix after its first step and that step, 1; rounding
    max_difference: float = Bounds.difference
    #: growth of the norm over the last quarter of the records, 1; more than noise
    min_rise: float = Bounds.rise
    #: rise per record in the last quarter over that of the whole run, 1; a random walk keeps 0.54, what goes towards a goal slows down
    min_pace: float = Bounds.pace
    #: share of the starting loss, 1; weights that grow while most of it is lost go where the data want them
    learned: float = Bounds.learned
    #: records; fewer show no trend
    min_records: int = Bounds.records

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for the growth of all weights."""
        if len(run[q.PARAMETER_NORM]) < self.min_records or not matrices(run).any():
            raise too_few(self.min_records, Text("records of a weight matrix's norm"))
        grown = runaway(run, self._bounds())
        if grown is not None:
            yield self._finding(run, grown)

    def _bounds(self) -> Bounds:
        return Bounds(
            self.min_growth,
            self.min_rms,
            self.min_start,
            self.max_difference,
            self.min_rise,
            self.min_pace,
            self.learned,
            self.min_records,
        )

    def _finding(self, run: Run, grown: Runaway) -> Finding:
        norm, layer = run[q.PARAMETER_NORM], grown.layer
        numbers = {"start": grown.start, "end": grown.end, "factor": grown.end / grown.start}
        numbers["layer_factor"] = grown.times
        words = {key: short_number(value) for key, value in numbers.items()}
        ends = int(norm.steps[0]), int(norm.steps[-1])
        evidence = with_judged(
            Evidence(q.PARAMETER_NORM.name, layer, *ends, grown.times, self.min_growth),
            _JUDGED.format(layer=layer),
            norm.steps,
            _over_start(norm.column(layer)),
        )
        levels = bottomless(run)
        pays = Text("")
        if levels is not None:
            pays = _PAYS.format(start=short_number(levels[0]), end=short_number(levels[-1]))
        message = _MESSAGE.format(layer=layer, pays=pays, **words)
        advice = _advice(run, paid=_PAID if levels is not None else Text(""))
        return Finding(self.code, self.severity, "", (evidence,), message, advice, numbers)


def _over_start(norms: Floats) -> Doubles:
    """float64[T]: the norm over that of the first three records, as a level of three."""
    return level(norms.astype(np.float64), 3) / float(median(norms[:3].astype(np.float64)))


def _advice(run: Run, paid: Text) -> Text:
    decays = [float(each.values[-1]) for each in columns(run, q.WEIGHT_DECAY) if len(each.values)]
    now = max(decays, default=0.0)
    if now > 0:
        decay = _WEAK_DECAY.format(now=short_number(now))
    elif family(run) is Family.SGD:
        decay = _NO_DECAY.format(optimizer="SGD", decay="5e-4")
    else:
        decay = _NO_DECAY.format(optimizer="AdamW", decay="0.01")
    return _ADVICE.format(decay=decay, paid=paid)
