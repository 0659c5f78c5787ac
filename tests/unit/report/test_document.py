"""What the document says of a run beyond its findings."""

from __future__ import annotations

import json

from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text
from tb_lossdiag.quantities import CALL_INPUT_MAX, LOSS, STEPS
from tb_lossdiag.report.document import json_number, ongoing, rules, steps, why
from tb_lossdiag.rules import RULES
from tb_lossdiag.run import Run
from tb_lossdiag.testing import run_of


def found(last: int, *quantities: str) -> Finding:
    evidence = tuple(Evidence(q, "", 0, last, 1.0, 0.5) for q in quantities)
    words = Text("")
    return Finding("LD502", Severity.ERROR, "", evidence, words, words)


def test_steps_are_those_that_records_cover() -> None:
    run = run_of({STEPS: [1.0, 1.0, 8.0], LOSS: [3.0, 2.0, 1.0]}, steps=[0, 1, 9])
    assert steps(run) == 10


def test_without_a_watch_steps_are_records() -> None:
    assert steps(run_of({LOSS: [3.0, 2.0, 1.0]}, steps=[0, 50, 100])) == 3


def test_a_finding_of_the_newest_check_up_goes_on_though_steps_have_followed() -> None:
    checks = run_of({CALL_INPUT_MAX: [1.0, 1.0]}, steps=[0, 300]).tables
    run = Run("run", {**run_of({LOSS: [1.0] * 400}).tables, **checks}, {})
    assert ongoing(found(300, CALL_INPUT_MAX.name), run)
    assert not ongoing(found(300, LOSS.name), run)
    assert not ongoing(found(0, CALL_INPUT_MAX.name), run)


def test_what_json_has_no_number_for_is_a_word() -> None:
    numbers = (None, 0.5, float("nan"), float("inf"), -float("inf"))
    assert [json_number(n) for n in numbers] == [None, 0.5, "NaN", "Infinity", "-Infinity"]


def test_a_problem_is_told_in_the_words_of_whoever_knows() -> None:
    assert why(ValueError("no such run")) == "no such run"
    assert why(ValueError()) == "ValueError()"
    assert why(KeyError("loss")) == "KeyError('loss')"
    assert why(ValueError("x" * 300)) == "x" * 300
    assert why(ValueError("x" * 301)) == "x" * 300 + " …"


def test_every_rule_is_described() -> None:
    told = json.loads(json.dumps(rules(RULES), allow_nan=False))["rules"]
    assert [one["code"] for one in told] == [rule.code for rule in RULES]
    (rule,) = (one for one in told if one["code"] == "LD104")
    assert rule["thresholds"]["max_fall"] == 0.02
    assert "loss" in rule["reads"]
    assert rule["documentation"]
    (chinese,) = (one for one in rules(RULES, "zh")["rules"] if one["code"] == "LD104")
    assert chinese["title"] != rule["title"]
