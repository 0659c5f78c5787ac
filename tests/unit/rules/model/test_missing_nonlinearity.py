from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from helpers.rule_asserts import findings_if_any, first_evidence, the_finding
from made.changes import without
from made.healthy import healthy_run
from made.modules import with_modules
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import MODULE_FED_BY, MODULE_KIND, PARAMETER_SIZE, Kind
from tb_lossdiag.records import table
from tb_lossdiag.rules.model.missing_nonlinearity import MissingNonlinearity
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = MissingNonlinearity()
RUN = healthy_run(1)
LINEAR, CONV, RELU = Kind.LINEAR, Kind.CONVOLUTION, Kind.RELU
SICK = with_modules(RUN, dict.fromkeys(("0", "1", "2"), LINEAR))


def chain(*kinds: Kind, shapes: Mapping[str, tuple[int, int]] | None = None) -> Run:
    """Modules "0", "1" … and the inputs and outputs of some."""
    run = without(with_modules(RUN, {str(i): kind for i, kind in enumerate(kinds)}), PARAMETER_SIZE)
    if shapes is None:
        return run
    names = [f"{name}.{part}" for name in shapes for part in ("weight", "bias")]
    size = [n for inputs, outputs in shapes.values() for n in (inputs * outputs, outputs)]
    sizes = table(PARAMETER_SIZE, [0], np.array([size]), names)
    return replace(run, tables={**run.tables, PARAMETER_SIZE.name: sizes})


def test_fires_when_the_whole_model_is_linear() -> None:
    finding = the_finding(RULE, chain(LINEAR, LINEAR, Kind.DROPOUT, LINEAR))
    assert finding.severity is Severity.WARNING
    assert "All 3" in finding.message.en


def test_two_layers_need_known_sizes() -> None:
    assert not findings_if_any(RULE, chain(LINEAR, LINEAR))
    wide = chain(LINEAR, LINEAR, shapes={"0": (64, 128), "1": (128, 10)})
    assert the_finding(RULE, wide).severity is Severity.WARNING


def test_low_rank_factors_are_not_this() -> None:
    assert not findings_if_any(RULE, chain(LINEAR, LINEAR, shapes={"0": (64, 8), "1": (8, 64)}))
    inside = chain(LINEAR, RELU, LINEAR, LINEAR, shapes={"0": (64, 64), "2": (64, 4), "3": (4, 64)})
    assert not findings_if_any(RULE, inside)


def test_a_pair_beside_activations_is_an_information() -> None:
    shapes = {"0": (64, 64), "2": (64, 64), "3": (64, 10)}
    finding = the_finding(RULE, chain(LINEAR, RELU, LINEAR, LINEAR, shapes=shapes))
    assert finding.severity is Severity.INFO
    assert "`2 > 3`" in finding.message.en
    assert not findings_if_any(RULE, chain(LINEAR, RELU, LINEAR, LINEAR))


def test_separable_convolutions_and_normalisation_are_not_this() -> None:
    assert not findings_if_any(RULE, chain(CONV, RELU, CONV, CONV, RELU, LINEAR))
    assert not findings_if_any(RULE, chain(LINEAR, Kind.NORMALISATION, LINEAR))
    assert findings_if_any(RULE, chain(CONV, CONV, Kind.RESHAPE, LINEAR))


def test_a_model_of_which_pooling_alone_is_not_linear() -> None:
    pool = Kind.POOLING
    finding = the_finding(RULE, chain(CONV, CONV, pool, CONV, CONV, pool, Kind.RESHAPE, LINEAR))
    assert finding.severity is Severity.WARNING
    assert "Of 5 linear" in finding.message.en
    assert not findings_if_any(RULE, chain(CONV, CONV, pool, CONV, RELU, CONV, LINEAR))
    assert not findings_if_any(RULE, chain(CONV, pool, CONV, pool, CONV, pool, CONV, CONV))


def test_each_watched_model_is_judged_by_itself() -> None:
    kinds = {"G/0": LINEAR, "G/1": LINEAR, "G/2": LINEAR, "D/0": LINEAR, "D/1": RELU, "D/2": LINEAR}
    finding = the_finding(RULE, with_modules(RUN, kinds))
    assert finding.severity is Severity.WARNING
    assert [piece.column for piece in finding.evidence] == ["G/1", "G/2"]


def test_activations_that_are_not_modules_come_between() -> None:
    """`x.clamp(min=0)` makes another tensor, so nothing is fed by a module as it was."""
    run = chain(LINEAR, LINEAR, LINEAR)
    apart = np.full((1, 3), np.nan)
    fed = replace(run[MODULE_FED_BY], values=apart.astype(np.float32))
    assert not findings_if_any(RULE, replace(run, tables={**run.tables, MODULE_FED_BY.name: fed}))


@pytest.mark.parametrize("seed", range(12))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings_if_any(RULE, healthy_run(seed))


def test_evidence_is_the_second_of_each_pair() -> None:
    finding = the_finding(RULE, chain(LINEAR, LINEAR, LINEAR))
    assert [piece.column for piece in finding.evidence] == ["1", "2"]
    assert first_evidence(RULE, chain(LINEAR, LINEAR, LINEAR)).quantity == MODULE_KIND.name


def test_not_evaluated_on_a_single_layer() -> None:
    assert outcome(RULE, chain(LINEAR, RELU)).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, without(RUN, MODULE_FED_BY)).missing == (MODULE_FED_BY.name,)
