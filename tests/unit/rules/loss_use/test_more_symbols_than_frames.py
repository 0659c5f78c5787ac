from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.changes import changed
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.quantities import CALL_UNFIT, LOSS_NONFINITE
from tb_lossdiag.records import table
from tb_lossdiag.rules.loss_use.more_symbols_than_frames import MoreSymbolsThanFrames
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = MoreSymbolsThanFrames()


def unfit(shares: list[float]) -> Run:
    """A CTC loss, so many of whose sequences did not fit, check-up by check-up."""
    run, steps = healthy_run(1), 2 ** np.arange(len(shares))
    made = table(CALL_UNFIT, steps, np.array(shares)[:, None], ("ctc_loss",))
    return replace(run, tables={**run.tables, CALL_UNFIT.name: made})


SICK = unfit([0.6, 0.7, 0.71])


def test_says_how_many() -> None:
    message = the_finding(RULE, SICK).message.en
    assert "67% of the sequences given to `ctc_loss`" in message
    assert "(3 check-ups)" in message


@pytest.mark.parametrize(
    ("shares", "broken", "fires"),
    [
        ([0.0] * 9, False, False),
        ([0.0] * 9, True, False),
        ([0.099] * 3, False, False),
        ([0.101] * 3, False, True),
        ([0.0, 0.0, 0.03], False, False),
        ([0.0, 0.0, 0.03], True, True),
    ],
)
def test_the_bounds(shares: list[float], broken: bool, fires: bool) -> None:
    """One of them breaks a run that does not leave them out."""
    run = unfit(shares)
    run = changed(run, LOSS_NONFINITE, 1.0) if broken else run
    assert bool(findings(RULE, run)) is fires


def test_other_losses_are_not_judged() -> None:
    assert outcome(RULE, healthy_run(1)).verdict is Verdict.NOT_EVALUATED
