from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.changes import changed, head, without
from made.check_ups import with_tables
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import LOSS, PARAMETER_NORM, PARAMETER_SIZE, UPDATE_NORM
from tb_lossdiag.records import table
from tb_lossdiag.rules.loop.steps_taken_back import StepsTakenBack
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = StepsTakenBack()
NAMES = ("0.weight", "0.bias", "2.weight", "2.bias")
SIZES = np.array([640.0, 64.0, 640.0, 10.0])
UPDATE = 0.02


def strayed(times: float, *, fall: float = 0.0, names: tuple[str, ...] = NAMES) -> Run:
    """A run whose norms stray by so many changes of single steps, while the loss loses this share."""
    run = healthy_run(1)
    steps = run[LOSS].steps
    noise = np.random.default_rng(0).normal(0, 1, (len(steps), len(names)))
    noise /= noise.std(axis=0)
    norms = 3 + times * noise * UPDATE / np.sqrt(SIZES[: len(names)])
    loss = 2.3 * (1 - fall * np.linspace(0, 1, len(steps)))
    return with_tables(
        changed(run, LOSS, loss),
        [
            table(PARAMETER_NORM, steps, norms, names),
            table(UPDATE_NORM, steps, np.full((len(steps), len(names)), UPDATE), names),
            table(PARAMETER_SIZE, steps[:1], SIZES[None, : len(names)], names),
        ],
    )


SICK = strayed(1.0)


def test_fires_where_no_norm_strays_further_than_a_step_takes_it() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.severity is Severity.ERROR
    assert "So it is of all 4 parameters" in finding.message.en
    assert finding.numbers["strayed"] == pytest.approx(1.0, rel=1e-3)


@pytest.mark.parametrize(
    ("times", "fall", "fires"),
    [(2.9, 0.0, True), (3.1, 0.0, False), (1.0, 0.09, True), (1.0, 0.2, False)],
)
def test_the_bounds(times: float, fall: float, fires: bool) -> None:
    assert bool(findings(RULE, strayed(times, fall=fall))) is fires


def test_one_parameter_that_strays_is_enough_to_be_silent() -> None:
    norms = SICK[PARAMETER_NORM].values.copy()
    norms[:, 2] = np.linspace(3, 4, len(norms))
    assert not findings(RULE, changed(SICK, PARAMETER_NORM, norms, NAMES))


def test_what_does_not_move_or_is_tiny_is_left_out() -> None:
    still = SICK[UPDATE_NORM].values.copy()
    still[:, 0] = 0.0
    assert (
        "all 3 parameters" in the_finding(RULE, changed(SICK, UPDATE_NORM, still, NAMES)).message.en
    )
    still[:, 1] = np.nan
    assert outcome(RULE, changed(SICK, UPDATE_NORM, still, NAMES)).verdict is Verdict.NOT_EVALUATED
    small = changed(SICK, PARAMETER_SIZE, [[4.0, 4.0, 640.0, 10.0]], NAMES)
    assert outcome(RULE, small).verdict is Verdict.NOT_EVALUATED


def test_what_has_no_norm_or_no_size_is_left_out() -> None:
    unnamed = ("other", *NAMES[1:])
    for quantity in (PARAMETER_NORM, PARAMETER_SIZE):
        run = with_tables(
            SICK, [table(quantity, SICK[quantity].steps, SICK[quantity].values, unnamed)]
        )
        assert "all 3 parameters" in the_finding(RULE, run).message.en


@pytest.mark.parametrize("run", [strayed(1.0, names=NAMES[:2]), head(SICK, 7)])
def test_needs_parameters_records_and_steps(run: Run) -> None:
    assert outcome(RULE, run).verdict is Verdict.NOT_EVALUATED


def test_needs_updates() -> None:
    assert outcome(RULE, without(SICK, UPDATE_NORM)).verdict is Verdict.NOT_EVALUATED


@pytest.mark.parametrize("seed", range(5))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings(RULE, healthy_run(seed))
