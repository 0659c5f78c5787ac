from __future__ import annotations

import pytest

from helpers.rule_asserts import findings, the_finding
from made.probes import probed
from tb_lossdiag.quantities import PROBE_FORGOTTEN_DROPOUT, PROBE_NOISE
from tb_lossdiag.rules.model.noise_in_eval import NoiseInEval
from tb_lossdiag.run import Run

RULE = NoiseInEval()


def noisy(noise: float, calls: float) -> Run:
    return probed({PROBE_NOISE: noise, PROBE_FORGOTTEN_DROPOUT: calls})


SICK = noisy(0.02, 2)


def test_counts_the_calls() -> None:
    assert "in 2 calls per pass" in the_finding(RULE, SICK).message.en


@pytest.mark.parametrize(
    ("noise", "calls", "fires"),
    [(0.5, 0, False), (0.0, 1, False), (0.00099, 1, False), (0.001, 1, True)],
)
def test_the_bounds(noise: float, calls: float, fires: bool) -> None:
    assert bool(findings(RULE, noisy(noise, calls))) is fires
