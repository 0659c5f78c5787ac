from __future__ import annotations

import json

import numpy as np
import pytest

from tb_lossdiag.diagnosis.engine import Cause, Diagnosis
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text
from tb_lossdiag.plugin.summary import summary
from tb_lossdiag.quantities import LOSS
from tb_lossdiag.records import table
from tb_lossdiag.run import Run

WORDS = Text("words")
RUN = Run("run", {LOSS.name: table(LOSS, [0, 1], [3.0, 2.0])})


def cause(code: str, severity: Severity, *explains: Cause) -> Cause:
    place = (Evidence("loss", "", 0, 1),)
    return Cause(Finding(code, severity, "", place, WORDS, WORDS), explains)


def test_a_cause_counts_as_what_it_led_to() -> None:
    """A run that is broken by a warning's consequence shows that in its counts too."""
    broken = cause("LD201", Severity.WARNING, cause("LD705", Severity.ERROR))
    causes = (broken, cause("LD609", Severity.INFO))
    row = summary(RUN, Diagnosis("run", causes, ()), "en")
    assert row["status"] == "broken"
    assert row["counts"] == {"info": 1, "warning": 0, "error": 1}


@pytest.mark.parametrize("times", [[np.nan, np.nan], [0.0, np.inf], [np.nan, 1.0]])
def test_a_time_that_is_none_is_left_out(times: list[float]) -> None:
    run = Run("run", {LOSS.name: table(LOSS, [0, 1], [3.0, 2.0], walltimes=times)})
    row = summary(run, Diagnosis("run", (), ()), "en")
    assert row["last_walltime"] in {None, 1.0}
    assert row["period"] is None
    json.dumps(row, allow_nan=False)
