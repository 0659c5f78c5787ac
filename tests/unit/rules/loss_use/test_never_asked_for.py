from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.quantities import (
    CALL_END_IGNORED,
    CALL_IGNORED,
    CALL_IGNORED_CLASS,
    CALL_OUTPUTS,
    LOSS,
    VALIDATION_LOSS,
)
from tb_lossdiag.records import Table, table
from tb_lossdiag.rules.loss_use.never_asked_for import NeverAskedFor
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = NeverAskedFor()


def ended(shares: list[float]) -> Run:
    """A language model, so many of whose ends were ignored, check-up by check-up."""
    run, steps = healthy_run(1), 2 ** np.arange(len(shares))
    made = table(CALL_END_IGNORED, steps, np.array(shares)[:, None], ("cross_entropy",))
    return replace(run, tables={**run.tables, CALL_END_IGNORED.name: made})


def spared(
    share: float = 0.86, validated: tuple[float, ...] = (10.9, 17.0, 17.7), last: float = 0.003
) -> Run:
    """Three classes, of which the first is ignored; the training loss falls from 1.1 to `last`."""
    steps, at = np.arange(200), np.array([0, 1, 2, 4, 8])
    facts = {CALL_IGNORED_CLASS: 0.0, CALL_IGNORED: share, CALL_OUTPUTS: 3.0}
    made: list[Table] = [
        table(LOSS, steps, np.geomspace(1.1, last, 200)[:, None]),
        table(VALIDATION_LOSS, 50 * np.arange(1, len(validated) + 1), np.array(validated)[:, None]),
        *(table(q, at, np.full((5, 1), value), ("cross_entropy",)) for q, value in facts.items()),
    ]
    return replace(healthy_run(1), tables={each.quantity.name: each for each in made})


SICK = ended([1.0, 1.0, 1.0])


def test_says_that_no_end_is_asked_for() -> None:
    finding = the_finding(RULE, SICK)
    assert "In 3 check-ups `cross_entropy` asked for the end of no sequence (100%" in (
        finding.message.en
    )
    assert "attention_mask == 0" in finding.advice.en


@pytest.mark.parametrize(
    ("shares", "fires"),
    [
        ([1.0, 1.0], False),
        ([1.0, 1.0, 1.0], True),
        ([1.0, 0.98, 1.0], False),  # prompts whose ends are not asked for, beside answers
        ([0.0] * 9, False),
    ],
)
def test_all_ends_are_ignored(shares: list[float], fires: bool) -> None:
    assert bool(findings(RULE, ended(shares))) is fires


def test_says_which_class_is_ignored() -> None:
    message = the_finding(RULE, spared()).message.en
    assert "scores class 0 and ignores it: 86% of the targets" in message
    assert "never been better than 10.9, where guessing would give 1.1" in message
    assert "ignore_index=0" in the_finding(RULE, spared()).advice.en


@pytest.mark.parametrize(
    ("run", "fires"),
    [
        (spared(share=0.19), False),  # borders that belong to nobody
        (spared(share=0.21), True),
        (spared(validated=(0.9, 2.0, 4.0)), False),  # it overfits: its first was better
        (spared(validated=(1.5, 2.0, 4.0)), False),
        (spared(validated=(1.7, 2.0, 4.0)), True),
        (spared(validated=(10.0, 10.0)), False),
        (spared(last=0.6), False),
        (spared(last=0.5), True),
    ],
)
def test_what_is_nobodys_may_be_ignored(run: Run, fires: bool) -> None:
    assert bool(findings(RULE, run)) is fires


def test_without_a_validation_nothing_tells() -> None:
    run = spared()
    trained = {name: made for name, made in run.tables.items() if name != VALIDATION_LOSS.name}
    assert not findings(RULE, replace(run, tables=trained))


def test_without_either_it_is_not_judged() -> None:
    assert outcome(RULE, healthy_run(1)).verdict is Verdict.NOT_EVALUATED
