"""What holds for every rule and any run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.sick_runs import sick_run
from made.changes import changed, head
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict, diagnose, judge
from tb_lossdiag.diagnosis.rule import Finding, Rule, Severity
from tb_lossdiag.quantities import MODULE_FED_BY, Axis
from tb_lossdiag.records import Table
from tb_lossdiag.rules import RULES
from tb_lossdiag.run import Run

# Depth is the order of parameters and of modules, so these are not among them.
ORDERLESS = [rule for rule in RULES if rule.code not in {"LD201", "LD206", "LD704"}]
ids = [rule.code for rule in RULES]


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 400))
def test_a_healthy_run_has_no_alarm(seed: int, records: int) -> None:
    diagnosis = diagnose(healthy_run(seed, records), RULES)
    assert not [f for f in diagnosis.findings() if f.severity > Severity.INFO]
    assert not [o.trace for o in diagnosis.outcomes if o.verdict is Verdict.FAILED]


@pytest.mark.parametrize("code", ids)
def test_findings_lie_within_the_run(code: str) -> None:
    run = sick_run(code)
    first, last = run.first_step(), run.last_step()
    assert first is not None
    assert last is not None
    found = list(diagnose(run, RULES).findings())
    assert code in {finding.code for finding in found}
    for finding in found:
        assert first <= finding.first_step <= finding.last_step <= last


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(ids), st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_holes_anywhere_never_make_a_rule_fail(code: str, seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    run = sick_run(code)
    for table in list(run.tables.values()):
        holes = rng.random(table.values.shape) < share
        odd = rng.choice(np.array([np.nan, np.inf, 0.0, -1.0], np.float32), table.values.shape)
        run = changed(run, table.quantity, np.where(holes, odd, table.values))
    _never_fails(run)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(ids), st.integers(0, 60), st.integers(1, 9))
def test_few_and_sparse_records_never_make_a_rule_fail(code: str, records: int, every: int) -> None:
    _never_fails(head(sick_run(code), records))
    sparse = {n: _rows(t, np.arange(0, len(t), every)) for n, t in sick_run(code).tables.items()}
    _never_fails(replace(sick_run(code), tables=sparse))


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(ORDERLESS), st.integers(0, 2**32 - 1))
def test_the_order_of_columns_does_not_matter(rule: Rule, seed: int) -> None:
    run = sick_run(rule.code)
    rng = np.random.default_rng(seed)
    shuffled = replace(run, tables={n: _shuffled(t, rng) for n, t in run.tables.items()})
    assert _gist(judge(shuffled, rule)[1]) == _gist(judge(run, rule)[1])


def _never_fails(run: Run) -> None:
    for outcome in diagnose(run, RULES).outcomes:
        assert outcome.verdict is not Verdict.FAILED, outcome.trace


def _rows(table: Table, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Table:
    return Table(
        table.quantity, table.columns, table.steps[rows], table.walltimes[rows], table.values[rows]
    )


def _shuffled(table: Table, rng: np.random.Generator) -> Table:
    order = rng.permutation(len(table.columns))
    if table.quantity.axis is Axis.RUN:
        return table
    names = tuple(table.columns[index] for index in order)
    values = table.values[:, order]
    if table.quantity is MODULE_FED_BY:  # its values are places of columns
        places = np.argsort(order)
        values = np.where(np.isnan(values), np.nan, places[np.nan_to_num(values).astype(int)])
    return replace(table, columns=names, values=values.astype(np.float32))


def _gist(findings: Sequence[Finding]) -> list[tuple[str, str, int, int, int]]:
    return sorted((f.code, f.subject, f.severity, f.first_step, f.last_step) for f in findings)
