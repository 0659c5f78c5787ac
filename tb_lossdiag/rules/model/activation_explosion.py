"""LD704 activation-explosion."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.modules import WEIGHTED, Layout, layout
from tb_lossdiag.analysis.progress import broke, fall
from tb_lossdiag.diagnosis.judged import with_judged
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Kind, Quantity
from tb_lossdiag.records import Table
from tb_lossdiag.run import Run

_NONFINITE = Text(
    "At step {step} the output of `{name}` has {count} NaN or infinite elements; the {before} modules called before it are finite."
)
_GIVEN = Text(
    "At step {step}, before anything was learned, the output of the first module `{name}` already has {count} NaN or infinite elements: the input has them, or the initial weights."
)
_DEPTH = Text(
    "At step {step} activations grow from {low} in `{first}` to {high} in `{name}`, {times} times, before anything was learned."
)
_TIME = Text("The activations of `{name}` grew from {low} to {high}, {times} times, {fate}.")
_LOST = Text("while the loss has lost only {percent}% of its start")
_BROKE = Text("in a run whose loss became NaN or infinite")
_NONFINITE_ADVICE = Text("""Look at what `{name}` is given and does there: a division by 0, the logarithm or root of 0, an exponential, a mask that hides a whole row.

```python
torch.autograd.set_detect_anomaly(True)  # slow; names the operation in the backward pass
```

Keep such operations away from their edge: `x.clamp_min(1e-6).log()`, `x / (norm + 1e-6)`.""")
_DEPTH_ADVICE = Text("""Let each layer keep the scale of its input. The initial weights are too large for the number of inputs:

```python
for module in model.modules():
    if isinstance(module, (torch.nn.Linear, torch.nn.Conv2d)):
        torch.nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
```

Or put a normalisation layer after each block. In a residual network scale the last layer of each branch by 1 / sqrt(blocks).""")
_TIME_ADVICE = Text("""The weights before `{name}` have grown. Lower the learning rate, clip the gradients, or hold the scale with a normalisation layer:

```python
torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)
```""")


_JUDGED = Text("standard deviation of `{name}` over what it began with")


@dataclass(frozen=True)
class ActivationExplosion:
    """Activations grow by orders of magnitude, or become NaN.

    Why it matters: gradients grow with them. The first steps then throw the model far away, and half precision overflows at 65504.

    How it decides: the first module, in the order of calls, whose output has NaN or Inf (error); at the first check-up, a hidden layer's
    standard deviation at least `min_depth_growth` times that of the first linear or convolution layer; or a hidden layer's at the newest
    check-up at least `min_time_growth` times that of its first, while the loss lost less than `min_learned` of its start.

    What to try first: initial weights that keep the scale (He, Xavier), a normalisation layer, a lower learning rate.

    Guards against: the output layer; inputs that are large (LD510), which make all layers large; growth in a run that learns, which is
    normal over two or three orders of magnitude in deep networks; layers that begin at 0; embeddings, which are small at the start; modules
    of unknown kind, which may mask with infinity.

    References: Glorot and Bengio 2010; He et al. 2015 (arXiv 1502.01852); own measurements on digits: default initialisation below 1.5,
    N(0, 1) above 500 after five layers.
    """

    code: ClassVar[str] = "LD704"
    name: ClassVar[str] = "activation-explosion"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Activations explode")
    reads: ClassVar[tuple[Quantity, ...]] = (
        q.ACTIVATION_STD,
        q.ACTIVATION_NONFINITE,
        q.MODULE_KIND,
    )
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.MODULE_FED_BY,
        q.MODULE_LAST,
        q.LOSS,
        q.LOSS_NONFINITE,
        q.LOSS_TERM,
        q.EXTRA,
        q.CALL_TARGET_MEAN,
        q.CALL_TARGET_STD,
    )
    explains: ClassVar[tuple[str, ...]] = (
        "LD101", "LD102", "LD103", "LD104", "LD105", "LD106", "LD202", "LD203", "LD206", "LD301", "LD304", "LD523", "LD701", "LD702", "LD801", "LD802",
    )  # fmt: skip

    #: over the first layer's standard deviation, 1; default initial weights give 0.1 to 1.5, N(0, 1) 4 to 8 per layer
    min_depth_growth: float = 100.0
    #: over the layer's own first standard deviation, 1; deep networks that learn reach a thousand
    min_time_growth: float = 1000.0
    #: a layer's first standard deviation over that of the typical layer, 1; less was made to begin at nothing
    min_start: float = 0.01
    #: share of the starting loss, 1; who lost half of it grows for a reason
    min_learned: float = 0.5

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per model that grows over depth or time; else one for the first module that breaks."""
        std, bad, modules = run[q.ACTIVATION_STD], run[q.ACTIVATION_NONFINITE], layout(run)
        if not np.isfinite(std.values).any() and not (bad.values > 0).any():
            raise NotEnough(Text("a check-up with activations"))
        models = modules.models()
        grown = [self._depth(std, model) or self._time(run, std, model) for model in models]
        found = [finding for finding in grown if finding is not None]
        broken = None if found else self._nonfinite(run, modules)
        yield from found if broken is None else [broken]

    def _nonfinite(self, run: Run, modules: Layout) -> Finding | None:
        counts = run[q.ACTIVATION_NONFINITE]
        bad = counts.values > 0
        if not bad.any():
            return None
        row = int(np.flatnonzero(bad.any(axis=1))[0])
        place = int(np.flatnonzero(bad[row])[0])
        name, step, count = (
            counts.columns[place],
            int(counts.steps[row]),
            float(counts.values[row, place]),
        )
        broken_before = step > _first_broken_loss(run) or (place == 0 and row > 0)
        if modules.kind(name) is Kind.OTHER or broken_before:
            return None
        text = _NONFINITE if place else _GIVEN
        message = text.format(
            step=str(step), name=name, count=short_number(count), before=str(place)
        )
        evidence = Evidence(counts.quantity.name, name, step, step, count, 0.0)
        return self._of(Severity.ERROR, evidence, message, _NONFINITE_ADVICE.format(name=name), {})

    def _depth(self, std: Table, modules: Layout) -> Finding | None:
        hidden = _hidden(std, modules)
        rows = np.flatnonzero(np.isfinite(std.values).any(axis=1))
        if not len(rows) or not hidden:
            return None
        first = hidden[0]
        at = {name: float(std.column(name)[rows[0]]) for name in hidden}
        name = max(hidden, key=lambda each: np.nan_to_num(at[each], nan=0.0, posinf=0.0))
        low, high = at[first], at[name]
        if not (low > 0 and self.min_depth_growth * low <= high < np.inf):
            return None
        step, times = int(std.steps[rows[0]]), high / low
        message = _DEPTH.format(step=str(step), first=first, name=name, **_numbers(low, high))
        evidence = Evidence(std.quantity.name, name, step, step, times, self.min_depth_growth)
        return self._of(self.severity, evidence, message, _DEPTH_ADVICE, {"times": times})

    def _time(self, run: Run, std: Table, modules: Layout) -> Finding | None:
        lost = fall(run)
        if not broke(run) and (lost is None or lost >= self.min_learned):
            return None
        grown = self._grown(std, _hidden(std, modules))
        name = max(grown, key=lambda each: grown[each][1] / grown[each][0], default="")
        if not name or grown[name][1] < self.min_time_growth * grown[name][0]:
            return None
        low, high = grown[name]
        crossed = std.steps[std.column(name) >= self.min_time_growth * low]
        ends = int(crossed[0]), int(std.steps[-1])
        evidence = with_judged(
            Evidence(std.quantity.name, name, *ends, high / low, self.min_time_growth),
            _JUDGED.format(name=name),
            std.steps,
            std.column(name) / np.float64(low),
        )
        what = _BROKE if broke(run) else _LOST.format(percent=short_number(100 * max(lost or 0, 0)))
        message = _TIME.format(name=name, fate=what, **_numbers(low, high))
        advice = _TIME_ADVICE.format(name=name)
        found = self._of(self.severity, evidence, message, advice, {"times": high / low})
        return replace(found, onset=evidence.first_step)

    def _grown(self, std: Table, names: list[str]) -> dict[str, tuple[float, float]]:
        """First and highest standard deviation of each layer.

        What begins at nothing beside the other layers, as adapters and zero-initialised branches, counts from when it is something.
        """
        values = {name: std.column(name).astype(np.float64) for name in names}
        known = {name: v[np.isfinite(v) & (v > 0)] for name, v in values.items()}
        begins = [float(each[0]) for each in known.values() if len(each)]
        least = self.min_start * float(np.median(begins)) if begins else 0.0
        real = {name: each[each >= least] for name, each in known.items()}
        return {n: (float(each[0]), float(each.max())) for n, each in real.items() if len(each) > 1}

    def _of(
        self,
        severity: Severity,
        evidence: Evidence,
        message: Text,
        advice: Text,
        numbers: dict[str, float],
    ) -> Finding:
        return Finding(self.code, severity, evidence.column, (evidence,), message, advice, numbers)


def _first_broken_loss(run: Run) -> float:
    """Step of the first NaN or infinite loss, infinity if there is none: activations after it are no origin."""
    if q.LOSS_NONFINITE not in run:
        return np.inf
    table = run[q.LOSS_NONFINITE]
    broken = table.steps[(table.values > 0).any(axis=1)]
    return float(broken[0]) if len(broken) else np.inf


def _hidden(std: Table, modules: Layout) -> list[str]:
    """Linear and convolution layers in the order of calls, without the output."""
    return [
        name for name in std.columns if modules.kind(name) in WEIGHTED and name not in modules.last
    ]


def _numbers(low: float, high: float) -> dict[str, str]:
    return {
        "low": short_number(low),
        "high": short_number(high),
        "times": short_number(float(f"{high / low:.2g}")),
    }
