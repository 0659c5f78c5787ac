"""LD707 collapsed-representation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.loss_calls import BINARY, CLASSES, REGRESSION, calls
from tb_lossdiag.analysis.modules import last_span, layout, needs_check_ups, there
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "The features of `{name}` span {end} directions in the last {checks} check-ups, {start} at the start."
)
_ADVICE = Text("""All samples lie near one line there, so little of the input gets through. See whether the output still depends on the input (LD705) and
units still live (LD701). In self-supervised training this is dimensional collapse: add a term that spreads the features,

```python
features = features - features.mean(0)
covariance = features.T @ features / (len(features) - 1)
spread = torch.relu(1 - features.std(0)).mean()  # variance term
decorrelation = (covariance - torch.diag(torch.diag(covariance))).pow(2).sum() / features.shape[1]
```

or more negatives, a stop-gradient on one branch, a projection head. Elsewhere try a lower learning rate or less weight decay.""")


@dataclass(frozen=True)
class CollapsedRepresentation:
    """The features of a layer fall into a few directions.

    Why it matters: what a layer maps onto one line, no later layer can tell apart.

    How it decides: the effective rank of a hidden layer's outputs (exp of the entropy of the normalised singular values) is in at least
    `min_checks` check-ups up to the newest below `min_share` of its first value; and below `max_rank` where the loss is over classes or a few
    outputs. An information. Unit: directions.

    What to try first: look at LD705 and LD701; in self-supervised training, a term against collapse.

    Guards against: classifiers, whose features are meant to gather in as many directions as there are classes, and fewer in deep networks
    (measured: from 14 to 2 of 64 in a healthy one); the output layer; layers that begin narrow.

    References: Roy and Vetterli 2007, "The effective rank"; Jing et al. 2022 (arXiv 2110.09348); Papyan et al. 2020 (arXiv
    2008.08186, neural collapse, which is healthy); Bardes et al. 2022 (arXiv 2105.04906).
    """

    code: ClassVar[str] = "LD707"
    name: ClassVar[str] = "collapsed-representation"
    severity: ClassVar[Severity] = Severity.INFO
    title: ClassVar[Text] = Text("Features collapse into few directions")
    reads: ClassVar[tuple[Quantity, ...]] = (q.EFFECTIVE_RANK, q.MODULE_KIND)
    may_read: ClassVar[tuple[Quantity, ...]] = (q.MODULE_LAST, q.MODULE_FED_BY, q.CALL_OUTPUTS)
    explains: ClassVar[tuple[str, ...]] = ()

    #: of the first value, 1; healthy classifiers fall to a fifth, autoencoders hardly
    min_share: float = 0.2
    #: directions, where the loss asks for few; healthy classifiers of ten classes keep 1.8 and more
    max_rank: float = 1.3
    #: directions; who begins with fewer has nothing to lose
    min_start: float = 4.0
    #: check-ups in a row up to the newest
    min_checks: int = 3

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for the layer that lost most."""
        table, modules = run[q.EFFECTIVE_RANK], layout(run)
        needs_check_ups(table, self.min_checks + 1)
        few = _asks_for_few(run)
        found: dict[str, tuple[float, Evidence, int, float]] = {}
        for name in table.columns:
            values = table.column(name)
            known = values[there(values)].astype(np.float64)
            if not len(known) or known[0] < self.min_start or name in modules.last:
                continue
            bound = min(self.min_share * known[0], self.max_rank if few else np.inf)
            span = last_span(values, values <= bound, self.min_checks)
            if span is not None:
                steps = table.steps[there(values)][span.records]
                end = float(np.median(known[span.records]))
                ends = int(steps[0]), int(steps[-1])
                piece = Evidence(table.quantity.name, name, *ends, end, bound)
                found[name] = end / float(known[0]), piece, span.size, float(known[0])
        if found:
            name = min(found, key=lambda each: (found[each][0], each))
            yield self._finding(name, *found[name][1:])

    def _finding(self, name: str, evidence: Evidence, checks: int, start: float) -> Finding:
        end = evidence.observed or 0.0
        message = _MESSAGE.format(
            name=name, end=short_number(end), start=short_number(start), checks=str(checks)
        )
        numbers = {"start": start, "end": end}
        return Finding(self.code, self.severity, name, (evidence,), message, _ADVICE, numbers)


def _asks_for_few(run: Run) -> bool:
    """Whether a loss is over classes or at most as many outputs as a classifier has; unknown counts as such."""
    try:
        found = calls(run)
    except NotEnough:
        return True
    known = (*CLASSES, *BINARY, *REGRESSION)
    return any(c.function in known and not c.typical(q.CALL_OUTPUTS) > _MANY for c in found)


_MANY = 100
"""Outputs; a loss over more asks for features in many directions."""
