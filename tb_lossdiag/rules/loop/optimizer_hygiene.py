"""LD609 optimizer-hygiene."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import columns, value_in_force
from tb_lossdiag.analysis.parameters import listed
from tb_lossdiag.diagnosis import settings
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity, Role
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "Weight decay of {decay} also pulls at {biases} biases, {norms} normalisation parameters and {embeddings} embeddings: {names}."
)
_ADVICE = Text("""Most recipes decay matrices only:

```python
decayed = [p for p in model.parameters() if p.ndim >= 2]  # take embeddings out by name
others = [p for p in model.parameters() if p.ndim < 2]
groups = [dict(params=decayed, weight_decay={decay}), dict(params=others, weight_decay=0.0)]
optimizer = torch.optim.{optimizer}(groups, lr=lr)
```{coupled}""")
_COUPLED = Text(
    "\n\nAdam mixes the decay into its adaptive step, so that weights with large gradients are hardly decayed; AdamW keeps them apart."
)


@dataclass(frozen=True)
class OptimizerHygiene:
    """Weight decay pulls at parameters that gain nothing from it.

    Why it matters: a bias or the scale of a normalisation layer doesn't overfit; pulling it to 0 costs a little accuracy or stability.

    How it decides: the newest weight decay of at least `min_parameters` trainable biases, normalisation parameters or embeddings is
    `min_decay` or more. Unit: parameters.

    What to try first: a group without decay for everything with fewer than two dimensions.

    Guards against: the small decay of classic recipes that take all parameters; it is only an information.

    References: He et al. 2018 (arXiv 1812.01187), section "No bias decay"; Loshchilov and Hutter 2019 (arXiv 1711.05101).
    """

    code: ClassVar[str] = "LD609"
    name: ClassVar[str] = "optimizer-hygiene"
    severity: ClassVar[Severity] = Severity.INFO
    title: ClassVar[Text] = Text("Decay where it doesn't help")
    reads: ClassVar[tuple[Quantity, ...]] = (q.PARAMETER_DECAY, q.PARAMETER_ROLE)
    may_read: ClassVar[tuple[Quantity, ...]] = (q.PARAMETER_TRAINABLE,)
    explains: ClassVar[tuple[str, ...]] = ()
    setting: ClassVar[str] = settings.DECAY

    #: weight decay, 1; classic SGD recipes decay everything by 1e-4 to 5e-4 without harm, AdamW's default is 1e-2
    min_decay: float = 1e-3
    #: parameters; one is a detail
    min_parameters: int = 2

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding that names the parameters."""
        decays = [each for each in columns(run, q.PARAMETER_DECAY) if len(each.values)]
        if not decays:
            raise NotEnough(Text("an optimizer that holds parameters"))
        frozen = _ever_frozen(run)
        pulled = {
            name: float(values[-1])
            for name, steps, values in decays
            if values[-1] >= self.min_decay
            and (
                name not in frozen
                or value_in_force(run, q.PARAMETER_TRAINABLE, int(steps[-1]), name) != 0
            )
        }
        found: dict[Role, list[str]] = {Role.BIAS: [], Role.NORM: [], Role.EMBEDDING: []}
        for name, _, roles in columns(run, q.PARAMETER_ROLE):
            if name in pulled and len(roles) and roles[-1] in found:
                found[Role(int(roles[-1]))].append(name)
        if sum(map(len, found.values())) >= self.min_parameters:
            yield self._finding(run, found, pulled)

    def _finding(self, run: Run, found: dict[Role, list[str]], pulled: dict[str, float]) -> Finding:
        names = [name for each in found.values() for name in each]
        decay = float(np.median([pulled[name] for name in names]))
        message = _MESSAGE.format(
            decay=short_number(decay),
            biases=str(len(found[Role.BIAS])),
            norms=str(len(found[Role.NORM])),
            embeddings=str(len(found[Role.EMBEDDING])),
            names=listed(names, 3),
        )
        optimizer = run.facts.get("optimizer", "")
        coupled = _COUPLED if optimizer == "Adam" else Text("")
        words = {
            "decay": short_number(decay),
            "optimizer": optimizer if optimizer.isidentifier() and optimizer != "Adam" else "AdamW",
        }
        advice = _ADVICE.format(coupled=coupled, **words)
        table = run[q.PARAMETER_DECAY]
        ends = int(table.steps[0]), int(table.steps[-1])
        evidence = Evidence(q.PARAMETER_DECAY.name, names[0], *ends, decay, self.min_decay)
        numbers = {"decay": decay, "parameters": len(names)}
        return Finding(self.code, self.severity, "", (evidence,), message, advice, numbers)


def _ever_frozen(run: Run) -> set[str]:
    """Parameters that were not trainable at some time."""
    if q.PARAMETER_TRAINABLE not in run:
        return set()
    table = run[q.PARAMETER_TRAINABLE]
    return {table.columns[place] for place in np.flatnonzero((table.values == 0).any(axis=0))}
