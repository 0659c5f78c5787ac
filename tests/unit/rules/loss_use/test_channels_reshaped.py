from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.check_ups import with_tables
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import INPUT_INTERLEAVED
from tb_lossdiag.records import table
from tb_lossdiag.rules.loss_use.channels_reshaped import ChannelsReshaped
from tb_lossdiag.run import Run

RULE = ChannelsReshaped()


def pictures(ahead: Sequence[float]) -> Run:
    """Numbers a turn apart are so much more alike, check-up by check-up."""
    steps = 2 ** np.arange(len(ahead))
    return with_tables(healthy_run(1), [table(INPUT_INTERLEAVED, steps, np.array(ahead))])


SICK = pictures([0.9, 1.0, 0.95, 0.95])


def test_colours_that_lie_in_turn() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.severity is Severity.WARNING
    assert "in 4 check-ups" in finding.message.en
    assert "by 0.95 (a correlation)" in finding.message.en
    assert "permute(0, 3, 1, 2)" in finding.advice.en


@pytest.mark.parametrize(
    ("ahead", "fires"),
    [
        ([0.031, 0.01, 0.031, 0.04], True),
        ([0.029, 0.01, 0.029, 0.04], False),
        ([0.9, 0.9, 0.9, 0.0], False),  # one batch is in order
        ([0.9, 0.9, 0.9], False),
        ([-0.4] * 5, False),
    ],
)
def test_the_bounds(ahead: list[float], fires: bool) -> None:
    assert bool(findings(RULE, pictures(ahead))) is fires
