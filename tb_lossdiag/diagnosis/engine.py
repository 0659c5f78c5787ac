"""Runs the rules over a run and orders what they found: causes first, their symptoms folded inside."""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import lru_cache

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.diagnosis import foreign, settings
from tb_lossdiag.diagnosis.quantity_names import in_words
from tb_lossdiag.diagnosis.rule import Finding, NotEnough, Rule, Severity, Text
from tb_lossdiag.diagnosis.ways import joined, said
from tb_lossdiag.quantities import Quantity, hints
from tb_lossdiag.run import Run


class Verdict(Enum):
    """What became of a rule."""

    FINDINGS = "findings"
    CLEAR = "clear"
    NOT_EVALUATED = "not evaluated"
    FAILED = "failed"


NOTHING_HERE = "nothing here"
"""How a rule is counted that looks at what this run has not: recording more would not let it judge."""


@dataclass(frozen=True)
class Outcome:
    """What became of one rule on one run.

    Attributes:
        code: code of the rule.
        verdict: see `Verdict`.
        missing: names of the quantities that were not recorded.
        reason: why it was not evaluated, or the error's last line.
        trace: traceback of a failed rule, for a bug report.
        absent: it was not evaluated because check-ups looked and there was nothing of the kind, or the run is of another kind.
    """

    code: str
    verdict: Verdict
    missing: tuple[str, ...] = ()
    reason: Text | None = None
    trace: str = ""
    absent: bool = False


@dataclass(frozen=True)
class Cause:
    """A finding together with the findings it explains."""

    finding: Finding
    explains: tuple[Cause, ...] = ()

    @property
    def worst(self) -> Severity:
        """The highest severity among the finding and all it led to."""
        return max([self.finding.severity, *(cause.worst for cause in self.explains)])


@dataclass(frozen=True)
class Suppressed:
    """A finding that somebody has accepted, with the reason they gave."""

    finding: Finding
    reason: str


@dataclass(frozen=True)
class Diagnosis:
    """Everything the rules say about a run.

    Attributes:
        run: the run's name.
        causes: findings nothing else explains, with what they explain; first those with the worst consequence, then the earliest.
        outcomes: one per rule, in the order of the rules.
        suppressed: findings that are accepted; they are in no other list and count for nothing.
    """

    run: str
    causes: tuple[Cause, ...]
    outcomes: tuple[Outcome, ...]
    suppressed: tuple[Suppressed, ...] = ()

    @property
    def worst(self) -> Severity | None:
        """Highest severity among all findings, None if there are none."""
        return max((finding.severity for finding in self.findings()), default=None)

    def findings(self) -> Iterable[Finding]:
        """All findings, causes before what they explain."""
        stack = list(reversed(self.causes))
        while stack:
            cause = stack.pop()
            yield cause.finding
            stack.extend(reversed(cause.explains))


_ONE_EACH = Text(
    "one loss of one model: each of the watched ones has its own, which is recorded as a term"
)

_NO_AGENT = Text("nothing here that it judges: no rewards or preferences are logged")


def diagnose(run: Run, rules: Sequence[Rule]) -> Diagnosis:
    """Judge a run by these rules. A rule that raises is reported as failed; the others go on."""
    run = replace(run)  # what rules share is kept for as long as this diagnosis takes
    explains = {rule.code: rule.explains for rule in rules}
    judged = [judge(run, rule) for rule in rules]
    causes = fold([finding for _, found in judged for finding in found], explains)
    return Diagnosis(run.name, causes, tuple(outcome for outcome, _ in judged))


def judge(run: Run, rule: Rule) -> tuple[Outcome, list[Finding]]:
    """Outcome and findings of one rule."""
    there = run.recorded
    missing = tuple(quantity for quantity in rule.reads if quantity.name not in there)
    # A rule may name quantities any of which it can judge by instead.
    if missing and not any(quantity.name in there for quantity in getattr(rule, "instead", ())):
        checks = len(run[q.CHECK_SECONDS]) if q.CHECK_SECONDS in run else 0
        return _not_recorded(rule.code, missing, there, checks, several=_several(run)), []
    try:
        found = _asked(rule, run.restricted((*rule.reads, *rule.may_read)))
    except NotEnough as reason:
        return Outcome(rule.code, Verdict.NOT_EVALUATED, reason=reason.needs), []
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  (one broken rule must not hide the others)
        return _failed(rule.code, error), []
    found = [settings.told(one, getattr(rule, "setting", ""), run.facts) for one in found]
    return Outcome(rule.code, Verdict.FINDINGS if found else Verdict.CLEAR), found


def _asked(rule: Rule, run: Run) -> list[Finding]:
    if not foreign.own(rule):
        return foreign.asked(rule, run)
    with np.errstate(all="ignore"):
        return list(rule.check(run))


def _failed(code: str, error: BaseException) -> Outcome:
    if isinstance(error, foreign.Failed):
        return Outcome(code, Verdict.FAILED, (), error.reason, error.trace)
    line = foreign.said(error)
    return Outcome(code, Verdict.FAILED, (), Text(line), traceback.format_exc())


@lru_cache(maxsize=4096)
def _not_recorded(
    code: str, missing: tuple[Quantity, ...], there: frozenset[str], checks: int, *, several: bool
) -> Outcome:
    """What becomes of a rule that lacks these, once for all runs that have recorded the same: most rules lack something, of most runs.

    Args:
        code: the rule's.
        missing: what it reads and the run has not.
        there: what is recorded.
        checks: check-ups.
        several: whether several models are watched.
    """
    lacking = tuple(each.name for each in missing)
    if several and q.LOSS in missing and q.LOSS_TERM.name in there:
        # As players have: there is no single loss that anybody could pass.
        return Outcome(code, Verdict.NOT_EVALUATED, lacking, _ONE_EACH, absent=True)
    if _of_another_kind(there, lacking):
        return Outcome(code, Verdict.NOT_EVALUATED, lacking, _NO_AGENT, absent=True)
    unseen = [quantity for quantity in missing if not _looked_for(there, quantity)]
    how = joined(each.how for each in unseen if not _asked_for(there, each))
    reason = _lacks(lacking, how)
    if not unseen:
        reason = Text("nothing here that it judges: {names} in none of {checks} check-ups").format(
            names=in_words(lacking), checks=checks
        )
    return Outcome(code, Verdict.NOT_EVALUATED, lacking, reason, absent=not unseen)


@lru_cache(maxsize=2048)
def _lacks(names: tuple[str, ...], how: str) -> Text:
    """Why a rule cannot judge, once for all runs that lack the same: most rules do, of most runs."""
    if not how:
        return Text("{names} not there, though a model is watched").format(names=in_words(names))
    return Text("{names} not recorded: {how}").format(names=in_words(names), how=said(how))


_KINDS = tuple(frozenset(each.name for each in kind) for kind in (q.AGENT, q.PREFERENCE))
"""What only an agent's log has, or only that of a preference tuning."""


def _of_another_kind(there: frozenset[str], lacking: Sequence[str]) -> bool:
    """Whether a rule asks for what only such a log has, and this run's has nothing of it."""
    return any(not names.isdisjoint(lacking) and names.isdisjoint(there) for names in _KINDS)


def _several(run: Run) -> bool:
    """Whether several models are watched."""
    return q.STEPS in run and len(run[q.STEPS].columns) > 1


def _looked_for(there: frozenset[str], quantity: Quantity) -> bool:
    """Whether check-ups would have recorded it, had there been anything of the kind: no batch normalisation, no such loss call."""
    if quantity.how == hints.ACTIVATIONS:
        return q.CHECK_SECONDS.name in there and q.ACTIVATION_MEAN.name in there
    return q.CHECK_SECONDS.name in there and quantity.how in {
        hints.CALL,
        hints.CHECK_UP,
        hints.ROUTER,
    }


def _asked_for(there: frozenset[str], quantity: Quantity) -> bool:
    """Whether what records it was called: a model is watched."""
    return q.STEPS.name in there and quantity.how in {hints.MODEL, hints.OPTIMIZER, hints.WATCH}


def fold(findings: Sequence[Finding], explains: dict[str, tuple[str, ...]]) -> tuple[Cause, ...]:
    """Put each finding under the one that explains it, if one does and began no later than it ended, and did not happen later."""
    parents = [_parent(index, findings, explains) for index in range(len(findings))]

    def under(parent: int | None) -> tuple[Cause, ...]:
        children = [child for child, above in enumerate(parents) if above == parent]
        return _ordered([Cause(findings[child], under(child)) for child in children])

    return under(None)


def _parent(
    index: int, findings: Sequence[Finding], explains: dict[str, tuple[str, ...]]
) -> int | None:
    """The finding that explains this one: of those that may, the nearest in the chain, then the earliest, then the worst.

    What is only an information does no harm, so it explains none.
    """
    me = findings[index]
    able = [
        other
        for other, finding in enumerate(findings)
        if other != index
        and me.code in explains.get(finding.code, ())
        and _in_time(finding, me)
        and (finding.severity > Severity.INFO or me.severity == Severity.INFO)
    ]
    # A explains B explains me: hang under B, so that the chain reads in order.
    nearest = [
        a for a in able if not any(findings[b].code in explains[findings[a].code] for b in able)
    ]
    return min(
        nearest or able,
        key=lambda i: (findings[i].first_step, -findings[i].severity, i),
        default=None,
    )


def _in_time(cause: Finding, symptom: Finding) -> bool:
    """Whether one may have led to the other: it began before the other ended, and did not happen after it."""
    if cause.onset is not None and symptom.onset is not None and cause.onset > symptom.onset:
        return False
    return cause.first_step <= symptom.last_step


def _ordered(causes: Sequence[Cause]) -> tuple[Cause, ...]:
    """Worst first, by what they led to: a warning that broke the run comes before an error that did not."""
    return tuple(sorted(causes, key=lambda cause: (-cause.worst, cause.finding.first_step)))
