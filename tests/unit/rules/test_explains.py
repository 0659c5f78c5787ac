"""Which finding folds under which: pairs that a training of the clinic showed side by side."""

from __future__ import annotations

import pytest

from tb_lossdiag.diagnosis.engine import Cause, fold
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text
from tb_lossdiag.rules import RULES

EXPLAINS = {rule.code: rule.explains for rule in RULES}
WORDS = Text("words")


def _finding(code: str) -> Finding:
    return Finding(code, Severity.WARNING, "", (Evidence("loss", "", 0, 9),), WORDS, WORDS)


@pytest.mark.parametrize(
    ("cause", "symptoms"),
    [
        ("LD101", ("LD205", "LD705")),  # NaN in a ReLU gives gradients of 0
        ("LD201", ("LD705",)),  # what vanishes on the way back carries nothing on the way there
        ("LD201", ("LD210",)),  # most layers of a deep one have gradients below any epsilon
        ("LD202", ("LD306", "LD802")),
        ("LD204", ("LD602",)),  # the typical matrix is one that never moves
        ("LD206", ("LD205", "LD304", "LD705", "LD802")),
        ("LD302", ("LD104",)),  # below a doubling, a loss that rises is LD104's
        ("LD408", ("LD104",)),
        ("LD621", ("LD104",)),
        ("LD704", ("LD104",)),
        ("LD710", ("LD104",)),
        ("LD803", ("LD104",)),
        ("LD302", ("LD701", "LD704")),  # a step of the full gradient kills units
        ("LD402", ("LD201", "LD701")),  # an encoder that nothing asks any more
        ("LD403", ("LD204",)),  # the head of a forgotten term
        ("LD404", ("LD204",)),
        ("LD501", ("LD701", "LD704")),
        ("LD502", ("LD701", "LD704")),
        ("LD503", ("LD110",)),
        ("LD506", ("LD110", "LD608")),  # below zero there is no end to grow to
        ("LD507", ("LD106", "LD205")),
        # a decay of half the weights a step leaves nothing of them
        ("LD407", ("LD205", "LD601", "LD705")),
        ("LD508", ("LD104", "LD202")),  # a fall drowns in what single samples cost
        # returns in the thousands leave a policy beside them no gradient
        ("LD510", ("LD106", "LD201")),
        ("LD605", ("LD102", "LD103", "LD904")),  # the loss is made with another model
        ("LD606", ("LD701", "LD704")),
        ("LD607", ("LD602", "LD605")),
        ("LD511", ("LD601", "LD704")),  # what cannot reach its targets pushes
        ("LD511", ("LD114",)),  # a softmax over one class costs exactly 0
        ("LD511", ("LD701",)),  # the dead ReLU is the output itself
        ("LD601", ("LD103", "LD105", "LD205", "LD702", "LD704", "LD705")),
        ("LD205", ("LD106",)),  # the first loss stays where nothing moves
        ("LD633", ("LD203", "LD710")),  # adapters multiplied a thousandfold score what they look at
        ("LD601", ("LD710", "LD711", "LD712")),
        # adapters put into a model after its optimizer was made: what that holds is frozen, and A waits for B, which stays 0
        ("LD603", ("LD205", "LD610")),
        ("LD610", ("LD208",)),
        ("LD714", ("LD204", "LD205")),  # an expert without tokens has no gradient
        ("LD705", ("LD106",)),
        ("LD701", ("LD205",)),
        ("LD722", ("LD601", "LD701", "LD705", "LD104")),  # a layer as wide as one unit
        ("LD801", ("LD104",)),
        ("LD802", ("LD104", "LD605")),
    ],
)
def test_the_cause_holds_its_symptoms(cause: str, symptoms: tuple[str, ...]) -> None:
    (root,) = fold([_finding(code) for code in (*symptoms, cause)], EXPLAINS)
    assert root.finding.code == cause
    assert _below(root) == set(symptoms)


def _below(cause: Cause) -> set[str]:
    children = {each.finding.code for each in cause.explains}
    return children.union(*(_below(each) for each in cause.explains))
