from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.changes import changed, without
from made.check_ups import check_steps, with_check_up, with_tables
from made.healthy import healthy_run
from made.loss_calls import with_call
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import AMP_SKIPPED, LOSS, PASSES_ALIKE, THROWN_PASSES, UNSCALE_FACTOR
from tb_lossdiag.records import table
from tb_lossdiag.rules.loss_terms.accumulation_not_divided import AccumulationNotDivided
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = AccumulationNotDivided()
RUN = with_check_up(healthy_run(1), UNSCALE_FACTOR, 1.0)
CHECKS = len(check_steps(RUN[LOSS].steps))


def parted(passes: float = 8, arrived: float = 1.0, **facts: float) -> Run:
    """Steps of so many passes of one call, at each of which this gradient arrived."""
    return with_call(RUN, "cross_entropy", passes=passes, arrived=arrived, **facts)


def arrived(*each: float) -> Run:
    """Check-up by check-up."""
    values = np.full(CHECKS, np.nan)
    values[: len(each)] = each
    return with_call(RUN, "cross_entropy", passes=4, arrived=values)


LOGGED = RUN[LOSS].at(check_steps(RUN[LOSS].steps), RUN[LOSS].columns)[:, 0]
SICK = with_call(RUN, "cross_entropy", passes=8, arrived=1.0, value=LOGGED)


def test_fires_where_whole_losses_are_added_up() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.severity is Severity.WARNING
    assert "takes 8 backward passes of `cross_entropy`" in finding.message.en
    assert "1/8 = 0.125" in finding.message.en
    assert {"LD301", "LD601"} <= set(RULE.explains)


@pytest.mark.parametrize(
    ("run", "fires"),
    [
        (parted(arrived=1.015), True),
        (parted(arrived=1.03), False),
        (parted(arrived=0.97), False),
        (parted(passes=2), True),
        (parted(arrived=1 / 8), False),
        (parted(arrived=-1), False),  # an adversary's turned gradient
        (parted(arrived=64), False),  # a declared sum
        (arrived(1, 1), True),
        (arrived(1, 1, 0.25), True),
        (arrived(1, 1, 0.25, 0.25), False),
        (with_check_up(SICK, PASSES_ALIKE, 1.0), True),
        (with_check_up(with_check_up(parted(arrived=2**16), PASSES_ALIKE, 1), UNSCALE_FACTOR, 2**-16), True),
        (parted(target_min=1, target_max=1), False),  # what is real, beside what is made
    ],
)  # fmt: skip
def test_the_bounds(run: Run, fires: bool) -> None:
    assert bool(findings(RULE, run)) is fires


def in_units(times: float, logged: float, passes: float = 8) -> Run:
    """A loss that counts so many times, and is logged as so many times the call's value."""
    run = parted(passes, arrived=times, value=0.5)
    return changed(run, LOSS, np.full(len(RUN[LOSS]), 0.5 * logged))


@pytest.mark.parametrize(
    ("run", "fires"),
    [
        (in_units(1000, 1000), True),
        (in_units(1000, 800), True),  # the mean of the parts, and one of them
        (in_units(10, 10), True),
        (in_units(1000, 1), False),  # a weight of the loss; who knows what it was divided by
        (in_units(125, 1000), False),  # divided by eight
        (in_units(1000, 1000, passes=10), False),  # 10,000 times, divided by ten?
        (in_units(100, 1000, passes=10), False),
        (in_units(1, 1000), True),
    ],
)
def test_a_loss_in_other_units(run: Run, fires: bool) -> None:
    assert bool(findings(RULE, run)) is fires


def test_a_loss_in_other_units_is_said_to_be_one() -> None:
    assert "its loss counts 1000 times" in the_finding(RULE, in_units(1000, 1000)).message.en
    assert findings(RULE, without(SICK, LOSS)), "what is not logged has no units"


def test_one_pass_or_passes_over_other_parameters_are_not_judged() -> None:
    for run in (parted(passes=1), with_check_up(SICK, PASSES_ALIKE, 0.0), arrived(1)):
        assert outcome(RULE, run).verdict is Verdict.NOT_EVALUATED


def test_a_step_that_the_scaler_skipped_took_its_own_pass() -> None:
    few = changed(parted(2), AMP_SKIPPED, np.isin(RUN[LOSS].steps, check_steps(RUN[LOSS].steps)))
    assert outcome(RULE, few).verdict is Verdict.NOT_EVALUATED
    assert findings(RULE, changed(parted(2), AMP_SKIPPED, 0.0))


@pytest.mark.parametrize(
    ("thrown", "names", "fires"),
    [
        ([0], ("",), True),
        ([7], ("",), False),  # the step knows the last part alone
        ([2], ("",), False),  # six parts add up
        ([1, 0], ("critic", "generator"), True),  # one player's pass is reset for the other
        ([7, 7], ("critic", "generator"), False),
    ],
)
def test_parts_that_are_thrown_away_do_not_add_up(
    thrown: list[int], names: tuple[str, ...], fires: bool
) -> None:
    at = check_steps(RUN[LOSS].steps)
    run = with_tables(SICK, [table(THROWN_PASSES, at, [thrown] * len(at), names)])
    verdict = outcome(RULE, run).verdict
    assert verdict is (Verdict.FINDINGS if fires else Verdict.NOT_EVALUATED)
