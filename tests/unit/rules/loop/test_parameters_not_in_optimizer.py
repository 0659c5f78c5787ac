from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers.rule_asserts import findings, findings_if_any, first_evidence, the_finding
from made.changes import changed, head, with_none_gradients, without
from made.check_ups import check_steps, with_tables
from made.healthy import healthy_run
from made.loss_calls import with_call
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import (
    ADAPTER_SCALE,
    GRADIENT_NORM,
    LOSS,
    MODULE_KIND,
    PARAMETER_HELD,
    PARAMETER_NORM,
    PARAMETER_SIZE,
    PARAMETER_TRAINABLE,
    UNHELD,
    Kind,
)
from tb_lossdiag.records import table
from tb_lossdiag.rules.loop.parameters_not_in_optimizer import ParametersNotInOptimizer
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = ParametersNotInOptimizer()
RUN = healthy_run(1, layers=4)
AT = check_steps(RUN[LOSS].steps)
COLUMNS = RUN[GRADIENT_NORM].columns


def holding(*names: str) -> Run:
    """Nobody holds, and nothing moves, the other parameters."""
    flags = np.isin(COLUMNS, names).astype(float)
    norms = np.where(flags, RUN[PARAMETER_NORM].values, RUN[PARAMETER_NORM].values[:1])
    return changed(changed(RUN, PARAMETER_HELD, flags[None, :]), PARAMETER_NORM, norms)


HEAD = ("body.2.weight", "body.2.bias", "body.3.weight", "body.3.bias")
SICK = holding(*HEAD)


def test_fires_once_and_names_modules() -> None:
    finding = the_finding(RULE, holding(*HEAD))
    assert finding.severity is Severity.WARNING
    assert "4 of 8" in finding.message.en
    assert "`body.0.*`, `body.1.*`" in finding.message.en


def test_an_optimizer_of_another_model_is_an_error() -> None:
    finding = the_finding(RULE, holding())
    assert finding.severity is Severity.ERROR
    assert finding.subject == "body.*"


@pytest.mark.parametrize(("free", "severity"), [(0.0, Severity.ERROR), (1.0, Severity.WARNING)])
def test_an_optimizer_of_frozen_ones_alone_is_an_error(free: float, severity: Severity) -> None:
    flags = np.where(np.isin(COLUMNS, HEAD), free, 1.0)
    finding = the_finding(RULE, changed(SICK, PARAMETER_TRAINABLE, flags[None]))
    assert finding.severity is severity


@pytest.mark.parametrize("seed", range(5))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings(RULE, healthy_run(seed))


def test_clear_when_held_later() -> None:
    flags = np.stack([np.isin(COLUMNS, HEAD), np.ones(8)]).astype(float)
    held = table(PARAMETER_HELD, [0, 100], flags, COLUMNS)
    assert not findings(RULE, replace(RUN, tables={**RUN.tables, PARAMETER_HELD.name: held}))


def test_clear_when_an_optimizer_the_writer_does_not_know_moves_them() -> None:
    moving = changed(holding(*HEAD), PARAMETER_NORM, RUN[PARAMETER_NORM].values)
    assert not findings(RULE, moving)
    assert findings(RULE, without(moving, PARAMETER_NORM))


def test_clear_without_a_gradient() -> None:
    assert not findings(RULE, with_none_gradients(holding(*HEAD), COLUMNS[:4]))


def test_clear_when_frozen_with_an_old_gradient() -> None:
    frozen = table(PARAMETER_TRAINABLE, [0], np.isin(COLUMNS, HEAD)[None, :] * 1.0, COLUMNS)
    run = holding(*HEAD)
    assert not findings(RULE, replace(run, tables={**run.tables, frozen.quantity.name: frozen}))


def test_evidence_is_each_modules_first_parameter() -> None:
    finding = the_finding(RULE, holding(*HEAD))
    assert [piece.column for piece in finding.evidence] == ["body.0.weight", "body.1.weight"]
    evidence = first_evidence(RULE, holding(*HEAD))
    assert (evidence.first_step, evidence.last_step) == (0, RUN[GRADIENT_NORM].steps[-1])


def test_least_records() -> None:
    assert findings(RULE, head(holding(*HEAD), 5))
    assert outcome(RULE, head(holding(*HEAD), 4)).verdict is Verdict.NOT_EVALUATED


def test_not_evaluated_when_no_optimizer_is_known() -> None:
    unknown = changed(RUN, PARAMETER_HELD, np.full((1, 8), np.nan))
    assert outcome(RULE, unknown).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, without(RUN, PARAMETER_HELD)).missing == (PARAMETER_HELD.name,)


TRUNK, HEADED = "base.lora_B.default", "score"


def below(
    first: float = 1.0,
    last: float = 0.9,
    *,
    head: str = HEADED,
    frozen: bool = True,
    classes: float = 4.0,
    words: float = 2304.0,
    adapter: str = TRUNK,
    index: float = 1.0,
) -> Run:
    """Adapters that are trained below a head; its loss over that of the best constant answer at first and in the end."""
    value = np.where(np.arange(len(AT)) < 3, first, last)
    run = with_call(
        RUN, "cross_entropy", value=value, baseline=1.0, outputs=classes, target_index=index
    )
    names = ("words.weight", f"{TRUNK}.weight", f"{head}.weight")
    kinds = [[Kind.OTHER, Kind.LINEAR, Kind.LINEAR]]
    return with_tables(run, [
        table(ADAPTER_SCALE, AT[:1], [[2.0]], (adapter,)),
        table(MODULE_KIND, AT[:1], kinds, ("words", TRUNK, head)),
        table(PARAMETER_SIZE, AT[:1], [[words, 576.0, 192.0]], names),
        table(PARAMETER_TRAINABLE, AT[:1], [[0.0, 1.0, 1.0 - frozen]], names),
    ])  # fmt: skip


def test_a_new_head_that_is_frozen_above_adapters() -> None:
    finding = the_finding(RULE, below())
    assert finding.severity is Severity.WARNING
    assert finding.subject == "score"
    assert "`score` scores the 4 classes" in finding.message.en
    assert "was at 100% of what the best constant answer costs" in finding.message.en
    assert 'modules_to_save=["score"]' in finding.advice.en


@pytest.mark.parametrize(
    "run",
    [
        below(0.8),  # it knows its classes
        below(1.0, 0.7),  # what is learned fits it
        below(frozen=False),
        below(classes=7),  # it makes no such scores
        below(words=192.0),  # a head of words
        below(classes=2000),
        below(adapter="score.lora_B.default"),
        below(head="score.base_layer", adapter="score.lora_B.default"),
        below(index=0.0),
        without(below(), ADAPTER_SCALE),
        head(below(), 5),
    ],
)
def test_heads_that_may_be_frozen(run: Run) -> None:
    assert not findings_if_any(RULE, run)


def beside(counts: list[float], last: int = 256) -> Run:
    """So many tensors of a criterion that nobody holds, check-up by check-up."""
    steps = np.linspace(0, last, len(counts)).astype(int)
    run = with_tables(RUN, [table(UNHELD, steps, counts)])
    return replace(run, facts={**run.facts, "unheld": "ProxyNca"})


def test_a_criterion_with_weights_of_its_own() -> None:
    finding = the_finding(RULE, beside([1, 1, 1, 1, 1]))
    assert finding.severity is Severity.WARNING
    assert "1 parameter tensors of `ProxyNca`" in finding.message.en
    assert "*criterion.parameters()" in finding.advice.en


@pytest.mark.parametrize(
    ("counts", "last", "fires"),
    [
        ([1, 1, 1], 256, False),
        ([1, 1, 1, 1], 50, True),
        ([1, 1, 1, 1], 49, False),
        ([1, 1, 1, 1, 0], 256, False),
        ([0, 1, 1, 1, 1], 256, True),
    ],
)
def test_the_bounds_of_what_is_called_beside(counts: list[float], last: int, fires: bool) -> None:
    assert bool(findings(RULE, beside(counts, last))) is fires
