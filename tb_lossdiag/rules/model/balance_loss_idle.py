"""LD715 balance-loss-idle."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.inside import Seen, seen
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "The balancing loss `{term}` does not react to the load: it stays at {value}, while the load of the busiest expert of `{name}` lies between {least} and {most} (1: its fair share)."
)
_ADVICE = Text("""What follows the load is the product of two things, expert by expert: the share of tokens that each got, which has no gradient, and the mean probability that the router gave it, which has one. A mean taken over experts first, or a shape that broadcasts, makes it a constant:

```python
fractions = torch.bincount(chosen.flatten(), minlength=experts) / chosen.numel()
balance = experts * (fractions * probabilities.mean(0)).sum()
```

It is 1 where all get the same, and as large as the number of experts where one gets all.""")
_BALANCE = re.compile(r"aux|balanc|load|router|moe", re.IGNORECASE)


@dataclass(frozen=True)
class BalanceLossIdle:
    """A mixture's balancing loss stays the same, whatever the load of the experts.

    Why it matters: it looks as if balance were taken care of, and nothing is.

    How it decides: a loss term with balance, load, router, moe or aux in its name stays within `max_change` of its median over at least `min_records` records
    (their middle nine tenths), while the load of a router's busiest expert varies by at least `min_load_change` over `min_checks` check-ups or more, or, by the log, `min_records` records.
    Or the term is the same to `same`, and that load is `min_load` or more in the median. Unit: that of the term.

    What to try first: compute it by hand for one batch in which an expert gets all.

    Guards against: loads that stay the same, with a term that moves from batch to batch as they do; a term of 0, where balance is kept by other means; terms of other meanings; few records.

    References: Fedus et al. 2021, Switch Transformers (arXiv 2101.03961), equation 4.
    """

    code: ClassVar[str] = "LD715"
    name: ClassVar[str] = "balance-loss-idle"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("The balancing loss does not react")
    reads: ClassVar[tuple[Quantity, ...]] = (q.LOSS_TERM,)
    may_read: ClassVar[tuple[Quantity, ...]] = (q.ROUTER_MOST, q.LOGGED_LOAD)
    explains: ClassVar[tuple[str, ...]] = ("LD406", "LD407", "LD713", "LD714")

    #: share of the median, 1; float32 keeps a constant to a millionth
    max_change: float = 0.01
    #: largest over smallest load less 1, 1
    min_load_change: float = 0.2
    #: times the fair share, 1; at 1 a constant would be right
    min_load: float = 2.0
    #: share of the median, 1; what depends on probabilities moves by more from batch to batch
    same: float = 1e-6
    #: records; of fewer a calm stretch decides
    min_records: int = 20
    #: check-ups; of fewer a single one decides
    min_checks: int = 5

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for each such term."""
        terms = [t for t in seen(run, q.LOSS_TERM, self.min_records) if _BALANCE.search(t.name)]
        routers = self._routers(run)
        if not terms or not routers:
            needs = Text("a balancing term of the loss, and {count} check-ups of a router")
            raise NotEnough(needs.format(count=str(self.min_checks)))
        busiest = max(routers, key=lambda each: each.values.max() / each.values.min())
        varies = busiest.values.max() >= (1 + self.min_load_change) * busiest.values.min()
        uneven = float(np.median(busiest.values)) >= self.min_load
        for term in terms:
            if (varies and self._within(term, self.max_change)) or (
                uneven and self._within(term, self.same)
            ):
                yield self._finding(term, busiest)

    def _routers(self, run: Run) -> list[Seen]:
        """As check-ups saw them, or as the log tells."""
        if q.ROUTER_MOST in run:
            return list(seen(run, q.ROUTER_MOST, self.min_checks))
        return list(seen(run, q.LOGGED_LOAD, self.min_records)) if q.LOGGED_LOAD in run else []

    @staticmethod
    def _within(term: Seen, share: float) -> bool:
        low, middle, high = np.quantile(term.values, [0.05, 0.5, 0.95])
        return bool(middle != 0 and high - low <= share * abs(middle))

    def _finding(self, term: Seen, router: Seen) -> Finding:
        value = float(np.median(term.values))
        message = _MESSAGE.format(
            term=term.name,
            value=short_number(value),
            name=router.name,
            least=short_number(float(router.values.min())),
            most=short_number(float(router.values.max())),
        )
        ends = int(term.steps[0]), int(term.steps[-1])
        evidence = Evidence(q.LOSS_TERM.name, term.name, *ends, value)
        numbers = {"value": value}
        return Finding(self.code, self.severity, term.name, (evidence,), message, _ADVICE, numbers)
