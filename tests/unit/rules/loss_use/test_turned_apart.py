from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.check_ups import with_tables
from made.healthy import healthy_run
from made.modules import with_modules
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


MAPS = ("cross_entropy", "mse_loss")


def lying(
    across: float, upright: float, beside: tuple[float, float] = (0.0, 0.9), checks: int = 5
) -> Run:
    """Targets of one call that pictures explain so far each way, and of another one."""
    steps = 10 * np.arange(checks)
    kinds = ((q.CALL_ACROSS, (across, beside[0])), (q.CALL_UPRIGHT, (upright, beside[1])))
    tables = [table(of, steps, np.tile(values, (checks, 1)), MAPS) for of, values in kinds]
    return with_tables(healthy_run(1), tables)


def convolving(run: Run, kind: q.Kind = q.Kind.CONVOLUTION) -> Run:
    return with_modules(run, {"0": kind})


def test_maps_that_lie_across() -> None:
    (finding,) = findings(RULE, lying(0.9, 0.02))
    assert finding.subject == "cross_entropy"
    assert "explain 90% of the targets" in finding.message.en
    assert "and 2% as they lie" in finding.message.en
    assert finding.evidence[0].quantity == q.CALL_ACROSS.name


@pytest.mark.parametrize(
    ("run", "fires"),
    [
        (lying(0.21, 0.02), True),
        (lying(0.19, 0.02), False),
        (lying(0.6, 0.2), True),
        (lying(0.6, 0.22), False),
        (lying(0.9, 0.02, checks=3), True),
        (lying(0.9, 0.02, beside=(0.9, 0.9)), False),  # it may be what is to be learned
        (lying(0.9, 0.02, beside=(0.0, 0.19)), False),
        (convolving(lying(0.9, 0.02, beside=(0.9, 0.9))), True),
        (convolving(lying(0.9, 0.02, beside=(0.9, 0.9)), q.Kind.LINEAR), False),
        (convolving(lying(0.02, 0.9)), False),
        (convolving(lying(0.7, 0.7)), False),  # objects that are the same across
    ],
)
def test_the_bounds_of_maps_across(run: Run, fires: bool) -> None:
    assert bool(findings(RULE, run)) is fires


def test_few_check_ups_of_maps_are_not_judged() -> None:
    assert outcome(RULE, lying(0.9, 0.02, checks=2)).verdict is Verdict.NOT_EVALUATED


def test_newer_check_ups_must_say_the_same() -> None:
    run = lying(0.9, 0.02, checks=9)
    values = np.tile((0.9, 0.0), (9, 1))
    values[-3:, 0] = 0.1
    again = with_tables(run, [table(q.CALL_ACROSS, 10 * np.arange(9), values, MAPS)])
    assert not findings(RULE, again)


def test_maps_of_which_only_one_way_is_known_are_not_judged() -> None:
    one = table(q.CALL_UPRIGHT, 10 * np.arange(5), np.full((5, 2), np.nan), MAPS)
    assert outcome(RULE, with_tables(lying(0.9, 0.0), [one])).verdict is Verdict.NOT_EVALUATED
