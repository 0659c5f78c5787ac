from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.check_ups import with_tables
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import FP8_BROKEN, FP8_CLIPPED, FP8_FLUSHED, FP8_LIMIT, Quantity
from tb_lossdiag.records import Table, table
from tb_lossdiag.rules.machine.cast_saturation import CastSaturation
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = CastSaturation()
AT = (0, 1, 2, 4, 8, 16)
COLUMNS = ("0.to()", "0.to() 2")


def casts(
    clipped: Sequence[float] = (), flushed: Sequence[float] = (), broken: Sequence[float] = (), at: Sequence[int] = AT
) -> Run:  # fmt: skip
    """A first cast with these values at its newest check-ups, and one that loses nothing."""
    tables = [_table(FP8_LIMIT, [448.0] * len(at), at, 448.0)]
    for quantity, values in (
        (FP8_CLIPPED, clipped),
        (FP8_FLUSHED, flushed),
        (FP8_BROKEN, broken),
    ):
        tables.append(_table(quantity, [*([0.0] * (len(at) - len(values))), *values], at, 0.0))
    return with_tables(healthy_run(1), tables)


def _table(quantity: Quantity, first: Sequence[float], at: Sequence[int], other: float) -> Table:
    values = np.stack([np.asarray(first, float), np.full(len(at), other)], axis=1)
    return table(quantity, at, values, COLUMNS)


SICK = casts([0.02, 0.1, 0.4])


def test_names_the_cast_and_how_much_it_loses() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.subject == COLUMNS[0]
    assert finding.severity is Severity.WARNING
    assert "in 1 of 2 casts" in finding.message.en
    assert "beyond ±448" in finding.message.en
    assert "40% at step 16" in finding.message.en
    (piece,) = finding.evidence
    assert (piece.first_step, piece.last_step) == (4, 16)


def test_what_becomes_nothing_is_another_finding() -> None:
    finding = the_finding(RULE, casts(flushed=[0.5, 0.6, 0.7]))
    assert "too small" in finding.message.en
    assert "70% at step 16" in finding.message.en


def test_what_breaks_is_an_error_and_the_only_one() -> None:
    finding = the_finding(RULE, casts([0.5] * 3, broken=[1.0, np.nan]))
    assert finding.severity is Severity.ERROR
    assert "At step 8" in finding.message.en


@pytest.mark.parametrize(
    ("run", "fires"),
    [
        (casts([0.011] * 3), True),
        (casts([0.009] * 3), False),
        (casts([0.5, 0.5, 0.0]), False),  # a scale that caught up
        (casts([0.5, 0.0, 0.5]), False),
        (casts([0.5] * 3 + [0.0] * 3), False),  # a history that was empty
        (casts(flushed=[0.11] * 3), True),
        (casts(flushed=[0.09] * 3), False),
        (casts([0.5] * 3, at=(0, 1, 2, 4, 8)), None),
        (casts([0.5] * 3, at=(4, 8, 16)), True),
        (casts([0.5] * 2, at=(8, 16)), None),
        (casts(broken=[1.0], at=(0,)), True),
        (casts(broken=[-np.inf]), False),  # what no recording gives, and no crash
    ],
)
def test_the_bounds(run: Run, fires: bool | None) -> None:
    if fires is None:
        assert outcome(RULE, run).verdict is Verdict.NOT_EVALUATED
    else:
        assert bool(findings(RULE, run)) is fires


def test_a_run_without_casts_is_not_judged() -> None:
    assert outcome(RULE, healthy_run(1)).verdict is Verdict.NOT_EVALUATED
