from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.check_ups import with_tables
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import ADDED_SHARE, LOSS
from tb_lossdiag.records import table
from tb_lossdiag.rules.model.sublayer_silent import SublayerSilent
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = SublayerSilent()
BASE = healthy_run(1)
AT = BASE[LOSS].steps[20::20]


def adds(*levels: float, last: Sequence[float] = ()) -> Run:
    """Layers that add so much in every check-up; the first one's newest shares are these."""
    values = np.tile(np.array(levels), (len(AT), 1))
    if last:
        values[-len(last) :, 0] = last
    names = tuple(f"h.{index}.proj" for index in range(len(levels)))
    return with_tables(BASE, [table(ADDED_SHARE, AT, values, names)])


SICK = adds(0.0, 0.3, 0.4, 0.2)


def test_names_the_part_and_what_the_others_add() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.severity is Severity.INFO
    assert finding.subject == "h.0.proj"
    assert "`h.0.proj` adds is 0 times as large" in finding.message.en
    assert "bring 0.3 times" in finding.message.en
    assert "1 of 4 additions" in finding.message.en


@pytest.mark.parametrize(
    ("run", "fires"),
    [
        (adds(0.99e-4, 0.3, 0.4, 0.2), True),
        (adds(1.1e-4, 0.3, 0.4, 0.2), False),
        (adds(1e-6, 0.0101, 0.0101), True),
        (adds(1e-6, 0.009, 0.009), False),
        (adds(1e-6, 1e-6, 0.3, 0.3), True),
        (adds(1e-6, 1e-6, 1e-6, 0.3), False),
        (adds(0.0, 0.3, 0.3, last=[1e-6, 2e-6, 4e-6]), False),
        (adds(0.0, 0.3, 0.3, last=[1e-6, 1e-6, 2e-6]), True),
        (adds(0.0, 0.3, 0.3, last=[0.2, 1e-6, 1e-6]), False),
    ],
)
def test_the_bounds(run: Run, fires: bool) -> None:
    assert bool(findings(RULE, run)) is fires


def test_of_two_additions_nothing_is_said() -> None:
    assert outcome(RULE, adds(0.0, 0.3)).verdict is Verdict.NOT_EVALUATED
