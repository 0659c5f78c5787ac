"""LD705 constant-output."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.inputs import all_alike
from tb_lossdiag.analysis.levels import Bools
from tb_lossdiag.analysis.loss_calls import LossCallSeries, calls_if_any
from tb_lossdiag.analysis.modules import last_span, layout, model_of, there
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.diagnosis.ways import said
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles, Steps
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "The output is the same for every sample of the batch in {checks} check-ups up to the end: what {name} sees varies by {variation} of its size."
)
_ADVICE = Text("""The model answers without looking at its input. Find the first layer at which two samples become one:

```python
first, second = batch[:1], batch[-1:]
for name, module in model.named_modules():
    module.register_forward_hook(lambda m, i, o, name=name: print(name, float(o.detach().float().std())))
model(first), model(second)  # the layer from which on both print the same
```

- Activations: dead ReLUs (LD701), saturated ones (LD702), a softmax over one unit (LD511).
- Loss: targets that broadcast (LD504) or one frequent class (LD509) make a constant the best answer.
- Input: constant features, padding only, a `detach()` or an index that takes the wrong axis.""")


@dataclass(frozen=True)
class ConstantOutput:
    """The model gives the same output for every input.

    Why it matters: it has learned a constant, which no amount of further training along these gradients may change.

    How it decides: the standard deviation of the loss's input over the batch, over its size, is below `max_variation` in at least
    `min_checks` check-ups in a row up to the newest, and below `max_variation_share` of that of the targets, which vary. Where no loss call
    was seen, the same of the module that gives the model's output. Unit: 1.

    What to try first: compare two samples layer by layer.

    Guards against: deep networks at the start, whose outputs hardly differ until they learn; output layers that begin at 0; targets
    that hardly vary themselves (1000 and 1001); exact zeros in a loss without targets, which a factor or a difference of pairs makes (LD205); outputs that are infinite; batches of one, and, where no loss call asks for different answers, of one and the same sample.

    References: Lu et al. 2020, "Dying ReLU and initialization" (arXiv 1903.06733, a dead network is a constant); Karpathy 2019, "A
    recipe for training neural networks".
    """

    code: ClassVar[str] = "LD705"
    name: ClassVar[str] = "constant-output"
    severity: ClassVar[Severity] = Severity.ERROR
    title: ClassVar[Text] = Text("The output does not depend on the input")
    reads: ClassVar[tuple[Quantity, ...]] = ()
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.CALL_VARIATION,
        q.CALL_INPUT_MIN,
        q.CALL_INPUT_MAX,
        q.CALL_TARGET_STD,
        q.CALL_TARGET_MEAN,
        q.EQUAL_SAMPLES,
        q.ACTIVATION_VARIATION,
        q.ACTIVATION_ABS_MAX,
        q.MODULE_FED_BY,
        q.MODULE_KIND,
        q.MODULE_LAST,
    )
    explains: ClassVar[tuple[str, ...]] = (
        "LD104",
        "LD106",
        "LD108",
        "LD109",
        "LD205",
        "LD509",
        "LD523",
    )

    #: standard deviation over the batch over root mean square, 1; float32 has 1e-7, a trained model 0.1 and more
    max_variation: float = 1e-4
    #: of the targets' own variation, 1; who answers 1000 and 1001 rightly varies little
    max_variation_share: float = 0.01
    #: check-ups in a row up to the newest; the first three are consecutive steps, so some lie later
    min_checks: int = 5

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per loss call with a constant input; per output module if there are no calls."""
        found = calls_if_any(run)
        enough = 0
        for call in found:
            values = _sound(call.of(q.CALL_VARIATION), _call_sizes(call))
            values = np.where(_nothing_asked(call), np.nan, values)
            enough = max(enough, int(there(values).sum()))
            bound = np.fmin(self.max_variation, self.max_variation_share * _targets(call))
            yield from self._constant(q.CALL_VARIATION, call.name, (call.steps, values), bound)
        if not found and q.ACTIVATION_VARIATION in run and q.MODULE_KIND in run:
            table = run[q.ACTIVATION_VARIATION]
            for name in sorted(layout(run).last):
                sizes = _module_sizes(run, name, table.steps)
                values = _sound(table.column(name).astype(np.float64), sizes)
                values = np.where(all_alike(run, table.steps, model_of(name)), np.nan, values)
                enough = max(enough, int(there(values).sum()))
                bound = np.full(len(values), self.max_variation)
                yield from self._constant(
                    q.ACTIVATION_VARIATION, name, (table.steps, values), bound
                )
        if enough < self.min_checks:
            least = self.min_checks
            raise NotEnough(
                Text(
                    "at least {least} check-ups with a loss call or the output's activations: {how}"
                ).format(least=least, how=said(q.CALL_VARIATION.how))
            )

    def _constant(
        self, quantity: Quantity, name: str, seen: tuple[Steps, Doubles], bound: Doubles
    ) -> Iterator[Finding]:
        steps, values = seen
        span = last_span(values, values <= bound, self.min_checks)
        if span is None:
            return
        rows = np.flatnonzero(there(values))[span.records]
        variation = float(np.median(values[rows]))
        message = _MESSAGE.format(
            checks=str(span.size), name=f"`{name}`", variation=short_number(variation)
        )
        ends = int(steps[rows[0]]), int(steps[rows[-1]])
        evidence = Evidence(quantity.name, name, *ends, variation, self.max_variation)
        numbers = {"variation": variation}
        yield Finding(self.code, self.severity, name, (evidence,), message, _ADVICE, numbers)


def _sound(values: Doubles, sizes: Doubles | None) -> Doubles:
    """Values where the output's size is sane: of a run that broke they mean nothing. All, where sizes are not known."""
    return values if sizes is None else np.where(sizes < _OVERFLOWS, values, np.nan)


def _call_sizes(call: LossCallSeries) -> Doubles | None:
    """float64[N]: largest absolute input."""
    if q.CALL_INPUT_MIN not in call.run or q.CALL_INPUT_MAX not in call.run:
        return None
    return np.maximum(np.abs(call.of(q.CALL_INPUT_MIN)), np.abs(call.of(q.CALL_INPUT_MAX)))


def _nothing_asked(call: LossCallSeries) -> Bools:
    """bool[N]: whether a loss without targets, as one of pairs, got exact zeros: a factor or a difference that is 0, no model's answer."""
    sizes = _call_sizes(call)
    nothing = np.zeros(len(call.steps), bool) if sizes is None else sizes == 0
    asked: Bools = nothing & np.isnan(call.of(q.CALL_TARGET_STD))
    return asked


def _module_sizes(run: Run, name: str, steps: Steps) -> Doubles | None:
    """float64[N]: largest absolute output of a module."""
    if q.ACTIVATION_ABS_MAX not in run:
        return None
    return run[q.ACTIVATION_ABS_MAX].at(steps, [name])[:, 0].astype(np.float64)


_OVERFLOWS = 1e15
"""Beyond this a float32's square, summed over a batch, may be infinite."""


def _targets(call: LossCallSeries) -> Doubles:
    """float64[N]: the targets' standard deviation over their root mean square; infinite where unknown, 0 where they don't vary."""
    std, mean = call.of(q.CALL_TARGET_STD), call.of(q.CALL_TARGET_MEAN)
    relative = std / np.maximum(np.hypot(std, mean), 1e-30)
    return np.where(np.isnan(relative), np.inf, relative)
