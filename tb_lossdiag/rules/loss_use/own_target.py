"""LD535 own-target."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import columns
from tb_lossdiag.analysis.loss_calls import calls_if_any
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "The targets of `{call}` contain answers of the network that is trained, and carry a gradient back to it, in all {checks} check-ups: each step moves them towards what they are compared with."
)
_ADVICE = Text("""A target is what is to be reached, not what is to be changed. Make it without a gradient, and by a second network that follows now and then:

```python
with torch.no_grad():
    later = target_network(after).amax(dim=1)
    wanted = reward + 0.99 * later * (1 - over)
loss = torch.nn.functional.smooth_l1_loss(chosen, wanted)
```

`target_network = copy.deepcopy(network)`: an assignment alone gives the same network a second name. A gradient through both sides that is meant (residual
gradients) is rare; then accept the finding in `lossdiag.toml`.""")


@dataclass(frozen=True)
class OwnTarget:
    """The network is trained towards its own answers, and these are moved as well.

    Why it matters: a value is to come to the reward plus what later states are worth. With a gradient through the latter, later states are
    made worth less instead, and the values settle elsewhere than at the returns; without a second network they also chase themselves.

    How it decides: in all check-ups that see a squared or absolute loss, at least `min_checks`, its input is a network's answer (or one picked of
    several), and its target is given numbers plus a multiple of an answer that leads back to the same parameters, with its gradient.
    Unit: check-ups.

    What to try first: `torch.no_grad()` around the target.

    Guards against: targets without a gradient, as most are; two views that are compared with each other, and equations of a network's
    derivatives, which add nothing given to an answer.

    References: Mnih et al. 2015 (Nature 518), on the target network; Baird 1995, Residual Algorithms; datawhalechina/easy-rl pull request 117.
    """

    code: ClassVar[str] = "LD535"
    name: ClassVar[str] = "own-target"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("The targets are trained, too")
    reads: ClassVar[tuple[Quantity, ...]] = ()
    may_read: ClassVar[tuple[Quantity, ...]] = (q.CALL_OWN_TARGET, q.CALL_VALUE)
    explains: ClassVar[tuple[str, ...]] = ("LD102", "LD103", "LD104", "LD109", "LD523", "LDR25")

    #: check-ups; the targets of one may be made otherwise
    min_checks: int = 3

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per call whose targets are made by what it trains."""
        known = [c for c in calls_if_any(run) if q.made_for(c.function).symmetric]
        if not any(len(call.steps) >= self.min_checks for call in known):
            raise NotEnough(
                Text("at least {least} check-ups of a squared or absolute loss").format(
                    least=self.min_checks
                )
            )
        own = {each.column: each.steps for each in columns(run, q.CALL_OWN_TARGET)}
        for call in known:
            steps = own.get(call.name, call.steps[:0])
            if len(call.steps) >= self.min_checks and np.isin(call.steps, steps).all():
                ends = int(call.steps[0]), int(call.steps[-1])
                checks = str(len(call.steps))
                evidence = Evidence(q.CALL_OWN_TARGET.name, call.name, *ends, 1.0, 0.0)
                message = _MESSAGE.format(call=call.name, checks=checks)
                yield Finding(self.code, self.severity, call.name, (evidence,), message, _ADVICE)
