"""The reader of claims: what rules say of their sick runs holds, and sentences known to be untrue are caught."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from claims.check import untrue
from helpers.sick_runs import by_code, sick_run
from tb_lossdiag.diagnosis.engine import Cause, Diagnosis, diagnose
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text
from tb_lossdiag.quantities import CHECK_SECONDS, LOSS, LOSS_NONFINITE
from tb_lossdiag.records import table
from tb_lossdiag.rules import RULES
from tb_lossdiag.run import Run

Values = Mapping[str, object]
STEPS = np.arange(100)
FALLING = Run(
    "r",
    {
        LOSS.name: table(LOSS, STEPS, np.linspace(2.0, 1.0, 100)),
        LOSS_NONFINITE.name: table(LOSS_NONFINITE, STEPS, np.zeros(100)),
        CHECK_SECONDS.name: table(CHECK_SECONDS, [0, 1, 2, 4, 8], np.ones(5)),
    },
)


@pytest.mark.parametrize("code", [rule.code for rule in RULES])
def test_what_rules_say_of_their_sick_runs_holds(code: str) -> None:
    assert not untrue(sick_run(code), diagnose(sick_run(code), RULES))


def claims(words: str, values: Values, ends: tuple[int, int] = (0, 99)) -> list[str]:
    """What does not hold of these words about the falling loss."""
    evidence = Evidence(LOSS.name, "", *ends)
    message = Text(words).format(**values)
    finding = Finding("LD101", Severity.WARNING, "", (evidence,), message, Text("."))
    return untrue(FALLING, Diagnosis("r", (Cause(finding),), ()))


TRUE: tuple[tuple[str, Values], ...] = (
    ("The loss fell from {a} to {b}.", {"a": "2", "b": "1"}),
    ("The loss fell to {a} by step {s} and is {b} at step {t}.", {"a": "1.5", "s": 49, "b": "1.6", "t": 39}),
    ("The loss was not finite in {n} of {m} records ({p}%).", {"n": 20, "m": 100, "p": "20.0"}),
    ("It rose from {a} to {b}, {f} times as much.", {"a": "1", "b": "1.99", "f": "1.99"}),
    ("It lasted for {p}% of the run.", {"p": "100"}),
    ("In {n} of {m} check-ups.", {"n": 2, "m": 5}),
    ("The loss has lost only {p}%.", {"p": "49"}),
    ("The loss began at {a} and its level over the last quarter is {b}: a change of {p}%.", {"a": "2", "b": "1.12", "p": "-44"}),
    ("It is above its level up to the end.", {}),
    ("It fell from {a} to {b} and lost all, while it rose from {c} to {d}.", {"a": "2", "b": "1", "c": "1.2", "d": "1.8"}),
    ("The output of `{m}` was {a} at step {s}.", {"m": "0", "a": "2", "s": 0}),
)  # fmt: skip
UNTRUE: tuple[tuple[str, str, Values], ...] = (
    ("fell to a value that stands elsewhere", "The loss fell to {a} by step {s}.", {"a": "1.1", "s": 30}),
    ("fell upwards", "It fell from {a} to {b}.", {"a": "1.2", "b": "1.8"}),
    ("fell below zero from below zero", "It has fallen from {a} to {b}.", {"a": "-0.437", "b": "-0.0027"}),
    ("grew downwards", "It grew from {a} to {b}.", {"a": "1.8", "b": "1.2"}),
    ("grew downwards behind a fall", "It lost all, while it rose from {a} to {b}.", {"a": "1.8", "b": "1.2"}),
    ("a value that never was", "The loss is {a} now.", {"a": "2.7"}),
    ("an end that was the beginning", "The loss is {a} now.", {"a": "1.9"}),
    ("a step without a record", "It broke at step {s}.", {"s": 512}),
    ("more than there are", "In {n} of {m} check-ups.", {"n": 2, "m": 31}),
    ("more than all", "In {n} of {m} records.", {"n": 31, "m": 30}),
    ("half a thing", "It has {n} classes.", {"n": "9.5"}),
    ("another share", "In {n} of {m} records ({p}%).", {"n": 20, "m": 100, "p": "25.0"}),
    ("a quarter of all", "It lasted for {p}% of the run.", {"p": "25"}),
    ("no share", "It makes up {p}% of the loss.", {"p": "130"}),
    ("another factor", "It grew from {a} to {b}, {f} times.", {"a": "1", "b": "2", "f": "4"}),
    ("lost less", "The loss has lost only {p}%.", {"p": "5"}),
    ("it fell", "And the loss has lost less than a tenth of its start.", {}),
    ("later is better", "Over its second half the loss is no better than at the start.", {}),
    ("more than there are parameters", "In `{a}` and {n} more.", {"a": "0.weight", "n": 512}),
    ("it held", "The loss became NaN or infinite.", {}),
    ("another change", "The loss began at {a} and its level over the last quarter is {b}: a change of {p}%.", {"a": "2", "b": "1.12", "p": "44"}),
)  # fmt: skip


@pytest.mark.parametrize(("words", "values"), TRUE, ids=[words for words, _ in TRUE])
def test_true_sentences_pass(words: str, values: Values) -> None:
    assert not claims(words, values)


@pytest.mark.parametrize(("words", "values"), [u[1:] for u in UNTRUE], ids=[u[0] for u in UNTRUE])
def test_untrue_sentences_are_caught(words: str, values: Values) -> None:
    assert claims(words, values)


def test_evidence_points_at_records() -> None:
    assert claims("It stands still.", {}, ends=(0, 512))
    assert claims("It is above its level up to the end.", {}, ends=(0, 50))


def test_a_floor_is_a_floor() -> None:
    run = sick_run("LD501")
    found = diagnose(run, [by_code("LD501")])
    values = run.tables["call_value"]
    lower = replace(values, values=np.full_like(values.values, 0.5))
    assert not untrue(run, found)
    assert untrue(replace(run, tables={**run.tables, "call_value": lower}), found)
