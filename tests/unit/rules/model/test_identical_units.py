from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from helpers.rule_asserts import findings, findings_if_any, the_finding
from made.changes import without
from made.check_ups import check_steps, with_tables
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import (
    GRADIENT_NORM,
    LOSS,
    PARAMETER_NORM,
    PARAMETER_ROLE,
    PARAMETER_SIZE,
    TWIN_SHARE,
    Role,
)
from tb_lossdiag.records import table
from tb_lossdiag.rules.model.identical_units import IdenticalUnits
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = IdenticalUnits()
RUN = healthy_run(1)
AT = check_steps(RUN[LOSS].steps)
NAMES = ("0.weight", "2.weight", "4.weight")


def alike(*shares: npt.ArrayLike, role: Role = Role.WEIGHT, checks: int | None = None) -> Run:
    """The run whose first matrices have these shares of twins, the others none."""
    values = np.zeros((len(AT), len(NAMES)))
    for place, share in enumerate(shares):
        values[:, place] = share
    roles = table(PARAMETER_ROLE, AT[:1], np.full((1, len(NAMES)), role), NAMES)
    return with_tables(RUN, [table(TWIN_SHARE, AT[:checks], values[:checks], NAMES), roles])


SICK = alike(1.0, 1.0)


def test_names_the_layers_whose_units_are_copies() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.severity is Severity.WARNING
    assert finding.subject == "0.weight"
    assert "`0.weight`, `2.weight`" in finding.message.en
    assert (finding.first_step, finding.last_step) == (AT[0], AT[-1])


def test_both_sides_of_the_bound() -> None:
    assert findings(RULE, alike(0.91))
    assert not findings(RULE, alike(0.89))


def test_rows_that_part_are_none() -> None:
    """What begins at 0 has equal rows after one sign-like step, and parts with the next."""
    early = np.where(np.arange(len(AT)) < 2, 1.0, 0.0)
    assert not findings(RULE, alike(early))
    assert not findings(RULE, alike(1 - early))


def test_tokens_that_were_not_seen_are_no_units() -> None:
    assert not findings(RULE, alike(1.0, role=Role.EMBEDDING))


@pytest.mark.parametrize(
    ("begins", "sizes", "told"),
    [
        (0.0, (640, 640), False),
        (1.0, (640, 640), True),
        (np.nan, (640, 640), True),
        (0.0, (640, 64), True),
    ],
)
def test_spreads_beside_weights_that_differ_are_no_units(
    begins: float, sizes: tuple[int, int], told: bool
) -> None:
    """Each weight of an uncertain layer has a mean and a spread; of an adapter's two factors one begins at 0, and shows no rows there."""
    names = ("0.rho", "0.mu")
    means = np.where(np.arange(len(AT)) < 1, begins, 0.0)
    shares = table(TWIN_SHARE, AT, np.stack([np.ones(len(AT)), means], 1), names)
    run = with_tables(RUN, [shares, table(PARAMETER_SIZE, AT[:1], [sizes], names)])
    assert bool(findings(RULE, run)) is told


def test_many_layers_are_counted() -> None:
    names = tuple(f"{index}.weight" for index in range(5))
    run = with_tables(RUN, [table(TWIN_SHARE, AT, np.ones((len(AT), 5)), names)])
    assert "`2.weight` and 2 more" in the_finding(RULE, run).message.en


def test_not_evaluated_on_few_check_ups() -> None:
    assert outcome(RULE, alike(1.0, checks=4)).verdict is Verdict.NOT_EVALUATED
    assert findings(RULE, alike(1.0, checks=5))
    assert outcome(RULE, without(SICK, TWIN_SHARE)).missing == (TWIN_SHARE.name,)


@pytest.mark.parametrize("seed", range(6))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings_if_any(RULE, healthy_run(seed))


def _zero(records: int, weight: float = 0.0, gradient: float = 0.0, other: float = 0.1) -> Run:
    """A matrix that is 0, as its gradient is, in so many records, beside one that has a gradient."""
    at, names = RUN[LOSS].steps[:records], NAMES[:2]
    tables = [
        table(PARAMETER_NORM, at, np.tile([weight, 1.0], (records, 1)), names),
        table(GRADIENT_NORM, at, np.tile([gradient, other], (records, 1)), names),
    ]
    return with_tables(alike(np.nan), tables)


def test_names_matrices_that_stay_0() -> None:
    finding = the_finding(RULE, _zero(6))
    assert "In `0.weight` all weights are exactly 0 in all 6 records" in finding.message.en


@pytest.mark.parametrize("role", [Role.BIAS, Role.NORM, Role.EMBEDDING])
def test_what_is_added_or_looked_up_may_stay_at_0(role: Role) -> None:
    """Biases begin at 0, and have no gradient behind dead units or where it underflows: others' findings."""
    run = _zero(6)
    roles = table(PARAMETER_ROLE, AT[:1], np.full((1, 2), role), NAMES[:2])
    assert not findings(RULE, with_tables(run, [roles]))
    named = replace(run[PARAMETER_NORM], columns=("0.in_proj_bias", "2.weight"))
    gradients = replace(run[GRADIENT_NORM], columns=named.columns)
    twins = replace(run[TWIN_SHARE], columns=(*named.columns, NAMES[2]))
    unknown = without(with_tables(run, [named, gradients, twins]), PARAMETER_ROLE)
    assert not findings(RULE, unknown)


@pytest.mark.parametrize(
    "run",
    [
        _zero(5),
        _zero(6, weight=1e-9),
        _zero(6, gradient=1e-9),  # a learning rate that grows from 0
        without(_zero(6), GRADIENT_NORM),
        without(_zero(6), PARAMETER_NORM),
        _zero(6, other=0.0),  # nothing gets through at all: somebody else's finding
    ],
)
def test_matrices_that_leave_0(run: Run) -> None:
    assert not findings(RULE, run)
