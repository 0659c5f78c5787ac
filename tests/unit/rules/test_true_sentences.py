"""Sentences that were not true once, and that no text says any more; those of single rules are tested beside them."""

from __future__ import annotations

import inspect

import pytest

from helpers.sick_runs import by_code, sick_run
from tb_lossdiag.diagnosis.engine import diagnose
from tb_lossdiag.quantities import STEPS
from tb_lossdiag.rules import RULES

CODES = [rule.code for rule in RULES]


@pytest.mark.parametrize("code", CODES)
def test_nothing_may_be_meant_and_nothing_is_asked_for_that_was_done(code: str) -> None:
    """A run that ends at guessing was told that this may be meant, and a watched one to call `watch`."""
    run = sick_run(code)
    found = diagnose(run, RULES)
    assert not [f.code for f in found.findings() if "may be meant" in f.message.en]
    reasons = [outcome.reason.en for outcome in found.outcomes if outcome.reason is not None]
    assert STEPS not in run or not [r for r in reasons if "not recorded: writer.watch(model" in r]


def test_the_reasons_for_a_gradient_of_zero_name_a_factor_too() -> None:
    """Neither a dead ReLU nor a clamp: DPO with a beta of 0, GRPO with rewards that are all equal."""
    words = inspect.getsource(inspect.getmodule(type(by_code("LD205"))))  # type: ignore[arg-type]
    assert "DPO's `beta`" in words
    assert "rewards that are all equal" in words


def test_who_cannot_record_every_step_is_told_what_decides() -> None:
    """A framework offers no record of every step."""
    (found,) = [f for f in diagnose(sick_run("LD902"), RULES).findings() if f.code == "LD902"]
    assert "logging_steps" in found.advice.en
    assert "log_every_n_steps" in found.advice.en


def test_a_rate_that_fell_is_not_said_to_have_stayed() -> None:
    """It may have gone on falling: only that it did not come back is known, and where it ended."""
    for finding in diagnose(sick_run("LD607"), RULES).findings():
        assert "stayed there" not in finding.message.en
