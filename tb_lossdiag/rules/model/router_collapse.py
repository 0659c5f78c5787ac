"""LD714 router-collapse."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.expert_logs import idle_shares
from tb_lossdiag.analysis.inside import Seen, seen, settled, typical
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "Experts stand idle: {share}% of those of `{name}` get no tokens, or next to none, in all {checks} check-ups since step {step}; so it is in {count} of {all} routers."
)
_LOGGED = Text(
    "Experts stand idle: by the log {share}% of those{where} get no token in any record since step {step}, {first}% did at the beginning; so it is in {count} of {all} layers."
)
_WHERE = Text(" of `{name}`")
_ADVICE = Text("""An expert without tokens has no gradient, so it will not come back by itself.

- Add a balancing loss from the first step on, or raise its weight until the loads come together.
- Start the router small (`torch.nn.init.normal_(router.weight, std=0.02)`), and add a little noise to its scores in the first steps.
- Look at what the router is given: without a normalisation before it a few large features decide for all tokens alike.""")


@dataclass(frozen=True)
class RouterCollapse:
    """A router sends no tokens to many of its experts.

    Why it matters: idle experts are memory without use, and have no gradient by which they could change that.

    How it decides: at least `max_idle` of a router's experts get less than a hundredth of their fair share in each of the check-ups after the first `early`
    of the run and the first `min_step` steps, of which there are at least `min_checks`. An error from `severe_idle` on. Where a log alone tells the share
    of idle experts, in at least `min_records` records, it is so in all of the last half: a warning from `severe_idle` on if at the beginning it was half of that or less, else an
    information, since experts of a model that is tuned further may be specialists already, and a log does not say how many tokens it looked at. Unit: 1.

    What to try first: a balancing loss, and a smaller start of the router.

    Guards against: the first steps; fewer than four experts, which are not recorded; batches in which an expert's fair share is below `min_tokens`.

    References: Shazeer et al. 2017, Outrageously Large Neural Networks (arXiv 1701.06538), section 4; pytorch/torchtitan issue 1246.
    """

    code: ClassVar[str] = "LD714"
    name: ClassVar[str] = "router-collapse"
    severity: ClassVar[Severity] = Severity.ERROR
    title: ClassVar[Text] = Text("Experts stand idle")
    reads: ClassVar[tuple[Quantity, ...]] = (q.ROUTER_IDLE, q.ROUTER_PER_EXPERT)
    may_read: ClassVar[tuple[Quantity, ...]] = (q.LOGGED_IDLE,)
    instead: ClassVar[tuple[Quantity, ...]] = (q.LOGGED_IDLE,)
    explains: ClassVar[tuple[str, ...]] = ("LD204", "LD205", "LD713")

    #: share of the experts, 1; chance leaves none without tokens
    max_idle: float = 0.25
    #: share of the experts, 1; chance leaves none without tokens
    severe_idle: float = 0.5
    #: share of the run, 1; routers settle in their first steps
    early: float = 0.05
    #: steps; in short runs a share of them is nothing
    min_step: int = 10
    #: check-ups; of fewer a single one decides
    min_checks: int = 3
    #: tokens; of sixteen that are due, none comes by chance once in nine million
    min_tokens: float = 16.0
    #: records of a log; of fewer a few batches decide
    min_records: int = 20

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for all routers."""
        if q.ROUTER_IDLE not in run:
            yield from self._by_log(run)
            return
        since = settled(run, self.early, self.min_step)
        due = typical(run, q.ROUTER_PER_EXPERT, self.min_tokens)
        routers = [
            each for each in seen(run, q.ROUTER_IDLE, self.min_checks, since) if each.name in due
        ]
        if not routers:
            needs = Text("{count} check-ups of a router with {tokens} tokens for each expert")
            wanted = {"count": str(self.min_checks), "tokens": f"{self.min_tokens:.0f}"}
            raise NotEnough(needs.format(**wanted))
        idle = [each for each in routers if each.values.min() >= self.max_idle]
        if idle:
            yield self._finding(idle, len(routers))

    def _by_log(self, run: Run) -> Iterator[Finding]:
        layers = idle_shares(run, self.min_records)
        if not layers:
            needs = Text("{count} records of the share of idle experts")
            raise NotEnough(needs.format(count=str(self.min_records)))
        idle = [each for each in layers if each.least >= self.max_idle]
        if not idle:
            return
        worst = max(idle, key=lambda each: each.least)
        message = _LOGGED.format(
            share=f"{100 * worst.least:.0f}",
            where=_WHERE.format(name=worst.name) if worst.name else Text(""),
            step=str(int(worst.steps[0])),
            first=f"{100 * worst.early:.0f}",
            count=str(len(idle)),
            all=str(len(layers)),
        )
        ends = int(worst.steps[0]), int(worst.steps[-1])
        evidence = Evidence(q.LOGGED_IDLE.name, worst.name, *ends, worst.least, self.max_idle)
        collapsed = worst.least >= self.severe_idle and worst.early <= worst.least / 2
        severity = Severity.WARNING if collapsed else Severity.INFO
        numbers = {"idle": worst.least}
        yield Finding(self.code, severity, worst.name, (evidence,), message, _ADVICE, numbers)

    def _finding(self, idle: list[Seen], count: int) -> Finding:
        worst = max(idle, key=lambda each: float(each.values.min()))
        share = float(worst.values.min())
        message = _MESSAGE.format(
            share=f"{100 * share:.0f}",
            name=worst.name,
            checks=str(len(worst.values)),
            step=str(int(worst.steps[0])),
            count=str(len(idle)),
            all=str(count),
        )
        ends = int(worst.steps[0]), int(worst.steps[-1])
        evidence = Evidence(q.ROUTER_IDLE.name, worst.name, *ends, share, self.max_idle)
        severity = self.severity if share >= self.severe_idle else Severity.WARNING
        numbers = {"idle": share}
        return Finding(self.code, severity, worst.name, (evidence,), message, _ADVICE, numbers)
