"""LD702 saturated-activation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.modules import SHAPING, WEIGHTED, last_span, layout, there
from tb_lossdiag.analysis.parameters import listed
from tb_lossdiag.analysis.progress import has_learned
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Kind, Quantity
from tb_lossdiag.records import Floats
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "{share}% of the outputs of {names} lie in the flat part of the function in {checks} check-ups{since}."
)
_BEGINNING = Text(", from the first one on")
_LATER = Text(" up to the end, in a run that has not learned")
_SOFTMAX = Text(
    "{names}: softmax between layers, {count} in all. Its outputs compete for a sum of 1, so a layer of many units passes on numbers near 0 and hardly any gradient."
)
_ADVICE = Text("""Bring the inputs of the activation back to where its slope is:

- scale the model's inputs to around 0 and 1 (LD510);
- begin with weights that keep the scale, and a lower learning rate at first:

```python
torch.nn.init.xavier_normal_(layer.weight, gain=torch.nn.init.calculate_gain("tanh"))
torch.nn.init.zeros_(layer.bias)
```

- put a normalisation layer before it, or use `ReLU` or `GELU`.""")
_SOFTMAX_ADVICE = Text("""Use a hidden activation there, and softmax only for reporting or attention weights:

```python
activation = torch.nn.ReLU()  # or torch.nn.GELU()
```

A softmax that mixes a table of topics or codes on purpose is fine.""")


@dataclass(frozen=True)
class SaturatedActivation:
    """A hidden activation works where it has no slope.

    Why it matters: the gradient is multiplied by that slope. Layers before a saturated tanh or sigmoid, or before a softmax between
    layers, learn many times slower or not at all.

    How it decides: more than `max_saturated` of a hidden tanh's or sigmoid's outputs lie within 3% of its ends in at least `min_checks`
    check-ups up to the newest, and either they do so from the first check-up on, or the loss has lost less than `min_learned` of its
    start. Hidden: its output goes into a linear or convolution layer. Also: a softmax between such layers, a warning for two or
    more in a run that has not learned, and for one if the loss has lost less than `min_moved`. Runs that learn get an information at most.

    What to try first: scale inputs and initial weights; a normalisation layer; ReLU.

    Guards against: saturation that learning brought about (confident units in a run that has learned); outputs, logits and gates, which
    are not hidden activations; attention weights.

    References: Glorot and Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks"; TheDeepChecker
    (Ben Braiek and Khomh 2023); own measurements: runs on digits end with 0.8 of a tanh layer saturated and a loss near 0.
    """

    code: ClassVar[str] = "LD702"
    name: ClassVar[str] = "saturated-activation"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Activations are saturated")
    reads: ClassVar[tuple[Quantity, ...]] = (q.MODULE_KIND, q.MODULE_FED_BY)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.SATURATED_SHARE,
        q.MODULE_LAST,
        q.CALL_VALUE,
        q.CALL_BASELINE,
        q.LOSS,
        q.LOSS_NONFINITE,
        q.LOSS_TERM,
        q.STEPS,
        q.EXTRA,
        q.CALL_TARGET_MEAN,
        q.CALL_TARGET_STD,
    )
    explains: ClassVar[tuple[str, ...]] = (
        "LD104", "LD105", "LD109", "LD201", "LD205", "LD509", "LD523", "LD602", "LD705", "LD707",
    )  # fmt: skip

    #: share of a layer's outputs, 1; with good initial weights it begins at 0
    max_saturated: float = 0.5
    #: check-ups in a row up to the newest; the first three are consecutive steps
    min_checks: int = 3
    #: share of the starting loss, 1; who lost half of it is learning through these layers
    min_learned: float = 0.5
    #: the same for a single softmax between layers, 1; a topic model's loss falls little, but it falls
    min_moved: float = 0.05

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for saturated layers and one for softmax between layers."""
        between, hidden = self._between(run), self._hidden(run)
        if not between and not hidden:
            raise NotEnough(
                Text("a hidden tanh, sigmoid or softmax between linear or convolution layers")
            )
        if between:
            yield self._softmax(run, between)
        if q.SATURATED_SHARE in run:
            yield from self._saturated(run, hidden)

    def _hidden(self, run: Run) -> list[str]:
        modules = layout(run)
        inner = modules.before_weights((*SHAPING, Kind.NORMALISATION, Kind.POOLING)) - modules.last
        return sorted(name for name in inner if modules.kind(name) is Kind.SATURATING)

    def _between(self, run: Run) -> list[str]:
        """Softmaxes fed by weights and feeding weights."""
        modules, through = layout(run), (*SHAPING, Kind.POOLING, Kind.NORMALISATION)
        inner = [n for n in modules.before_weights(through) if modules.kind(n) is Kind.SOFTMAX]
        fed = {name: modules.source(name, through) for name in inner}
        return sorted(n for n, source in fed.items() if source and modules.kind(source) in WEIGHTED)

    def _saturated(self, run: Run, hidden: list[str]) -> Iterator[Finding]:
        table = run[q.SATURATED_SHARE]
        found: dict[str, tuple[Evidence, int, bool]] = {}
        learned = has_learned(run, self.min_learned)
        for name in hidden:
            values: Floats = table.column(name)
            span = last_span(values, values > self.max_saturated, self.min_checks)
            if span is None or (learned is not False and span.first > 0):
                continue
            steps, shares = table.steps[there(values)][span.records], values[there(values)]
            share = float(np.median(shares[span.records]))
            ends = int(steps[0]), int(steps[-1])
            piece = Evidence(q.SATURATED_SHARE.name, name, *ends, share, self.max_saturated)
            found[name] = piece, span.size, span.first == 0
        if found:
            yield self._finding(found, warn=learned is False)

    def _finding(self, found: dict[str, tuple[Evidence, int, bool]], *, warn: bool) -> Finding:
        worst = max(found, key=lambda name: (found[name][0].observed or 0.0, name))
        piece, checks, from_start = found[worst]
        share = piece.observed or 0.0
        words = {
            "share": short_number(100 * share),
            "names": listed(sorted(found)),
            "checks": str(checks),
        }
        since = _BEGINNING if from_start else _LATER
        message = _MESSAGE.format(since=since, **words)
        evidence = (piece, *(found[name][0] for name in sorted(found) if name != worst))
        severity = self.severity if warn else Severity.INFO
        subject = worst if len(found) == 1 else ""
        return Finding(
            self.code, severity, subject, evidence, message, _ADVICE, {"saturated": share}
        )

    def _softmax(self, run: Run, names: list[str]) -> Finding:
        table = run[q.MODULE_KIND]
        ends = int(table.steps[0]), int(table.steps[-1])
        evidence = tuple(Evidence(q.MODULE_KIND.name, name, *ends) for name in names)
        message = _SOFTMAX.format(names=listed(names), count=str(len(names)))
        least = self.min_learned if len(names) > 1 else self.min_moved
        harmful = has_learned(run, least) is False
        severity = self.severity if harmful else Severity.INFO
        subject = names[0] if len(names) == 1 else ""
        numbers = {"softmaxes": len(names)}
        return Finding(self.code, severity, subject, evidence, message, _SOFTMAX_ADVICE, numbers)
