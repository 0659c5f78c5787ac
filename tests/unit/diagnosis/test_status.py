from __future__ import annotations

import pytest

from made.changes import without
from made.healthy import healthy_run
from made.logs import log
from tb_lossdiag.diagnosis.engine import Cause, Diagnosis, Outcome, Verdict, diagnose
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text
from tb_lossdiag.diagnosis.status import status, unlocks
from tb_lossdiag.quantities import CALL_VALUE, GRADIENT_NORM, LOSS, LOSS_TERM, hints
from tb_lossdiag.rules import RULES


def judged(clear: list[str], lacking: list[str], absent: int = 0) -> Diagnosis:
    """A diagnosis without findings."""
    outcomes = [Outcome(code, Verdict.CLEAR) for code in clear]
    outcomes += [Outcome(code, Verdict.NOT_EVALUATED) for code in lacking]
    outcomes += [Outcome(f"LD7{i:02}", Verdict.NOT_EVALUATED, absent=True) for i in range(absent)]
    return Diagnosis("run", (), tuple(outcomes))


def with_finding(severity: Severity) -> Diagnosis:
    words = Text("words")
    finding = Finding("LD104", severity, "", (Evidence("loss", "", 0, 9),), words, words)
    return Diagnosis("run", (Cause(finding),), (Outcome("LD104", Verdict.FINDINGS),))


@pytest.mark.parametrize(
    ("severity", "word"),
    [(Severity.ERROR, "broken"), (Severity.WARNING, "warning"), (Severity.INFO, "healthy")],
)
def test_the_worst_finding_decides(severity: Severity, word: str) -> None:
    assert status(with_finding(severity), 100) == word


def test_half_of_the_rules_must_have_looked_for_health() -> None:
    assert status(judged(["LD101", "LD102"], ["LD201", "LD202"]), 100) == "healthy"
    assert status(judged(["LD101"], ["LD201", "LD202"]), 100) == "nothing found"
    assert status(judged(["LD101"], ["LD201", "LD202"], absent=1), 100) == "healthy"
    assert status(judged(["LD101", "LD901", "LD902"], ["LD201", "LD202"]), 100) == "nothing found"


def test_without_a_rule_that_judges_a_loss_too_little_is_recorded() -> None:
    assert status(judged(["LD201"], ["LD101", "LD102"]), 100) == "too little recorded"
    assert status(judged(["LD501"], ["LD101"]), 100) == "healthy"
    assert status(judged(["LD301"], []), 100) == "healthy"  # nobody asked for the others
    assert status(judged(["LD201"], ["LD501"]), 100) == "healthy"


def test_a_handful_of_steps_is_too_early_and_grows() -> None:
    assert status(judged(["LD101"], ["LD201", "LD202"]), 9) == "too early"
    assert status(judged([], ["LD101"]), 9) == "too early"
    assert status(judged([], []), 100) == "too early"


def test_a_full_record_is_healthy_and_a_bare_loss_is_not() -> None:
    assert status(diagnose(healthy_run(1), RULES), 200) == "healthy"
    falling = [2.0 * 0.9**i for i in range(60)]
    assert status(diagnose(log(falling, every=10), RULES), 60) == "nothing found"
    silent = without(healthy_run(1), *(q for q in (LOSS, CALL_VALUE)))
    assert status(diagnose(silent, RULES), 200) != "broken"


def test_what_would_unlock_most_comes_first() -> None:
    def lacking(code: str, *names: str, absent: bool = False) -> Outcome:
        return Outcome(code, Verdict.NOT_EVALUATED, names, absent=absent)

    found = unlocks(
        [
            lacking("LD101", LOSS.name),
            lacking("LD401", LOSS_TERM.name),
            lacking("LD402", LOSS_TERM.name),
            lacking("LD201", LOSS.name, GRADIENT_NORM.name),
            lacking("LD501", CALL_VALUE.name, absent=True),
            Outcome("LD102", Verdict.NOT_EVALUATED),
            Outcome("LD103", Verdict.CLEAR),
        ]
    )
    assert list(found) == [hints.TERMS, hints.LOSS, f"{hints.LOSS}; {hints.MODEL}"]
    assert found[hints.TERMS] == ("LD401", "LD402")
