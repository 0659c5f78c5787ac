from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers.rule_asserts import findings, findings_if_any, first_evidence, the_finding
from made.changes import head
from made.check_ups import with_tables
from made.healthy import healthy_run
from made.logs import log, noisy
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import CALL_VALUE, LOSS
from tb_lossdiag.records import table
from tb_lossdiag.rules.loss_curve.loss_above_chance import LossAboveChance
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = LossAboveChance()
TAGS = "loss=train/loss, learning_rate[group 0]=train/learning_rate, global_norm=train/grad_norm"


def shuffled(start: float = 17.9, end: float = 5.8, **facts: str) -> Run:
    """Labels of other samples: far above guessing, then down to the frequencies of tokens, and no further."""
    level = end + (start - end) * np.exp(-np.arange(60) / 3)
    level[:3] = start
    return replace(log(noisy(level, 0.01), every=5), facts=facts)


SICK = shuffled(language="train/mean_token_accuracy")


def test_a_language_model_that_begins_worse_than_guessing() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.severity is Severity.WARNING
    assert "262,144 tokens costs 12.5" in finding.message.en
    assert first_evidence(RULE, SICK).quantity == LOSS.name


@pytest.mark.parametrize(("start", "expected"), [(12.8, 1), (12.2, 0)])
def test_both_sides_of_the_largest_vocabulary(start: float, expected: int) -> None:
    assert len(findings(RULE, shuffled(start, language="ppl"))) == expected


def test_an_error_where_it_stays_above() -> None:
    assert the_finding(RULE, shuffled(17.0, 14.0, language="ppl")).severity is Severity.ERROR


def test_logs_of_transformers_alone_must_stand_still_high_up() -> None:
    run = shuffled(scalars=TAGS)
    assert "if it is a cross-entropy" in the_finding(RULE, run).message.en
    assert findings(RULE, shuffled(16.0, 4.1, scalars=TAGS))
    assert not findings(RULE, shuffled(16.0, 3.9, scalars=TAGS))


def test_losses_that_fall_on_are_something_else() -> None:
    """Connectionist temporal classification and unscaled regression begin that high, and fall for long."""
    falls = replace(log(noisy(np.linspace(20, 6, 60), 0.01), every=5), facts={"scalars": TAGS})
    assert not findings(RULE, falls)


def test_not_evaluated_without_a_hint_with_calls_or_in_the_middle_of_a_run() -> None:
    assert outcome(RULE, shuffled()).verdict is Verdict.NOT_EVALUATED
    seen = with_tables(SICK, [table(CALL_VALUE, [0], [1.0], ("cross_entropy",))])
    assert outcome(RULE, seen).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, head(SICK, 9)).verdict is Verdict.NOT_EVALUATED


@pytest.mark.parametrize("seed", range(4))
def test_silent_on_healthy_runs(seed: int) -> None:
    assert not findings_if_any(RULE, healthy_run(seed))
