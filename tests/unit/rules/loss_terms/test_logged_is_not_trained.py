from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.changes import head
from made.check_ups import with_tables
from made.healthy import healthy_run
from made.loss_calls import Facts, call_tables
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import (
    BACKPROPAGATED,
    BACKWARDS,
    LOSS,
    LOSS_TERM,
    LOSS_TERM_ATTACHED,
    LOSS_WEIGHT,
    STEP_RATIO_SPREAD,
    UNSCALE_FACTOR,
)
from tb_lossdiag.records import Doubles, table
from tb_lossdiag.rules.loss_terms.logged_is_not_trained import LoggedIsNotTrained
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = LoggedIsNotTrained()
AT = np.array([0, 1, 2, 4, 8, 16])
LOGGED = np.linspace(2.0, 0.5, 20)


def trained(
    values: Doubles, *, passes: float = 1, call: Doubles | None = None, every: int = 1
) -> Run:
    """Twenty logged steps; at the powers of two this was backpropagated, and a cross-entropy had this value."""
    steps = np.arange(20)[::every]
    tables = [
        table(LOSS, steps, LOGGED[::every]),
        table(BACKPROPAGATED, AT, values),
        table(BACKWARDS, AT, np.full(len(AT), passes)),
    ]
    if call is not None:
        facts: Facts = {"call_value": call, "call_arrived": 1.0, "call_passes": 1.0}
        tables += call_tables(AT, "cross_entropy", facts)
    return with_tables(replace(healthy_run(1), tables={}), tables)


def growing_penalty(share: float) -> Run:
    """The log shows the data term alone, beside a penalty that does not follow it."""
    penalty = share / (1 - share) * np.linspace(1.0, 0.8, len(AT)) * LOGGED[AT][-1]
    return trained(LOGGED[AT] + penalty, call=LOGGED[AT])


SICK = trained(2 * LOGGED[AT], passes=2)


def test_fires_where_a_loss_is_backpropagated_twice() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.severity is Severity.WARNING
    assert "the same loss was backpropagated 2 times" in finding.message.en


@pytest.mark.parametrize(
    ("run", "severity"),
    [
        (growing_penalty(0.7), Severity.WARNING),
        (growing_penalty(0.3), Severity.INFO),
        (growing_penalty(0.05), None),
        (trained(3 * LOGGED[AT]), Severity.INFO),
        (trained(1024 * LOGGED[AT]), None),  # a loss scale of one's own
        (trained(1000 * LOGGED[AT]), Severity.INFO),
        (trained(1.004 * LOGGED[AT]), None),
        (trained(LOGGED[AT]), None),
        (trained(LOGGED[AT] / 4, passes=4), None),  # the sum of an accumulation's parts
        (trained(LOGGED[AT] * np.linspace(0.9, 1.1, 6)), None),  # an average, or the last part alone
        (trained(2 * LOGGED[AT], call=LOGGED[AT], passes=2), Severity.WARNING),
    ],
)  # fmt: skip
def test_what_was_trained_beside_what_was_logged(run: Run, severity: Severity | None) -> None:
    assert [finding.severity for finding in findings(RULE, run)] == ([] if severity is None else [severity])  # fmt: skip


def test_terms_that_are_logged_say_it_themselves() -> None:
    terms = table(LOSS_TERM, np.arange(20), np.ones((20, 1)), ("data",))
    assert not findings(RULE, with_tables(growing_penalty(0.7), [terms]))


def test_a_loss_scale_is_no_factor() -> None:
    scale = table(UNSCALE_FACTOR, AT, np.full(len(AT), 2.0**-10))
    assert not findings(RULE, with_tables(trained(2.0**10 * LOGGED[AT]), [scale]))


def test_not_judged_by_means_of_several_steps_of_several_models_or_few_check_ups() -> None:
    two = table(BACKPROPAGATED, AT, np.stack([2 * LOGGED[AT]] * 2, axis=1), ("a", "b"))
    for run in (
        trained(2 * LOGGED[AT], passes=2, every=2),
        with_tables(SICK, [two]),
        head(SICK, 3),
    ):
        assert outcome(RULE, run).verdict is Verdict.NOT_EVALUATED


def left_out(
    share: float = 0.2, *, attached: float = 1.0, counted: float = 0.0, begins: int = 0
) -> Run:
    """The logged loss is the sum with a penalty of that share, of which `counted` is backpropagated; it is nought until it begins."""
    data = np.linspace(2.0, 0.5, 20)
    penalty = np.where(np.arange(20) >= begins, share / (1 - share) * data, 0.0)
    terms, steps = np.stack([data, 2 * penalty], axis=1), np.arange(20)
    names = ("data", "aux")
    passed = np.tile([1.0, attached], (20, 1))
    tables = [
        table(LOSS, steps, data + penalty),
        table(LOSS_TERM, steps, terms, names),
        table(LOSS_WEIGHT, steps, np.tile([1.0, 0.5], (20, 1)), names),
        table(LOSS_TERM_ATTACHED, steps, passed, names),
        table(BACKPROPAGATED, AT, (data + counted * penalty)[AT]),
        table(BACKWARDS, AT, np.ones(len(AT))),
    ]
    return with_tables(replace(healthy_run(1), tables={}), tables)


@pytest.mark.parametrize("run", [left_out(), left_out(0.02), left_out(begins=2)])
def test_fires_where_a_term_of_the_logged_loss_is_not_backpropagated(run: Run) -> None:
    finding = the_finding(RULE, run)
    assert finding.severity is Severity.WARNING
    assert "on the sum without" in finding.message.en


@pytest.mark.parametrize(
    "run",
    [
        left_out(counted=1.0),
        left_out(counted=0.01),  # a weight that is other than said
        left_out(attached=0.0),  # LD404 is about terms without a path
        left_out(attached=np.nan),
        left_out(0.002),
        left_out(begins=3),  # three check-ups
        with_tables(left_out(), [table(BACKWARDS, AT, np.full(len(AT), 2))]),
        with_tables(left_out(), [table(STEP_RATIO_SPREAD, AT, np.full(len(AT), 0.4))]),
        with_tables(left_out(), [table(LOSS_TERM, np.arange(20), np.ones((20, 2)), ("data", "aux"))]),
    ],
)  # fmt: skip
def test_a_term_that_may_be_trained_by_another_way_is_none_that_is_left_out(run: Run) -> None:
    assert not [f for f in findings(RULE, run) if "on the sum without" in f.message.en]


def test_a_closure_that_is_asked_again_and_again_hides_nothing() -> None:
    falling = np.array([2.6, 4.8, 4.3, 4.5, 4.4, 4.9])
    assert not findings(RULE, trained(falling * LOGGED[AT], passes=5, call=LOGGED[AT]))
    assert findings(RULE, trained(falling * LOGGED[AT], passes=1, call=LOGGED[AT]))
