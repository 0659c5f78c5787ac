"""LD708 missing-nonlinearity."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.modules import SHAPING, WEIGHTED, Layout, layout
from tb_lossdiag.analysis.parameters import listed
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text
from tb_lossdiag.quantities import Kind, Quantity
from tb_lossdiag.run import Run

_ALL = Text(
    "All {count} linear and convolution layers feed each other with nothing non-linear between: together they are 1 linear map."
)
_POOLED = Text(
    "Of {count} linear and convolution layers, {direct} are fed by another with nothing non-linear between, and the model has no activation at all: only pooling keeps it from being 1 linear map."
)
_SOME = Text(
    "{count} pairs of layers feed each other with nothing non-linear between, each pair is 1 linear map: {pairs}."
)
_ADVICE = Text("""Put an activation between them, as in

```python
model = torch.nn.Sequential(
    torch.nn.Linear(features, hidden),
    torch.nn.ReLU(),
    torch.nn.Linear(hidden, outputs),
)
```

If it is meant to be linear, one layer does the same with fewer parameters.""")


@dataclass(frozen=True)
class MissingNonlinearity:
    """Linear layers feed each other with no activation between.

    Why it matters: two linear maps in a row are one. The model has more parameters, but can represent no more than a linear model.

    How it decides: the output tensor of a linear or convolution layer is the next one's input as it was, dropout and reshaping left out. A
    warning if this holds for every such layer of the model but the first, and nothing else in it is non-linear: then the whole model is
    linear. Also if it holds for at least `min_pairs` of them, and all other modules pool. Fewer than `min_layers` of them count if their sizes are known.
    Pairs of linear layers in a model that has activations elsewhere are an information.

    What to try first: an activation between the layers.

    Guards against: activations called as functions or written by hand (the tensor is then another one); low-rank factors, whose middle is
    narrower than both ends; pairs of convolutions, which are often separable on purpose; normalisation between layers; models of one layer.

    References: Goodfellow, Bengio and Courville 2016, Deep Learning, section 6.1; UMLAUT (Schoop et al. 2021), "missing non-linear
    activations".
    """

    code: ClassVar[str] = "LD708"
    name: ClassVar[str] = "missing-nonlinearity"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("No activation between linear layers")
    reads: ClassVar[tuple[Quantity, ...]] = (q.MODULE_KIND, q.MODULE_FED_BY)
    may_read: ClassVar[tuple[Quantity, ...]] = (q.MODULE_LAST, q.PARAMETER_SIZE)
    explains: ClassVar[tuple[str, ...]] = ("LD104", "LD108", "LD523")

    #: linear and convolution layers; fewer must be known not to be low-rank factors
    min_layers: int = 3
    #: layers fed by another in a model that pools; a single pair may be a separable convolution
    min_pairs: int = 2

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding per model that is linear, or one for all its pairs."""
        models = [(each, _layers(each)) for each in layout(run).models()]
        if max((len(layers) for _, layers in models), default=0) < 2:  # noqa: PLR2004  (a pair)
            raise NotEnough(Text("a model of two or more linear layers"))
        for modules, layers in models:
            yield from self._model(run, modules, layers)

    def _model(self, run: Run, modules: Layout, layers: list[str]) -> Iterator[Finding]:
        pairs = [(modules.source(name), name) for name in layers]
        direct = {b: a for a, b in pairs if a is not None and modules.kind(a) in WEIGHTED}
        first = [name for name in layers if name not in direct]
        if direct and len(first) == 1 and not _any_nonlinear(modules):
            if self._gains_nothing(run, direct, layers):
                yield self._finding(run, self.severity, direct, _ALL.format(count=str(len(layers))))
            return
        if len(direct) >= self.min_pairs and _only_pools(modules, layers):
            count = {"count": str(len(layers)), "direct": str(len(direct))}
            yield self._finding(run, self.severity, direct, _POOLED.format(**count))
            return
        wide = {b: a for b, a in direct.items() if self._counts(run, modules, a, b)}
        if wide:
            names = [f"{a} > {b}" for b, a in wide.items()]
            message = _SOME.format(count=str(len(wide)), pairs=listed(sorted(names)))
            yield self._finding(run, Severity.INFO, wide, message)

    def _gains_nothing(self, run: Run, direct: dict[str, str], layers: list[str]) -> bool:
        """Whether a chain is more than low-rank factors; a short one must be known to be so."""
        narrow = [_bottleneck(run, a, b) for b, a in direct.items()]
        if len(layers) < self.min_layers:
            return False in narrow
        return not all(each is True for each in narrow)

    def _counts(self, run: Run, modules: Layout, a: str, b: str) -> bool:
        """Whether a pair gains nothing: both linear, of known sizes, not a bottleneck."""
        linear = modules.kind(a) is Kind.LINEAR and modules.kind(b) is Kind.LINEAR
        return linear and _bottleneck(run, a, b) is False

    def _finding(
        self, run: Run, severity: Severity, direct: dict[str, str], message: Text
    ) -> Finding:
        step = int(run[q.MODULE_KIND].steps[-1])
        evidence = tuple(Evidence(q.MODULE_KIND.name, name, step, step) for name in sorted(direct))
        subject = next(iter(direct)) if len(direct) == 1 else ""
        return Finding(
            self.code, severity, subject, evidence, message, _ADVICE, {"pairs": len(direct)}
        )


def _layers(modules: Layout) -> list[str]:
    return [name for name, kind in modules.kinds.items() if kind in WEIGHTED]


def _any_nonlinear(modules: Layout) -> bool:
    plain = (*WEIGHTED, *SHAPING)
    inner = (name for name in modules.kinds if name not in modules.last)
    return any(modules.kind(name) not in plain for name in inner)


def _only_pools(modules: Layout, layers: list[str]) -> bool:
    """Whether pooling modules alone are non-linear, and every layer is fed by a module: no function in between hides an activation."""
    plain = (*WEIGHTED, *SHAPING, Kind.POOLING)
    fed = [modules.source(name, (*SHAPING, Kind.POOLING)) for name in layers]
    known = sum(feeder is not None for feeder in fed) >= len(layers) - 1
    return known and all(kind in plain for kind in modules.kinds.values())


def _bottleneck(run: Run, a: str, b: str) -> bool | None:
    """Whether the space between two linear layers is narrower than both ends; None where sizes are unknown.

    A layer's bias has as many elements as it has outputs, and its weight that many times its inputs.
    """
    first, second = _shape(run, a), _shape(run, b)
    if first is None and second is None:
        return None
    inputs = first[0] if first else np.inf
    outputs = second[1] if second else np.inf
    middle = first[1] if first else (second[0] if second else np.inf)
    return bool(middle < min(inputs, outputs))


def _shape(run: Run, module: str) -> tuple[float, float] | None:
    """Inputs and outputs of a linear layer with a bias, None if unknown."""
    if q.PARAMETER_SIZE not in run:
        return None
    table = run[q.PARAMETER_SIZE]
    sizes = []
    for part in ("weight", "bias"):
        known = table.column(f"{module}.{part}")
        known = known[np.isfinite(known) & (known > 0)]
        sizes.append(float(known[-1]) if len(known) else 0.0)
    weight, bias = sizes
    return (weight / bias, bias) if weight and bias else None
