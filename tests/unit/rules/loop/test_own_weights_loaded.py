from __future__ import annotations

from dataclasses import replace

import pytest

from helpers.rule_asserts import findings, the_finding
from made.changes import changed
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.rule import NotEnough, Severity
from tb_lossdiag.quantities import OWN_WEIGHTS, VALIDATION_LOSS
from tb_lossdiag.rules.loop.own_weights_loaded import OwnWeightsLoaded
from tb_lossdiag.run import Run

RULE = OwnWeightsLoaded()


def loaded(words: str, *, rises: bool = True) -> Run:
    """A run whose best validation is the third, or the last, of ten, and what was loaded in it."""
    run = healthy_run(1)
    table = run[VALIDATION_LOSS]
    values = table.column("").copy()
    values[:] = 1.0
    values[2 if rises else -1] = 0.5
    return replace(
        changed(run, VALIDATION_LOSS, values[:, None]), facts={**run.facts, OWN_WEIGHTS: words}
    )


LAST = str(healthy_run(1)[VALIDATION_LOSS].steps[-1])
SECOND = str(healthy_run(1)[VALIDATION_LOSS].steps[1])
SICK = loaded(f"4 {LAST}")


def test_weights_that_were_not_the_best_are_named() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.severity is Severity.ERROR
    assert "each of its 4 parameters" in finding.message.en
    assert f"step {SICK[VALIDATION_LOSS].steps[2]}, 0.5, and is 1 with" in finding.message.en


@pytest.mark.parametrize(
    "run",
    [
        loaded(f"4 {LAST}", rises=False),  # they are the best
        loaded("damaged"),
        loaded(""),
        healthy_run(1),
    ],
)
def test_what_is_sound_is_not_named(run: Run) -> None:
    assert not findings(RULE, run)


def test_of_two_validations_nothing_is_said() -> None:
    with pytest.raises(NotEnough):
        list(RULE.check(loaded(f"4 {SECOND}")))
