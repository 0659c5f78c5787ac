from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from helpers.rule_asserts import findings, findings_if_any, the_finding
from made.changes import falling, stuck, with_loss
from made.check_ups import with_tables
from made.healthy import healthy_run
from made.loss_calls import with_call
from made.modules import with_modules
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import MODULE_FED_BY, PARAMETER_NORM, Kind
from tb_lossdiag.records import table
from tb_lossdiag.rules.model.missing_normalisation import MissingNormalisation
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = MissingNormalisation()
STUCK = with_call(stuck(healthy_run(1)), "cross_entropy", value=2.4, baseline=2.3)


def stack(layers: int, others: dict[str, Kind] | None = None, run: Run = STUCK) -> Run:
    kinds: dict[str, Kind] = {}
    for index in range(layers):
        kinds |= {f"{2 * index}": Kind.LINEAR, f"{2 * index + 1}": Kind.RELU}
    return with_modules(run, {**kinds, **(others or {})})


SICK = stack(12)


def test_an_information_about_a_deep_stack() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.severity is Severity.INFO
    assert "12 linear and convolution layers" in finding.message.en


def test_both_sides_of_the_depth() -> None:
    assert findings(RULE, stack(10))
    assert outcome(RULE, stack(9)).verdict is Verdict.NOT_EVALUATED


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("n", Kind.NORMALISATION, 0),
        ("input_layernorm", Kind.OTHER, 0),
        ("block.ln1", Kind.OTHER, 0),
        ("enormous", Kind.OTHER, 1),
    ],
)
def test_normalisations_by_kind_and_by_name(name: str, kind: Kind, expected: int) -> None:
    assert len(findings(RULE, stack(12, {name: kind}))) == expected


def _fed(run: Run, feeders: list[float]) -> Run:
    return with_tables(run, [replace(run[MODULE_FED_BY], values=np.array([feeders]))])


@pytest.mark.parametrize(("length", "expected"), [(3, 0), (9, 0), (10, 1), (12, 1)])
def test_short_stacks_side_by_side_are_none(length: int, expected: int) -> None:
    """A flow's couplings: each scales and moves what it is given by what two short stacks say."""
    feeders = [math.nan if index % (2 * length) == 0 else index - 1 for index in range(2 * 12)]
    assert len(findings_if_any(RULE, _fed(SICK, feeders))) == expected


def test_layers_of_which_nobody_knows_what_feeds_them_count_together() -> None:
    """Activations are functions: module by module nothing is handed on as it was."""
    assert findings(RULE, _fed(SICK, [math.nan] * 24))


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("0.weight_g", 0),
        ("4.parametrizations.weight.original0", 0),
        ("4.weight_orig", 0),
        ("4.weight", 1),
        ("elsewhere.weight_g", 1),
    ],
)
def test_norms_on_a_weight_are_normalisations(column: str, expected: int) -> None:
    norm = table(PARAMETER_NORM, np.arange(3), np.ones((3, 1)), [column])
    assert len(findings(RULE, with_tables(SICK, [norm]))) == expected


def test_stacks_that_learn_and_attention_are_left_alone() -> None:
    learned = with_call(with_loss(STUCK, falling(200)), "cross_entropy", value=0.1, baseline=2.3)
    assert not findings(RULE, stack(12, run=learned))
    assert outcome(RULE, stack(12, {"a": Kind.ATTENTION})).verdict is Verdict.NOT_EVALUATED


@pytest.mark.parametrize("seed", range(6))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings_if_any(RULE, healthy_run(seed))
