from __future__ import annotations

import pytest

from helpers.rule_asserts import findings, findings_if_any, the_finding
from made.changes import falling, stuck, with_loss
from made.healthy import healthy_run
from made.loss_calls import with_call
from made.modules import with_modules
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import Kind
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


def test_stacks_that_learn_and_attention_are_left_alone() -> None:
    learned = with_call(with_loss(STUCK, falling(200)), "cross_entropy", value=0.1, baseline=2.3)
    assert not findings(RULE, stack(12, run=learned))
    assert outcome(RULE, stack(12, {"a": Kind.ATTENTION})).verdict is Verdict.NOT_EVALUATED


@pytest.mark.parametrize("seed", range(6))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings_if_any(RULE, healthy_run(seed))
