from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.changes import changed, head, with_none_gradients, without
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import (
    GRADIENT_NONFINITE,
    GRADIENT_NORM,
    PARAMETER_FOREIGN,
    PARAMETER_HELD,
    PARAMETER_NORM,
    PARAMETER_SIZE,
    PARAMETER_TRAINABLE,
)
from tb_lossdiag.records import Table, table
from tb_lossdiag.rules.gradients.no_gradient import NoGradient
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = NoGradient()
RUN = healthy_run(1, layers=4)
BRANCH = ["body.1.weight", "body.1.bias"]
SICK = with_none_gradients(RUN, BRANCH)


def test_fires_once_for_a_whole_module() -> None:
    finding = the_finding(RULE, with_none_gradients(RUN, BRANCH))
    assert finding.subject == "body.1.*"
    assert 'model.get_submodule("body.1").parameters()' in finding.advice.en
    assert "2 of 8" in finding.message.en


def test_fires_once_for_scattered_parameters() -> None:
    finding = the_finding(RULE, with_none_gradients(RUN, ["body.1.bias", "body.3.weight"]))
    assert "`body.1.bias`, `body.3.weight`" in finding.message.en
    assert [piece.column for piece in finding.evidence] == ["body.1.bias", "body.3.weight"]


@pytest.mark.parametrize("seed", range(5))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings(RULE, healthy_run(seed))


def test_adapters_in_frozen_layers_are_told_of_reentrant_checkpoints() -> None:
    run = with_none_gradients(RUN, BRANCH)
    frozen = np.isin(RUN[GRADIENT_NORM].columns, ["body.0.weight", "body.0.bias"])
    beside = changed(run, PARAMETER_TRAINABLE, ~frozen[None, :])
    assert "use_reentrant=False" in the_finding(RULE, beside).advice.en
    assert "reentrant" not in the_finding(RULE, run).advice.en


@pytest.mark.parametrize(
    ("theirs", "size", "frozen", "severity"),
    [
        (["body.1", "body.2"], 10.0, [], Severity.INFO),
        (["body.1"], 10.0, [], Severity.WARNING),  # all of it: cut off
        (["body.2"], 10.0, [], Severity.WARNING),  # the user's own
        (["body.1", "body.2"], 40.0, [], Severity.WARNING),  # a good part of it
        (["body.1", "body.2"], 10.0, ["body.3"], Severity.WARNING),  # adapters, say
    ],
)
def test_what_a_library_computes_beside_is_no_fault(
    theirs: list[str], size: float, frozen: list[str], severity: Severity
) -> None:
    """A pooler whose output nobody uses."""
    run = with_none_gradients(RUN, BRANCH)
    columns = run[GRADIENT_NORM].columns
    parts = np.array([name.rpartition(".")[0] for name in columns])
    facts = {
        PARAMETER_FOREIGN: np.isin(parts, theirs).astype(float),
        PARAMETER_SIZE: np.where(np.isin(columns, BRANCH), size, 100.0),
        PARAMETER_TRAINABLE: 1.0 - np.isin(parts, frozen),
    }
    made = {q.name: table(q, [0], row[None, :], columns) for q, row in facts.items()}
    finding = the_finding(RULE, replace(run, tables={**run.tables, **made}))
    assert finding.severity is severity
    assert ("a library's module" in finding.message.en) is (severity is Severity.INFO)


@pytest.mark.parametrize(
    ("idle", "size", "frozen", "severity"),
    [
        (["layers.1.edges"], 10.0, False, Severity.INFO),
        (["layers.0.edges"], 10.0, False, Severity.WARNING),  # the next one should read it
        (["layers.1.edges", "layers.1.nodes", "layers.1.gate"], 10.0, False, Severity.WARNING),
        (["layers.1.gate"], 10.0, False, Severity.WARNING),  # no other has one
        (["layers.0.edges", "layers.1.edges"], 10.0, False, Severity.WARNING),
        (["layers.1.edges"], 900.0, False, Severity.WARNING),  # a good part of it
        (["layers.1.edges"], 10.0, True, Severity.WARNING),
    ],
)
def test_the_last_of_several_has_no_next_one(
    idle: list[str], size: float, frozen: bool, severity: Severity
) -> None:
    """Coordinates that the last layer of a network of graphs moves for nobody."""
    parts = [
        "layers.0.edges",
        "layers.0.nodes",
        "layers.1.edges",
        "layers.1.nodes",
        "layers.1.gate",
    ]
    columns = tuple(f"{part}.weight" for part in parts)
    run = with_none_gradients(_renamed(columns), [f"{part}.weight" for part in idle])
    sizes = np.where(np.isin(parts, idle), size, 100.0)
    trainable = np.array([1.0] * 4 + [0.0 if frozen else 1.0])
    facts = {PARAMETER_SIZE: sizes, PARAMETER_TRAINABLE: trainable}
    made = {q.name: table(q, [0], row[None, :], columns) for q, row in facts.items()}
    finding = the_finding(RULE, replace(run, tables={**run.tables, **made}))
    assert finding.severity is severity
    assert ("a next one" in finding.message.en) is (severity is Severity.INFO)


def _renamed(columns: tuple[str, ...]) -> Run:
    """The healthy run whose first parameters are these, and which has no others."""
    tables = {
        name: replace(each, columns=columns, values=each.values[:, : len(columns)])
        if each.columns == RUN[GRADIENT_NORM].columns
        else each
        for name, each in RUN.tables.items()
    }
    return replace(RUN, tables=tables)


def test_a_frozen_parameter_is_not_this() -> None:
    run = with_none_gradients(RUN, BRANCH)
    frozen = np.isin(RUN[GRADIENT_NORM].columns, BRANCH)
    assert not findings(RULE, changed(run, PARAMETER_TRAINABLE, ~frozen[None, :]))
    norms = changed(run, PARAMETER_NORM, np.where(frozen, np.nan, 1.0)[None, :])
    assert not findings(RULE, without(norms, PARAMETER_TRAINABLE))


def test_a_copy_that_no_optimizer_holds_is_not_this() -> None:
    """A target network, a teacher, a moving average: it is meant to have none."""
    run = with_none_gradients(RUN, BRANCH)
    copied = np.isin(RUN[GRADIENT_NORM].columns, BRANCH)
    assert not findings(RULE, changed(run, PARAMETER_HELD, (~copied)[None, :]))
    assert findings(RULE, changed(run, PARAMETER_HELD, np.ones_like(copied)[None, :]))
    assert findings(RULE, changed(run, PARAMETER_HELD, np.zeros_like(copied)[None, :]))


def test_sparse_norms_of_parameters_are_enough() -> None:
    run = with_none_gradients(without(RUN, PARAMETER_TRAINABLE), BRANCH)
    norm = run[PARAMETER_NORM]
    few = Table(PARAMETER_NORM, norm.columns, norm.steps[:1], norm.walltimes[:1], norm.values[:1])
    assert findings(RULE, Run("sparse", {**run.tables, PARAMETER_NORM.name: few}, run.facts))


def test_a_branch_used_now_and_then_is_not_this() -> None:
    run = with_none_gradients(RUN, BRANCH)
    for quantity in (GRADIENT_NORM, GRADIENT_NONFINITE):
        values = run[quantity].values.copy()
        values[7] = 0.0
        run = changed(run, quantity, values)
    assert not findings(RULE, run)


def test_evidence_is_the_window_of_the_first_parameter() -> None:
    evidence = the_finding(RULE, with_none_gradients(RUN, BRANCH)).evidence[0]
    assert evidence.column == "body.1.weight"
    assert (evidence.first_step, evidence.last_step) == (0, RUN[GRADIENT_NORM].steps[-1])


def test_least_records() -> None:
    sick = with_none_gradients(RUN, BRANCH)
    assert findings(RULE, head(sick, 5))
    assert outcome(RULE, head(sick, 4)).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, without(sick, PARAMETER_NORM)).missing == (PARAMETER_NORM.name,)
