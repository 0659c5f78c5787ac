"""LD713 expert-imbalance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.expert_logs import loads
from tb_lossdiag.analysis.inside import Seen, seen, settled, typical
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "Few experts do the work: the busiest one of `{name}` gets {most} times its fair share of the tokens (median of {checks} check-ups), in {count} of {all} routers more than {bound} times."
)
_LOGGED = Text(
    "Few experts do the work: by the log the busiest one{where} gets {most} times its fair share of the tokens (median of the last half), {first} times at the beginning; in {count} of {all} layers it is more than {bound} times."
)
_WHERE = Text(" of `{name}`")
_ADVICE = Text("""What the others hold is hardly trained, and where experts lie on several devices all wait for the busiest one. Add a balancing loss, with a weight near 0.01:

```python
fractions = torch.bincount(chosen.flatten(), minlength=experts) / chosen.numel()
balance = experts * (fractions * probabilities.mean(0)).sum()
loss = loss + 0.01 * balance
```

Or let a bias on the router's scores, which gradients do not reach, follow the load.""")


@dataclass(frozen=True)
class ExpertImbalance:
    """A router sends far more tokens to some experts than to others.

    Why it matters: who gets few tokens learns little, gets fewer still, and the model is as large as its few busy experts.

    How it decides: the tokens of a router's busiest expert, over what it would get if all got the same, are at least `max_ratio` in the median of
    the check-ups after the first `early` of the run and the first `min_step` steps, of which there are at least `min_checks`, and in the newest of them. A warning if at least
    half of the routers are like that, else an information. Where a log alone tells the load of each layer, or its mean, in at least `min_records` records, it is the median
    of the last half, and no warning unless it was less than that over `min_growth` in the first twentieth: experts of a model that is tuned further may be
    specialists already. Unit: 1.

    What to try first: a balancing loss, or more of it.

    Guards against: the first steps; routers that come into balance; fewer than `min_experts` experts; batches in which an expert's fair share is below `min_tokens`, whose counts scatter.

    References: Fedus et al. 2021, Switch Transformers (arXiv 2101.03961), section 2.2; Wang et al. 2024, Auxiliary-Loss-Free Load Balancing (arXiv
    2408.15664), which measures load like this.
    """

    code: ClassVar[str] = "LD713"
    name: ClassVar[str] = "expert-imbalance"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Few experts do the work")
    reads: ClassVar[tuple[Quantity, ...]] = (
        q.ROUTER_MOST,
        q.ROUTER_EXPERTS,
        q.ROUTER_PER_EXPERT,
    )
    may_read: ClassVar[tuple[Quantity, ...]] = (q.LOGGED_LOAD, q.LOGGED_EXCESS)
    instead: ClassVar[tuple[Quantity, ...]] = (q.LOGGED_LOAD, q.LOGGED_EXCESS)
    explains: ClassVar[tuple[str, ...]] = ("LD205",)

    #: times the fair share, 1
    max_ratio: float = 3.0
    #: share of the run, 1; routers settle in their first steps
    early: float = 0.05
    #: steps; in short runs a share of them is nothing
    min_step: int = 10
    #: check-ups; of fewer a single one decides
    min_checks: int = 3
    #: experts; of four, three times the fair share is nearly all there is
    min_experts: float = 8.0
    #: tokens; chance moves sixteen by a quarter
    min_tokens: float = 16.0
    #: records of a log; of fewer a few batches decide
    min_records: int = 20
    #: later over first load, 1
    min_growth: float = 1.5

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for all routers."""
        if q.ROUTER_MOST not in run:
            yield from self._by_log(run)
            return
        since = settled(run, self.early, self.min_step)
        large = typical(run, q.ROUTER_EXPERTS, self.min_experts)
        large &= typical(run, q.ROUTER_PER_EXPERT, self.min_tokens)
        routers = [
            each for each in seen(run, q.ROUTER_MOST, self.min_checks, since) if each.name in large
        ]
        if not routers:
            needs = Text("{count} check-ups of a router with {experts} experts or more")
            wanted = {"count": str(self.min_checks), "experts": short_number(self.min_experts)}
            raise NotEnough(needs.format(**wanted))
        uneven = [
            each
            for each in routers
            if min(float(np.median(each.values)), each.values[-1]) >= self.max_ratio
        ]
        if uneven:
            yield self._finding(uneven, len(routers))

    def _by_log(self, run: Run) -> Iterator[Finding]:
        layers = loads(run, self.min_records)
        if not layers:
            needs = Text("{count} records of the load of the busiest expert")
            raise NotEnough(needs.format(count=str(self.min_records)))
        uneven = [each for each in layers if each.late >= self.max_ratio]
        if not uneven:
            return
        worst = max(uneven, key=lambda each: each.late)
        grown = [each for each in uneven if each.late >= self.min_growth * each.early]
        message = _LOGGED.format(
            where=_WHERE.format(name=worst.name) if worst.name else Text(""),
            most=short_number(worst.late),
            first=short_number(worst.early),
            count=str(len(uneven)),
            all=str(len(layers)),
            bound=short_number(self.max_ratio),
        )
        ends = int(worst.steps[0]), int(worst.steps[-1])
        evidence = Evidence(
            worst.quantity.name, worst.name, *ends, worst.observed, worst.as_logged(self.max_ratio)
        )
        severity = self.severity if 2 * len(grown) >= len(layers) else Severity.INFO
        numbers = {"ratio": worst.late}
        yield Finding(self.code, severity, worst.name, (evidence,), message, _ADVICE, numbers)

    def _finding(self, uneven: list[Seen], count: int) -> Finding:
        worst = max(uneven, key=lambda each: float(np.median(each.values)))
        most = float(np.median(worst.values))
        message = _MESSAGE.format(
            name=worst.name,
            most=short_number(most),
            checks=str(len(worst.values)),
            count=str(len(uneven)),
            all=str(count),
            bound=short_number(self.max_ratio),
        )
        ends = int(worst.steps[0]), int(worst.steps[-1])
        evidence = Evidence(q.ROUTER_MOST.name, worst.name, *ends, most, self.max_ratio)
        severity = self.severity if 2 * len(uneven) >= count else Severity.INFO
        numbers = {"ratio": most}
        return Finding(self.code, severity, worst.name, (evidence,), message, _ADVICE, numbers)
