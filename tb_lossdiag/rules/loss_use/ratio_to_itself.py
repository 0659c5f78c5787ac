"""LD531 ratio-to-itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import columns, too_few
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "In {checks} check-ups, up to step {step}, actions came again after the policy had moved, and the ratio of its probabilities was exactly 1 for all of them: the old ones are made anew by the policy that is trained, so nothing is ever clipped."
)
_ADVICE = Text("""Keep the probabilities with which the actions were drawn, and compare with these in every pass over them:

```python
with torch.no_grad():
    policy = torch.distributions.Categorical(logits=actor(seen))
    actions = policy.sample()
    before = policy.log_prob(actions)
for _ in range(4):
    now = torch.distributions.Categorical(logits=actor(seen)).log_prob(actions)
    ratio = torch.exp(now - before)
```

`now - now.detach()` is right only where each batch of actions is used once.""")


@dataclass(frozen=True)
class RatioToItself:
    """A policy's probability ratio compares the policy with itself.

    Why it matters: several passes over the same actions are sound as long as the ratio of new to old probabilities says how far the policy has
    moved, and the clip stops it there. With old probabilities that are made anew the ratio is 1 in each pass: no bound is left, and
    later passes follow a gradient that belongs to another policy.

    How it decides: in at least `min_checks` check-ups, and in all that can tell, actions of an earlier check-up came again (all of them in
    their order, of which the policy thought otherwise; or some of the very same real numbers), and exp(now - before), or now / before,
    which is clamped around 1 on the way to the loss, was exactly 1 for all of them. Unit: check-ups.

    What to try first: store the log-probabilities when the actions are drawn.

    Guards against: batches of actions that are used once, where the ratio is 1 and should be; actions that would be drawn alike again (their
    log-probabilities add up to less than -30); weights that have not moved.

    References: Schulman et al. 2017, Proximal Policy Optimization (arXiv 1707.06347), equation 7; abhisheksuran/Reinforcement_Learning
    issue 4; AI4Finance-Foundation/ElegantRL issue 243.
    """

    code: ClassVar[str] = "LD531"
    name: ClassVar[str] = "ratio-to-itself"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("The policy's ratio is always 1")
    reads: ClassVar[tuple[Quantity, ...]] = ()
    may_read: ClassVar[tuple[Quantity, ...]] = (q.RATIO_TO_ITSELF,)
    explains: ClassVar[tuple[str, ...]] = ("LDR02", "LDR04", "LDR16", "LDR19")

    #: check-ups; each compares many actions, and a ratio that is one by chance for all of them after a step is not seen
    min_checks: int = 2

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding if the ratio never leaves one."""
        seen = list(columns(run, q.RATIO_TO_ITSELF))
        if not any(len(each.steps) >= self.min_checks for each in seen):
            raise too_few(self.min_checks, Text("check-ups that see a policy's actions come again"))
        for column, steps, ones in seen:
            if len(steps) >= self.min_checks and ones.all():
                ends = int(steps[0]), int(steps[-1])
                message = _MESSAGE.format(checks=str(len(steps)), step=str(ends[1]))
                evidence = Evidence(q.RATIO_TO_ITSELF.name, column, *ends, 1.0, 0.0)
                numbers = {"checks": len(steps)}
                yield Finding(
                    self.code, self.severity, column, (evidence,), message, _ADVICE, numbers
                )
