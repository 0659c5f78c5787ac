"""How tests ask a rule about a run."""

from __future__ import annotations

import functools

from helpers import snippets
from tb_lossdiag.diagnosis.engine import Outcome, Verdict, judge
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Rule, Severity
from tb_lossdiag.run import Run


def findings(rule: Rule, run: Run) -> list[Finding]:
    """What the rule finds; fails the test if it raises, or if code that an advice shows does not run."""
    outcome, found = judge(run, rule)
    assert outcome.verdict in {Verdict.FINDINGS, Verdict.CLEAR}, outcome
    _advice_runs(found)
    return found


def the_finding(rule: Rule, run: Run) -> Finding:
    """The one finding there should be."""
    found = findings(rule, run)
    assert len(found) == 1, found
    return found[0]


def outcome(rule: Rule, run: Run) -> Outcome:
    """What became of the rule."""
    return judge(run, rule)[0]


def first_evidence(rule: Rule, run: Run) -> Evidence:
    """The first piece of evidence of the one finding."""
    return the_finding(rule, run).evidence[0]


def alarms(rule: Rule, run: Run) -> list[Finding]:
    """Findings that count against a run."""
    return [finding for finding in findings_if_any(rule, run) if finding.severity > Severity.INFO]


def findings_if_any(rule: Rule, run: Run) -> list[Finding]:
    """What the rule finds, nothing if it was not evaluated; fails the test if it raises."""
    result, found = judge(run, rule)
    assert result.verdict is not Verdict.FAILED, result.trace
    _advice_runs(found)
    return found


def _advice_runs(found: list[Finding]) -> None:
    for finding in found:
        for block in snippets.blocks(finding.advice):
            _runs(finding.code, block)


@functools.cache
def _runs(code: str, block: str) -> None:
    snippets.run(code, block)
