from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from helpers.rule_asserts import findings, findings_if_any, first_evidence, the_finding
from made.changes import changed, stuck, with_loss, without
from made.check_ups import check_steps
from made.healthy import healthy_run
from made.modules import with_modules
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import (
    BATCH_SIZE,
    DEAD_SHARE,
    LEARNING_RATE,
    LOSS,
    LOSS_TERM,
    MODULE_FED_BY,
    STEPS,
    Kind,
)
from tb_lossdiag.records import table
from tb_lossdiag.rules.model.dead_relu import DeadRelu
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = DeadRelu()
WELL = healthy_run(1)
STUCK = stuck(WELL)
AT = check_steps(WELL[LOSS].steps)
CHECKS = np.arange(len(AT))
KINDS = {"0": Kind.LINEAR, "1": Kind.RELU, "2": Kind.LINEAR, "3": Kind.RELU, "4": Kind.LINEAR}


def dead(
    first: npt.ArrayLike, second: npt.ArrayLike = 0.1, run: Run = STUCK, zero: float = 1.0
) -> Run:
    shares = np.full((len(AT), 5), np.nan)
    shares[:, 1], shares[:, 3] = np.asarray(first), np.asarray(second)
    return with_modules(run, KINDS, dead_share=shares, zero_share=np.maximum(shares, zero * shares))


SICK = dead(0.95)


def test_fires_once_and_names_all_layers() -> None:
    finding = the_finding(RULE, dead(0.95, 0.8))
    assert finding.severity is Severity.WARNING
    assert "`1`, `3`" in finding.message.en
    assert [piece.column for piece in finding.evidence] == ["1", "3"]
    assert "lr" in finding.advice.en


@pytest.mark.parametrize("seed", range(12))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings_if_any(RULE, healthy_run(seed))


def test_clear_just_below_the_share() -> None:
    assert not findings(RULE, dead(0.69))
    assert findings(RULE, dead(0.71))


def test_a_run_that_learned_has_an_information_unless_the_layer_is_gone() -> None:
    learned = with_loss(WELL, np.geomspace(1, 0.1, 200))
    assert the_finding(RULE, dead(0.8, run=learned)).severity is Severity.INFO
    assert the_finding(RULE, dead(0.91, run=learned)).severity is Severity.WARNING


def test_a_loss_that_leapt_up_first_has_not_learned() -> None:
    """Measured: a learning rate of 0.1 on digits gives 2.3, 15, 20 and then 1.9 for ever."""
    leap = with_loss(WELL, np.concatenate(([2.3, 15.0, 20.0], np.full(197, 1.9))))
    assert the_finding(RULE, dead(0.8, run=leap)).severity is Severity.WARNING


@pytest.mark.parametrize(
    ("whose", "severity"), [("a", Severity.INFO), ("b", Severity.WARNING), ("", Severity.WARNING)]
)
def test_of_two_models_the_one_whose_layer_it_is_must_have_learned(
    whose: str, severity: Severity
) -> None:
    """A net that drops out beside one that does not: the first stays at its noise, the second learns on few units."""
    losses = table(LOSS_TERM, STUCK[LOSS].steps, LOSSES, ("a", "b"))
    steps = table(STEPS, STUCK[LOSS].steps, np.ones((200, 2)), ("a", "b"))
    shares = table(DEAD_SHARE, AT, np.full(len(AT), 0.8), (f"{whose}/1" if whose else "1",))
    seen = {each.quantity.name: each for each in (losses, steps, shares)}
    calls = [name for name in STUCK.tables if name.startswith("call_")]
    kept = {k: v for k, v in without(STUCK, LOSS).tables.items() if k not in calls}
    two = Run("two", {**kept, **seen}, STUCK.facts)
    assert the_finding(RULE, two).severity is severity


LOSSES = np.linspace([2.0, 2.0], [0.2, 1.2], 200)


def test_layers_that_recover_are_not_this() -> None:
    assert not findings(RULE, dead(np.where(CHECKS < 8, 0.9, 0.2)))
    assert not findings(RULE, dead(np.where(len(AT) - 2 > CHECKS, 0.2, 0.9)))


def test_sparse_units_in_a_small_batch_are_not_this() -> None:
    """Of units that are 0 for 99 % of samples, half are 0 for all of 64 by chance alone."""
    shares = np.full((len(AT), 5), np.nan)
    zeros = shares.copy()
    shares[:, 1], zeros[:, 1] = 0.75, 0.75 + 0.25 * 0.99
    assert not findings(RULE, with_modules(STUCK, KINDS, dead_share=shares, zero_share=zeros))
    zeros[:, 1] = 0.75 + 0.25 * 0.5
    assert findings(RULE, with_modules(STUCK, KINDS, dead_share=shares, zero_share=zeros))


def test_batches_of_a_few_samples_are_not_judged() -> None:
    """A unit that is 0 for one sample is easily alive for the next."""
    seven = changed(dead(0.95), BATCH_SIZE, 7.0)
    assert outcome(RULE, seven).verdict is Verdict.NOT_EVALUATED
    assert findings(RULE, changed(dead(0.95), BATCH_SIZE, 8.0))


def test_what_a_dropout_before_the_layer_left_out_is_not_dead() -> None:
    """A dropout that leaves out the same 80 % of the units of every sample."""
    kinds = {"0": Kind.LINEAR, "1": Kind.DROPOUT, "2": Kind.RELU, "3": Kind.LINEAR}
    shares, zeros = np.full((2, len(AT), 4), np.nan)
    zeros[:, 1], shares[:, 2], zeros[:, 2] = 0.8, 0.85, 0.9
    assert not findings(RULE, with_modules(STUCK, kinds, dead_share=shares, zero_share=zeros))
    shares[:, 2], zeros[:, 2] = 0.95, 0.96
    assert findings(RULE, with_modules(STUCK, kinds, dead_share=shares, zero_share=zeros))


def test_evidence_is_the_stretch_up_to_the_end() -> None:
    evidence = first_evidence(RULE, dead(np.where(CHECKS < 4, 0.2, 0.95)))
    assert (evidence.quantity, evidence.column) == (DEAD_SHARE.name, "1")
    assert (evidence.first_step, evidence.last_step) == (AT[4], AT[-1])


def test_works_without_a_learning_rate() -> None:
    assert "`lr`" not in the_finding(RULE, without(dead(0.9), LEARNING_RATE)).advice.en


def test_not_evaluated_on_few_check_ups() -> None:
    few = np.where(CHECKS < 2, 0.9, np.nan)
    assert outcome(RULE, dead(few, few)).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, without(STUCK, DEAD_SHARE)).missing == (DEAD_SHARE.name,)


def test_layers_are_judged_where_no_feeders_are_known() -> None:
    assert [piece.column for piece in the_finding(RULE, without(SICK, MODULE_FED_BY)).evidence] == [
        "1"
    ]
