from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from helpers.rule_asserts import findings, findings_if_any, first_evidence, the_finding
from made.changes import without
from made.check_ups import check_steps
from made.healthy import healthy_run
from made.loss_calls import with_call
from made.modules import with_modules
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import EFFECTIVE_RANK, LOSS, Kind
from tb_lossdiag.rules.model.collapsed_representation import CollapsedRepresentation
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = CollapsedRepresentation()
RUN = with_call(healthy_run(1), "cross_entropy")
AT = check_steps(RUN[LOSS].steps)
KINDS = {"0": Kind.LINEAR, "1": Kind.RELU, "2": Kind.LINEAR}


def falling(start: float, end: float, run: Run = RUN, column: int = 0) -> Run:
    ranks: npt.NDArray[np.float64] = np.full((len(AT), 3), np.nan)
    ranks[:, [0, 2]] = 20
    ranks[:, column] = np.maximum(np.linspace(start, -start, len(AT)), end)
    return with_modules(run, KINDS, effective_rank=ranks)


SICK = falling(20, 1.1)


def test_fires_when_one_direction_is_left() -> None:
    finding = the_finding(RULE, falling(20, 1.05))
    assert finding.severity is Severity.INFO
    assert finding.subject == "0"
    assert "20 at the start" in finding.message.en


def test_classifiers_gather_in_few_directions() -> None:
    """Measured: 16 layers on digits fall from 14 to 2 and reach a loss of 0.16."""
    assert not findings(RULE, falling(14, 1.8))
    assert not findings(RULE, falling(20, 1.31))
    assert findings(RULE, falling(20, 1.29))


def test_features_for_many_outputs_keep_their_directions() -> None:
    many = with_call(RUN, "mse_loss", outputs=784)
    assert findings(RULE, falling(20, 3.9, many))
    assert not findings(RULE, falling(20, 4.1, many))


def test_the_output_and_narrow_layers_are_not_this() -> None:
    assert not findings(RULE, falling(20, 1.0, column=2))
    assert not findings(RULE, falling(3.9, 1.0))


@pytest.mark.parametrize("seed", range(12))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings_if_any(RULE, healthy_run(seed))


def test_evidence_is_the_stretch_up_to_the_end() -> None:
    evidence = first_evidence(RULE, falling(20, 1.05))
    assert (evidence.quantity, evidence.column) == (EFFECTIVE_RANK.name, "0")
    assert AT[0] < evidence.first_step < evidence.last_step == AT[-1]


def test_not_evaluated_on_few_check_ups() -> None:
    ranks = np.full((len(AT), 3), np.nan)
    ranks[:3] = 1.0
    few = with_modules(RUN, KINDS, effective_rank=ranks)
    assert outcome(RULE, few).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, without(RUN, EFFECTIVE_RANK)).missing == (EFFECTIVE_RANK.name,)
