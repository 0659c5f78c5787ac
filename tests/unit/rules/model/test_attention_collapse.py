from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.changes import with_loss
from made.check_ups import with_tables
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.quantities import ATTENTION_ENTROPY, LOSS
from tb_lossdiag.records import table
from tb_lossdiag.rules.model.attention_collapse import AttentionCollapse
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = AttentionCollapse()
BASE = healthy_run(1)
STEPS = BASE[LOSS].steps
EVERY = STEPS[:: len(STEPS) // 8]


def run_of(entropy: Sequence[float], end: float = 2.0, start: float = 2.0, at: int = 3) -> Run:
    """A layer with this entropy, check-up by check-up; the loss falls from 2 to `start` until check-up `at`, then to `end`."""
    half = int(np.searchsorted(STEPS, EVERY[at]))
    loss = np.concatenate(
        [np.linspace(2.0, start, half), np.linspace(start, end, len(STEPS) - half)]
    )
    made = table(ATTENTION_ENTROPY, EVERY[: len(entropy)], entropy, ("0.softmax()",))
    return with_tables(with_loss(BASE, loss), [made])


FALLS = [0.9, 0.9, 0.8, 0.7, 0.02, 0.02, 0.01, 0.01]
SICK = run_of(FALLS)


def test_names_the_layer_and_since_when() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.subject == "0.softmax()"
    assert f"and 2.0% from step {EVERY[4]} on" in finding.message.en


@pytest.mark.parametrize(
    ("run", "fires"),
    [
        (run_of(FALLS, end=1.95), True),
        (run_of(FALLS, end=1.0), False),  # it learned where to look
        (run_of(FALLS, start=0.5, end=0.5, at=2), False),  # there was little left to learn
        (run_of(FALLS, start=0.7, end=0.7, at=2), True),
        (run_of([0.02] * 8), False),  # from the first check-up on: LD725
        (run_of([0.25, 0.25, 0.2, 0.2, *FALLS[4:]]), False),
        (run_of([0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.02, 0.02]), False),  # too short
        (run_of([0.9, 0.9, 0.9, 0.9, 0.06, 0.06, 0.06, 0.06]), False),
        (run_of([0.9, 0.9, 0.02, 0.9, 0.9, 0.9, 0.9, 0.9]), False),  # came back
    ],
)
def test_the_bounds(run: Run, fires: bool) -> None:
    assert bool(findings(RULE, run)) is fires


def test_without_a_loss_before_nothing_is_said() -> None:
    run = run_of(FALLS)
    late = table(LOSS, STEPS[-80:], run[LOSS].values[-80:])
    assert not findings(RULE, with_tables(run, [late]))


def test_few_check_ups_tell_nothing() -> None:
    assert outcome(RULE, run_of([0.9, 0.01, 0.01])).verdict is Verdict.NOT_EVALUATED
