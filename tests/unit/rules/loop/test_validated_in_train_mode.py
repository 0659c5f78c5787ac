from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.changes import without
from made.check_ups import with_tables
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import EVALUATED_TRAINING, MODE_MODULES, VALIDATION_LOSS
from tb_lossdiag.records import table
from tb_lossdiag.rules.loop.validated_in_train_mode import ValidatedInTrainMode
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = ValidatedInTrainMode()
RUN = healthy_run(1)
AT = RUN[VALIDATION_LOSS].steps[2:5]


def validated(awake: Sequence[float], *, late: int = 0, column: str = "") -> Run:
    """Check-ups so many steps after a validation, in which the model was in train() or not."""
    at = AT[: len(awake)] + late
    tables = [
        table(EVALUATED_TRAINING, at, np.array(awake)[:, None], (column,)),
        table(MODE_MODULES, at, np.full((len(at), 1), 2.0), (column,)),
    ]
    return with_tables(RUN, tables)


SICK = validated([1, 1, 1])


def test_fires_where_the_model_stays_in_train() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.severity is Severity.WARNING
    assert (
        f"all 3 validations that were looked at, the last before step {AT[-1]}"
        in finding.message.en
    )
    assert "its 2 dropout and normalisation modules" in finding.message.en


def test_names_the_model() -> None:
    assert (
        "The model `critic` was" in the_finding(RULE, validated([1, 1], column="critic")).message.en
    )


@pytest.mark.parametrize(
    ("run", "fires"),
    [
        (validated([1, 1]), True),
        (validated([1, 1, 1], late=1), True),
        (validated([1, 1, 0]), False),  # samples drawn with dropout beside it
        (validated([0, 0, 0]), False),
    ],
)
def test_the_bounds(run: Run, fires: bool) -> None:
    assert bool(findings(RULE, run)) is fires


@pytest.mark.parametrize("run", [
    validated([1]),
    validated([1, 1, 1], late=2),  # passes that belong to no validation
    without(SICK, VALIDATION_LOSS),
    RUN,
])  # fmt: skip
def test_not_evaluated(run: Run) -> None:
    assert outcome(RULE, run).verdict is Verdict.NOT_EVALUATED
