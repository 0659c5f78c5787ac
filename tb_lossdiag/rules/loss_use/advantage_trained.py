"""LD527 advantage-trained."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import Sighting, columns, too_few
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "In all {checks} check-ups up to step {end} the policy's likelihoods were weighed with returns less values that carry a gradient: the policy's loss moves the critic, which makes its answers larger or smaller than the returns."
)
_ADVICE = Text("""An advantage is a number that is given. Take its gradient away before it weighs anything; the critic learns from its own loss alone:

```python
answers = critic(seen).squeeze(-1)
advantage = (returns - answers).detach()
critic_loss = ((answers - returns) ** 2).mean()
```""")


@dataclass(frozen=True)
class AdvantageTrained:
    """The policy's loss moves the critic.

    Why it matters: an advantage says how much better something went than the critic expected. With its gradient, the policy's loss also
    becomes smaller where the critic expects more of what was unlikely; its answers leave the returns by as much as that is unlikely, and all
    that was done looks worse than it was.

    How it decides: in all check-ups that know what weighs a policy's likelihoods, at least `min_checks`, it is the targets of a squared or
    absolute loss less the very answers that are compared with them, and these carry a gradient. Unit: check-ups.

    What to try first: `detach()` behind the advantage.

    Guards against: products without a likelihood, such as a residual times a weight that is learned; advantages that were made when the
    rollout was; losses of which the critic's answers are no part.

    References: Mnih et al. 2016, Asynchronous methods for deep reinforcement learning (arXiv 1602.01783), algorithm S3, where each loss has its own
    parameters; astariul/encode-attend-navigate-pytorch issue 2; keras-team/keras-io issue 194.
    """

    code: ClassVar[str] = "LD527"
    name: ClassVar[str] = "advantage-trained"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("The policy's loss moves the critic")
    reads: ClassVar[tuple[Quantity, ...]] = ()
    may_read: ClassVar[tuple[Quantity, ...]] = (q.CRITIC_MOVED,)
    explains: ClassVar[tuple[str, ...]] = (
        "LD104", "LD109", "LD405", "LD523", "LDR02", "LDR15", "LDR16", "LDR19", "LDR20", "LDR25",
    )  # fmt: skip

    #: check-ups; how a loss is written is the same in each
    min_checks: int = 3

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding if it does so throughout."""
        seen = [s for s in columns(run, q.CRITIC_MOVED) if len(s.steps) >= self.min_checks]
        if not seen:
            raise too_few(
                self.min_checks, Text("check-ups that see an advantage made of a critic's answers")
            )
        yield from (self._finding(each) for each in seen if each.values.min() >= 1)

    def _finding(self, each: Sighting) -> Finding:
        ends = int(each.steps[0]), int(each.steps[-1])
        message = _MESSAGE.format(checks=str(len(each.steps)), end=str(ends[1]))
        evidence = Evidence(q.CRITIC_MOVED.name, each.column, *ends, 1.0, 0.0)
        return Finding(self.code, self.severity, each.column, (evidence,), message, _ADVICE)
