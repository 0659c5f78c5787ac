from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, first_evidence, the_finding
from made.changes import changed, head, without
from made.healthy import healthy_run
from made.loss_calls import with_call
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import (
    BACKWARD_NORM,
    BACKWARDS,
    CALL_SOURCE,
    GRADIENT_ABS_MAX,
    GRADIENT_NONFINITE,
    GRADIENT_NORM,
    PARAMETER_HELD,
    PARAMETER_TRAINABLE,
    STEP_NORM,
    Source,
)
from tb_lossdiag.rules.gradients.loss_without_path import LossWithoutPath
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = LossWithoutPath()
RUN = healthy_run(1)


def cut(run: Run = RUN) -> Run:
    """No parameter ever has a gradient."""
    return unreached(changed(changed(run, BACKWARD_NORM, 0.0), STEP_NORM, 0.0))


def unreached(run: Run = RUN) -> Run:
    """No parameter of the model ever has a gradient; what the optimizer holds beside it may."""
    for quantity in (GRADIENT_NORM, GRADIENT_NONFINITE, GRADIENT_ABS_MAX):
        run = changed(run, quantity, np.nan)
    run = changed(run, STEP_NORM, run[BACKWARD_NORM].values)
    return changed(changed(run, PARAMETER_HELD, 1.0), PARAMETER_TRAINABLE, 1.0)


SICK = cut()


def test_fires_where_no_gradient_arrives() -> None:
    finding = the_finding(RULE, SICK)
    assert "nothing connects" in finding.message.en
    assert "LD602" in RULE.explains


def test_says_between_which_places_the_path_was_lost() -> None:
    leaf = cut(with_call(RUN, "cross_entropy", source=Source.LEAF))
    assert "between the model and that call" in the_finding(RULE, leaf).message.en
    unseen = cut(without(RUN, CALL_SOURCE))
    assert "just before it" in the_finding(RULE, unseen).message.en


def test_names_a_model_beside_which_something_else_learns() -> None:
    finding = the_finding(RULE, unreached())
    assert "beside the model alone" in finding.message.en
    assert finding.severity == Severity.WARNING
    assert finding.numbers["parameters"] == len(RUN[GRADIENT_NORM].columns)


def test_one_gradient_of_the_model_is_a_path() -> None:
    for quantity in (GRADIENT_NORM, GRADIENT_ABS_MAX):
        values = np.full(RUN[quantity].values.shape, np.nan)
        values[-1, 0] = 0.0
        assert not findings(RULE, changed(unreached(), quantity, values))


def test_a_model_that_is_not_held_or_frozen_is_left_as_it_is() -> None:
    for quantity in (PARAMETER_HELD, PARAMETER_TRAINABLE):
        assert not findings(RULE, changed(unreached(), quantity, 0.0))
        assert not findings(RULE, without(unreached(), quantity))


def test_few_check_ups_may_have_seen_anothers_turn() -> None:
    assert not findings(RULE, without(unreached(), GRADIENT_ABS_MAX))
    for count, found in ((4, 0), (5, 1)):
        assert len(findings(RULE, head(unreached(), count))) == found


@pytest.mark.parametrize("seed", range(8))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings(RULE, healthy_run(seed))


def test_gradients_of_zeros_are_a_path() -> None:
    assert not findings(RULE, changed(SICK, GRADIENT_NORM, 0.0))


def test_gradients_that_were_reset_had_a_path() -> None:
    assert not findings(RULE, changed(SICK, BACKWARD_NORM, 1.0))
    part = changed(unreached(), STEP_NORM, 0.9 * unreached()[BACKWARD_NORM].values)
    assert not findings(RULE, part)


def test_evidence_is_where_it_was_seen() -> None:
    evidence, steps = first_evidence(RULE, SICK), RUN[BACKWARD_NORM].steps
    assert (evidence.first_step, evidence.last_step) == (steps[0], steps[-1])


def test_not_evaluated_without_check_ups() -> None:
    assert outcome(RULE, without(RUN, BACKWARD_NORM)).missing == (BACKWARD_NORM.name,)
    assert outcome(RULE, head(RUN, 1)).verdict is Verdict.NOT_EVALUATED


def test_sources_without_a_call_that_was_seen_tell_nothing() -> None:
    run = changed(RUN, CALL_SOURCE, np.nan)
    others = [t.quantity for t in run.tables.values() if t.quantity.frame == "call"]
    unseen = cut(without(run, *(quantity for quantity in others if quantity != CALL_SOURCE)))
    assert "just before it" in the_finding(RULE, unseen).message.en


def test_another_players_gradients_are_not_its_own() -> None:
    def played(player: str) -> Run:
        run = SICK
        for quantity in (BACKWARD_NORM, BACKWARDS, STEP_NORM):
            run = changed(run, quantity, run[quantity].values, ("forger",))
        for quantity in (GRADIENT_NORM, GRADIENT_NONFINITE):
            named = tuple(f"{player}/{column}" for column in run[quantity].columns)
            run = changed(run, quantity, 1.0 if quantity is GRADIENT_NORM else np.nan, named)
        return run

    assert the_finding(RULE, played("judge")).subject == "forger"
    assert not findings(RULE, played("forger"))
