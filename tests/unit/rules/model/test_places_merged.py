from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict, judge
from tb_lossdiag.quantities import PLACES_MERGED
from tb_lossdiag.records import table
from tb_lossdiag.rules.model.places_merged import PlacesMerged
from tb_lossdiag.run import Run

RULE = PlacesMerged()


def cast(shares: list[float]) -> Run:
    """A model whose places were cast in so many check-ups."""
    run = healthy_run(1)
    made = table(PLACES_MERGED, 2 ** np.arange(len(shares)), np.array(shares))
    return replace(run, tables={**run.tables, PLACES_MERGED.name: made})


SICK = cast([0.75] * 5)


def test_says_how_many() -> None:
    assert "75% of neighbours became one" in the_finding(RULE, SICK).message.en


@pytest.mark.parametrize(
    ("shares", "fires"),
    [([0.0] * 5, False), ([0.09] * 5, False), ([0.11] * 5, True), ([0.0, 0.0, 0.9], False)],
)
def test_the_bounds(shares: list[float], fires: bool) -> None:
    assert bool(findings(RULE, cast(shares))) is fires


def test_two_check_ups_are_too_few() -> None:
    assert judge(cast([0.9, 0.9]), RULE)[0].verdict is Verdict.NOT_EVALUATED
