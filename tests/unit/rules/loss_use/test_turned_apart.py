from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.check_ups import with_tables
from made.healthy import healthy_run
from tb_lossdiag import quantities as q
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.records import table
from tb_lossdiag.rules.loss_use.turned_apart import TurnedApart
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = TurnedApart()
OWN = (0.0, 0.2, 0.5, 0.6, 0.6, 0.6)
CALL = ("cross_entropy",)


def painted(turned: Sequence[float], own: Sequence[float] = OWN, of: float = 0.1) -> Run:
    """Masks that predictions have so much to do with, and with the same turned over."""
    steps = 2 ** np.arange(len(own))
    kinds = (
        (q.CALL_PAIRED, own),
        (q.CALL_PAIRED_ERROR, [of] * len(own)),
        (q.CALL_TURNED, turned),
        (q.CALL_TURNED_ERROR, [of] * len(own)),
    )
    tables = [table(quantity, steps, np.array(v)[:, None], CALL) for quantity, v in kinds]
    return with_tables(healthy_run(1), tables)


SICK = painted((0.3, 0.3, 0.1, 0.0, 0.1, 0.0))


def test_masks_that_fit_as_well_turned_over() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.severity is Severity.WARNING
    assert "over 4 check-ups predictions have 0.575 in common" in finding.message.en
    assert "0.05 (± 0.05) beyond" in finding.message.en


@pytest.mark.parametrize(
    ("turned", "of", "fires"),
    [
        (0.09, 0.1, True),
        (0.11, 0.1, False),
        (0.09, 0.15, False),  # too few samples
        (-0.5, 0.1, True),
        (0.55, 0.1, False),
    ],
)
def test_the_bounds(turned: float, of: float, fires: bool) -> None:
    assert bool(findings(RULE, painted((turned,) * 6, of=of))) is fires


@pytest.mark.parametrize("own", [OWN[:4], (0.1, 0.2, 0.25, 0.29, 0.29, 0.29)])
def test_what_has_not_been_learned_is_not_judged(own: tuple[float, ...]) -> None:
    run = painted((0.0,) * len(own), own)
    assert outcome(RULE, run).verdict is Verdict.NOT_EVALUATED


def test_without_its_own_targets_a_call_is_not_judged() -> None:
    run = painted((0.0,) * 6)
    other = table(q.CALL_PAIRED, np.array([1]), np.array([[0.9]]), ("mse_loss",))
    assert outcome(RULE, with_tables(run, [other])).verdict is Verdict.NOT_EVALUATED


def one_way(mirrored: Sequence[float], across: float = 0.0, samples: int = 16) -> Run:
    """What is told beyond turned targets leaves it open; of so many pictures the mirrored target is told."""
    run, steps = painted((0.3,) * 6), 2 ** np.arange(6)
    kinds = (
        (q.CALL_MIRRORED, mirrored),
        (q.CALL_UPSIDE_DOWN, [across] * 6),
        (q.CALL_SAMPLES, [samples] * 6),
    )
    tables = [table(quantity, steps, np.array(v)[:, None], CALL) for quantity, v in kinds]
    return with_tables(run, tables)


def test_pictures_that_are_turned_one_way() -> None:
    message = the_finding(RULE, one_way((0.4,) * 6)).message.en
    assert "predictions of 40% of the pictures" in message
    assert (
        "the target turned left to right, and of 0% those of the target turned upside down"
        in message
    )


@pytest.mark.parametrize(
    ("run", "fires"),
    [
        (one_way((0.32,) * 6), True),
        (one_way((0.30,) * 6), False),  # within an error of the bound
        (one_way((0.30,) * 6, samples=64), True),
        (one_way((0.4,) * 6, across=0.04), True),
        (one_way((0.4,) * 6, across=0.06), False),  # it may know little of either side
        (one_way((0.9, 0.9, 0.9, 0.2, 0.2, 0.2)), False),  # sides that were mixed up for a while
        (painted((0.3,) * 6), False),
    ],
)
def test_the_bounds_of_one_way(run: Run, fires: bool) -> None:
    assert bool(findings(RULE, run)) is fires
