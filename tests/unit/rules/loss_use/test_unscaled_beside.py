from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings_if_any, the_finding
from made.changes import stuck, with_loss, without
from made.check_ups import check_steps, with_tables
from made.healthy import healthy_run
from made.loss_calls import with_call
from made.modules import with_modules
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import (
    BESIDE_MEAN,
    BESIDE_STD,
    INPUT_MEAN,
    INPUT_STD,
    LOSS,
    MODULE_KIND,
    Kind,
)
from tb_lossdiag.records import table
from tb_lossdiag.rules.loss_use.unscaled_data import UnscaledData
from tb_lossdiag.run import Run

RULE = UnscaledData()
WELL = without(
    with_call(with_loss(healthy_run(1), np.geomspace(1, 0.1, 200)), "cross_entropy"),
    MODULE_KIND, INPUT_MEAN, INPUT_STD,
)  # fmt: skip


def beside(
    run: Run, mean: float, std: float, largest: float = 100.0, kind: Kind = Kind.LINEAR
) -> Run:
    """A model of indices and such numbers, whose first layer behind an embedding gives at most so much."""
    run = with_modules(run, {"who": Kind.EMBEDDING, "first": kind}, activation_abs_max=largest)
    at = check_steps(run[LOSS].steps)
    many = np.ones(len(at))
    return with_tables(
        run,
        [table(BESIDE_MEAN, at, mean * many, ("",)), table(BESIDE_STD, at, std * many, ("",))],
    )


STUCK = stuck(WELL)


def test_fires_on_a_timestamp_beside_indices() -> None:
    finding = the_finding(RULE, beside(STUCK, 100.0, 300.0))
    assert finding.severity is Severity.WARNING
    assert "is given beside indices have mean 100 and standard deviation 300" in finding.message.en
    assert "100 and 300" in finding.advice.en


@pytest.mark.parametrize(
    ("run", "fires"),
    [
        (beside(STUCK, 0.0, 51.0), True),
        (beside(STUCK, -51.0, 1.0), True),
        (beside(STUCK, 49.0, 49.0), False),
        (beside(WELL, 100.0, 300.0), False),  # it learns all the same
        (beside(STUCK, 0.0, 100.0, largest=5.1), True),
        (beside(STUCK, 0.0, 100.0, largest=4.9), False),  # a mask, which no layer is given
        (beside(STUCK, 0.0, 100.0, kind=Kind.NORMALISATION), False),
        (beside(STUCK, 0.0, 100.0, kind=Kind.EMBEDDING), False),
        (beside(STUCK, np.nan, np.inf), False),
        (without(beside(STUCK, 0.0, 100.0), MODULE_KIND), False),
    ],
)
def test_the_bounds(run: Run, fires: bool) -> None:
    assert bool(findings_if_any(RULE, run)) is fires
