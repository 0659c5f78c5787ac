from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from helpers.rule_asserts import findings, the_finding
from made.logs import log, noisy
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.rules.loss_curve.epoch_boundary_jump import EpochBoundaryJump
from tb_lossdiag.testing import outcome

RULE = EpochBoundaryJump()


def epochs(starts: npt.ArrayLike, size: float = 1.0, records: int = 300) -> npt.NDArray[np.float64]:
    """A loss that falls slowly, and jumps where epochs start; each jump is worn off within an epoch."""
    since = np.full(records, 99)
    for start in np.asarray(starts):
        since[start:] = np.arange(records - start)
    level = np.linspace(2, 1, records) + size * np.exp(-since / 15)
    return noisy(level, 0.01)


SICK = log(epochs(np.arange(50, 300, 50)))


def test_says_the_time_it_keeps() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.severity is Severity.INFO
    assert "jumps up 5 times, every 50 steps, the first time at step 50" in finding.message.en
    assert "every 50 steps" in finding.advice.en
    down = np.linspace(2, 1, 300) - 0.3 * (np.arange(300) // 50)
    assert "jumps down 5 times" in the_finding(RULE, log(noisy(down + 2, 0.002))).message.en


@pytest.mark.parametrize(("size", "expected"), [(0.25, 1), (0.03, 0)])
def test_both_sides_of_the_noise(size: float, expected: int) -> None:
    assert len(findings(RULE, log(epochs(np.arange(50, 300, 50), size)))) == expected


@pytest.mark.parametrize(
    ("starts", "expected"),
    [
        ([60, 120, 180, 240], 1),
        ([60, 121, 180, 240], 1),
        ([60, 120, 240, 300 - 1], 1),
        ([60, 120, 180], 0),
        ([60, 130, 180, 240], 0),
        ([150, 180, 210, 240, 270], 0),
        ([50, 53, 56, 59, 250], 0),
    ],
)
def test_both_sides_of_a_rhythm(starts: list[int], expected: int) -> None:
    assert len(findings(RULE, log(epochs(starts)))) == expected


def test_a_rate_that_begins_anew_with_them() -> None:
    rate = 0.1 * (1 - (np.arange(300) % 50) / 60)
    assert not findings(RULE, log(epochs(np.arange(50, 300, 50)), rate=rate))
    falling = np.linspace(0.1, 0.01, 300)
    assert len(findings(RULE, log(epochs(np.arange(50, 300, 50)), rate=falling))) == 1


def test_not_evaluated_or_nothing_to_see() -> None:
    assert outcome(RULE, log(np.ones(49))).verdict is Verdict.NOT_EVALUATED
    assert not findings(RULE, log(np.ones(60)))
