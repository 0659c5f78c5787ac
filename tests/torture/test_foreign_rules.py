"""Whatever a rule of another package does, the other rules and the other runs get their answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from torture.bad_rules import CODE, FAILING, HARMLESS, finding, made

from tb_lossdiag.diagnosis import foreign
from tb_lossdiag.diagnosis.engine import Diagnosis, Verdict, diagnose
from tb_lossdiag.diagnosis.foreign import asked
from tb_lossdiag.quantities import LOSS
from tb_lossdiag.report import document
from tb_lossdiag.report.markdown import markdown
from tb_lossdiag.report.sarif import sarif
from tb_lossdiag.report.spreadsheet import spreadsheet
from tb_lossdiag.rules.loss_curve.non_finite_loss import NonFiniteLoss
from tb_lossdiag.run import Run
from tb_lossdiag.testing import run_of

GOOD = NonFiniteLoss()


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a second for each, so that the loops among them do not keep the tests waiting."""
    monkeypatch.setattr(foreign, "SECONDS", 0.5)


def _run() -> Run:
    return run_of({LOSS: [3.0, float("nan"), 2.0]}, facts={"optimizer": "SGD"})


def _served(rule: Any, run: Run) -> Diagnosis:
    """The diagnosis by a bad and a good rule; it can be shown in every form."""
    before = {name: (t.steps.copy(), t.values.copy()) for name, t in run.tables.items()}
    rules = [rule, GOOD]
    diagnosis = diagnose(run, rules)
    assert [o.verdict for o in diagnosis.outcomes[1:]] == [Verdict.FINDINGS]
    for name, (steps, values) in before.items():
        np.testing.assert_array_equal(run.tables[name].steps, steps)
        np.testing.assert_array_equal(run.tables[name].values, values)
    assert (run.name, run.facts) == ("run", {"optimizer": "SGD"})
    for language in ("en", "zh-CN"):
        entry = document.entry(run, diagnosis, language, rules)
        shown = [json.dumps(entry, allow_nan=False), markdown([entry]), spreadsheet([entry])]
        shown.append(json.dumps(sarif([entry], rules, "runs", language, "1"), allow_nan=False))
        assert all(text.encode() for text in shown)
    return diagnosis


def test_there_are_at_least_as_many_kinds_as_were_tried_before() -> None:
    assert len(FAILING) + len(HARMLESS) >= 37


@pytest.mark.parametrize("kind", FAILING)
@pytest.mark.usefixtures("hurried")
def test_a_rule_that_gives_no_answer_has_failed_with_a_reason(kind: str) -> None:
    outcome = _served(made(FAILING[kind]), _run()).outcomes[0]
    assert outcome.verdict is Verdict.FAILED
    assert outcome.reason is not None
    assert outcome.reason.en
    assert len(outcome.reason.en) <= 500


@pytest.mark.parametrize("kind", HARMLESS)
def test_a_rule_that_answers_changes_nothing_for_others(kind: str) -> None:
    settings = np.geterr()
    assert _served(made(HARMLESS[kind]), _run()).outcomes[0].verdict is not Verdict.FAILED
    assert np.geterr() == settings


def test_who_interrupts_is_heard() -> None:
    def check(_run: Run) -> Iterator[Any]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        diagnose(_run(), [made(check), GOOD])


@pytest.mark.usefixtures("hurried")
def test_a_loop_is_ended_and_after_three_runs_nobody_waits_for_it() -> None:
    begun = []

    def check(_run: Run) -> None:
        begun.append(threading.current_thread())
        FAILING["loops"](_run)

    rule = made(check)
    reasons = [diagnose(_run(), [rule]).outcomes[0].reason for _ in range(5)]
    assert len(begun) == 3
    assert not any(thread.is_alive() for thread in begun)
    assert [reason.en.count("not asked again") for reason in reasons if reason] == [0, 0, 0, 1, 1]
    assert all(reason.in_language("zh") != reason.en for reason in reasons if reason)


@pytest.mark.usefixtures("hurried")
def test_what_cannot_be_ended_is_asked_once() -> None:
    rule = made(FAILING["sleeps"])
    first, second = (diagnose(_run(), [rule]).outcomes[0].reason for _ in range(2))
    assert first is not None
    assert second is not None
    assert "not asked again" in second.en


def test_what_is_sound_arrives_as_it_was_said() -> None:
    assert asked(made(lambda _run: [finding(numbers={"a": 1})]), _run()) == [
        finding(numbers={"a": 1.0})
    ]


def test_our_own_rules_are_asked_without_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign, "within", lambda *_: pytest.fail("a thread was started"))
    assert foreign.own(GOOD)
    diagnosis = diagnose(_run(), [GOOD])
    assert CODE not in {outcome.code for outcome in diagnosis.outcomes}
