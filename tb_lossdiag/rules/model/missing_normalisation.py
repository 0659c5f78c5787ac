"""LD723 missing-normalisation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.modules import WEIGHTED, Layout, layout
from tb_lossdiag.analysis.progress import has_learned
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text
from tb_lossdiag.quantities import Kind, Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "{count} linear and convolution layers follow each other without any normalisation, and the loss has not lost half of its start."
)
_ADVICE = Text("""Put one after (or before) every weighted layer; it keeps activations and gradients of one scale however deep the stack is:

```python
block = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.LayerNorm(64), torch.nn.ReLU())
```

Without one, a deep stack needs a careful initialisation (`torch.nn.init.kaiming_normal_`) and residual connections that begin at 0.""")


@dataclass(frozen=True)
class MissingNormalisation:
    """A deep stack has no normalisation.

    Why it matters: scales multiply from layer to layer; without something that brings them back, deep stacks learn late or not at all.

    How it decides: a watched model has at least `min_layers` linear and convolution modules and none that normalises (by its kind or its
    name, or as a weight or spectral norm on a layer), and the loss has not lost `learned` of its start. Where `min_known` of the layers are
    seen to be fed by the one before, through modules alone, the longest such chain must have that many. An information. Unit: modules.

    What to try first: a normalisation in every block.

    Guards against: stacks that learn all the same; normalisations of one's own, as far as their names tell; recurrent and attention
    modules, which bring their own scale (not evaluated); many short stacks side by side, as in a flow's couplings, and residual blocks.

    References: Ioffe and Szegedy 2015 (arXiv 1502.03167); Zhang et al. 2019, Fixup (arXiv 1901.09321): what it takes without.
    """

    code: ClassVar[str] = "LD723"
    name: ClassVar[str] = "missing-normalisation"
    severity: ClassVar[Severity] = Severity.INFO
    title: ClassVar[Text] = Text("A deep stack without normalisation")
    reads: ClassVar[tuple[Quantity, ...]] = (q.MODULE_KIND,)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.MODULE_FED_BY,
        q.MODULE_LAST,
        q.PARAMETER_NORM,
        q.LOSS,
        q.LOSS_NONFINITE,
        q.LOSS_TERM,
        q.STEPS,
        q.EXTRA,
        q.CALL_TARGET_MEAN,
        q.CALL_TARGET_STD,
        q.CALL_VALUE,
        q.CALL_BASELINE,
    )
    explains: ClassVar[tuple[str, ...]] = ()

    #: modules; a dozen He-initialised layers with ReLU still train
    min_layers: int = 10
    #: share of the layers, 1; fewer are known to feed each other where activations are functions, and then nothing is known of the others
    min_known: float = 1 / 3
    #: share of the starting loss, 1
    learned: float = 0.5

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding per such model."""
        deep = [(each, _layers(each)) for each in layout(run).models()]
        deep = [(each, layers) for each, layers in deep if len(layers) >= self.min_layers]
        deep = [(each, layers) for each, layers in deep if not _brings_scale(each)]
        deep = [(each, layers) for each, layers in deep if self._follow(each, layers)]
        if not deep:
            raise NotEnough(
                Text("a model of {least} linear or convolution layers and more").format(
                    least=self.min_layers
                )
            )
        if has_learned(run, self.learned) is not False:
            return
        step = int(run[q.MODULE_KIND].steps[-1])
        for modules, layers in deep:
            if not _normalises(modules) and not _reparametrised(run, layers):
                evidence = Evidence(q.MODULE_KIND.name, layers[0], step, step)
                message = _MESSAGE.format(count=str(len(layers)))
                numbers = {"layers": len(layers)}
                yield Finding(self.code, self.severity, "", (evidence,), message, _ADVICE, numbers)

    def _follow(self, modules: Layout, layers: list[str]) -> bool:
        """Whether that many layers stand behind each other, as far as anybody knows."""
        between = set(Kind) - set(WEIGHTED)
        sources = {name: modules.source(name, between) for name in layers}
        known = sum(source is not None for source in sources.values())
        deepest = max(_depth(name, sources) for name in layers)
        return known < self.min_known * len(layers) or deepest >= self.min_layers


def _depth(name: str | None, sources: dict[str, str | None]) -> int:
    """How many layers stand behind each other up to this one; a layer that is called again counts once."""
    seen: set[str] = set()
    while name is not None and name not in seen:
        seen.add(name)
        name = sources.get(name)
    return len(seen)


_REPARAMETRISED = re.compile(r"\.(weight_g|weight_orig|parametrizations\.weight\.original\d?)$")
"""What torch's weight and spectral norms call the parameters that they make a layer's weight of."""
_NAMES = re.compile(r"(^|[^a-z])(norm\w*|\w*norm|ln\d*|bn\d*|gn\d*)([^a-z]|$)", re.IGNORECASE)


def _layers(modules: Layout) -> list[str]:
    return [name for name, kind in modules.kinds.items() if kind in WEIGHTED]


def _brings_scale(modules: Layout) -> bool:
    return any(kind in {Kind.RECURRENT, Kind.ATTENTION} for kind in modules.kinds.values())


def _normalises(modules: Layout) -> bool:
    return any(
        kind is Kind.NORMALISATION or _NAMES.search(name) for name, kind in modules.kinds.items()
    )


def _reparametrised(run: Run, layers: list[str]) -> bool:
    """Whether the weight of any of these layers is made anew at each call, with a norm of its own."""
    known = run[q.PARAMETER_NORM].columns if q.PARAMETER_NORM in run else ()
    found = (_REPARAMETRISED.search(name) for name in known)
    return bool({hit.string[: hit.start()] for hit in found if hit} & set(layers))
