"""What the document says of a run beyond its findings."""

from __future__ import annotations

from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text
from tb_lossdiag.quantities import CALL_INPUT_MAX, LOSS, STEPS
from tb_lossdiag.report.document import ongoing, steps
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
