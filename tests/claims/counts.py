"""How many of a thing there can be in a run."""

from __future__ import annotations

import math
import re

from claims.sentences import PLACE as N
from claims.sentences import Clause
from tb_lossdiag import quantities as q
from tb_lossdiag.diagnosis.rule import Finding, Rule
from tb_lossdiag.quantities import Axis
from tb_lossdiag.run import Run

_NOUN = r"(?: of (?:the |all )?⟨\d+⟩)?[^⟨⟪;,.(]*?\b(records|validations|check-ups|decompositions|parameters|steps|clips)\b"


def most(run: Run, rule: Rule, finding: Finding, clause: Clause, at: int) -> float:
    """The most that a count may be, by the noun after it; infinite for what is not recorded one by one."""
    if re.search(rf"⟪\d+⟫ and ⟨{at}⟩ more\b", clause.words):
        return _columns(run, Axis.PARAMETER) - 1
    noun = re.match(_NOUN, clause.words.partition(f"⟨{at}⟩")[2])
    if noun is None:
        return math.inf
    if noun[1] == "records":
        return _records(run, rule, finding, clause, at)
    if noun[1] == "parameters":
        return _columns(run, Axis.PARAMETER)
    if noun[1] in {"steps", "clips"}:
        steps = (run.last_step() or 0) - (run.first_step() or 0) + 1
        return steps * max(_columns(run, Axis.CLIP), 1)
    return _length(run, _COUNTED.get(noun[1], q.CHECK_SECONDS))


_COUNTED = {"decompositions": q.TERM_GRADIENT_NORM, "validations": q.VALIDATION_LOSS}
"""What has a record for each."""


def _records(run: Run, rule: Rule, finding: Finding, clause: Clause, at: int) -> float:
    for first, last in clause.found(rf"from step {N} to {N} \(⟨{at}⟩ records\)"):
        steps = run.tables[finding.evidence[0].quantity].steps
        return int(((steps >= first.number) & (steps <= last.number)).sum())
    return max(len(run[each]) for each in (*rule.reads, *rule.may_read) if each in run)


def _columns(run: Run, axis: Axis) -> int:
    tables = (table for table in run.tables.values() if table.quantity.axis is axis)
    return max((len(table.columns) for table in tables), default=0)


def _length(run: Run, quantity: q.Quantity) -> float:
    """Records of a quantity; where it is none of this run's, the noun counts something else."""
    return len(run[quantity]) if quantity in run else math.inf
