"""How tests ask a rule about a run, beside what `tb_lossdiag.testing` ships: the code that an advice shows must run."""

from __future__ import annotations

import functools

from helpers import snippets
from tb_lossdiag import testing
from tb_lossdiag.diagnosis.engine import Verdict, judge
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Rule, Severity
from tb_lossdiag.run import Run


def findings(rule: Rule, run: Run) -> list[Finding]:
    """What the rule finds; fails the test if it was not evaluated, or if code that an advice shows does not run."""
    found = testing.findings(rule, run)
    _advice_runs(found)
    return found


def the_finding(rule: Rule, run: Run) -> Finding:
    """The one finding there should be."""
    found = findings(rule, run)
    assert len(found) == 1, found
    return found[0]


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
