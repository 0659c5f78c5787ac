from __future__ import annotations

import pytest

from tb_lossdiag.config.suppression import Suppression, suppressed
from tb_lossdiag.diagnosis.engine import Cause, Diagnosis
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text
from tb_lossdiag.rules import RULES

WORDS = Text("words")


def finding(
    code: str = "LD202", column: str = "head.weight", first: int = 10, last: int = 20
) -> Finding:
    evidence = (Evidence("gradient_norm", column, first, last),)
    return Finding(code, Severity.WARNING, column, evidence, WORDS, WORDS)


@pytest.mark.parametrize(
    ("accepted", "covers"),
    [
        (Suppression("LD202", "why"), True),
        (Suppression("LD2", "why"), True),
        (Suppression("LD3", "why"), False),
        (Suppression("LD202", "why", run="base*"), True),
        (Suppression("LD202", "why", run="other*"), False),
        (Suppression("LD202", "why", column="head.*"), True),
        (Suppression("LD202", "why", column="body.*"), False),
        (Suppression("LD202", "why", steps=(10, 20)), True),
        (Suppression("LD202", "why", steps=(11, 20)), False),
        (Suppression("LD202", "why", steps=(0, 19)), False),
    ],
)
def test_only_what_was_accepted(accepted: Suppression, covers: bool) -> None:
    assert accepted.covers("baseline", finding()) is covers


def test_a_layer_pattern_must_cover_every_layer_and_needs_one() -> None:
    accepted = Suppression("LD202", "why", column="head.*")
    two = Finding(
        "LD202",
        Severity.WARNING,
        "",
        (Evidence("gradient_norm", "head.a", 0, 1), Evidence("gradient_norm", "body.a", 0, 1)),
        WORDS,
        WORDS,
    )
    assert not accepted.covers("r", two)
    assert not accepted.covers("r", finding(column=""))


def test_what_an_accepted_cause_explained_stands_on_its_own() -> None:
    cause = Cause(finding("LD202"), (Cause(finding("LD102", "")),))
    before = Diagnosis("r", (cause,), ())
    after = suppressed(before, RULES, [Suppression("LD202", "known outlier batch")])
    assert [c.finding.code for c in after.causes] == ["LD102"]
    assert [(s.finding.code, s.reason) for s in after.suppressed] == [
        ("LD202", "known outlier batch")
    ]
    assert after.worst is Severity.WARNING


def test_nothing_accepted_changes_nothing() -> None:
    before = Diagnosis("r", (Cause(finding()),), ())
    assert suppressed(before, RULES, []) is before
