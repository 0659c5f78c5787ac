from __future__ import annotations

import json

import numpy as np
import pytest

from tb_lossdiag.config import Policy, Settings
from tb_lossdiag.diagnosis.engine import Cause, Diagnosis
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text
from tb_lossdiag.plugin.summary import packed, summary
from tb_lossdiag.quantities import LOSS, VALIDATION_LOSS
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


@pytest.mark.parametrize(
    ("closed", "ended"), [(None, False), (0.5, False), (1.0, True), (9.0, True)]
)
def test_a_run_ended_if_its_writer_was_closed_after_all_records(
    closed: float | None, ended: bool
) -> None:
    run = Run(
        "run", {LOSS.name: table(LOSS, [0, 1], [3.0, 2.0], walltimes=[0.0, 1.0])}, closed=closed
    )
    assert summary(run, Diagnosis("run", (), ()), "en")["ended"] is ended


def rows(*settings: dict[str, str]) -> list[dict[str, object]]:
    return [{"status": "broken", "quantities": ["loss"], "settings": own} for own in settings]


def test_what_all_runs_have_alike_is_sent_once_or_not_at_all() -> None:
    sent = packed(rows({"optimizer": "SGD", "torch": "2"}, {"optimizer": "Adam", "torch": "2"}))
    assert [row["settings"] for row in sent["runs"]] == [
        {"optimizer": "SGD"},
        {"optimizer": "Adam"},
    ]
    assert [row["quantities"] for row in sent["runs"]] == [0, 0]
    assert sent["recorded"] == [["loss"]]
    assert packed(rows({"torch": "2"}))["runs"][0]["settings"] == {"torch": "2"}


def test_a_cause_is_told_with_its_title_and_its_worst_symptom() -> None:
    broken = cause("LD201", Severity.WARNING, cause("LD705", Severity.ERROR))
    row = summary(RUN, Diagnosis("run", (broken,), ()), "zh-CN", Policy.of(Settings()).rules)
    [told] = row["causes"]
    assert (told["code"], told["severity"], told["first_step"]) == ("LD201", "error", 0)
    assert told["title"] != "LD201"
    assert row["curve"] == "z0"


@pytest.mark.parametrize(
    ("values", "best"), [([2.0, 1.0, 1.5], 1.0), ([np.nan, 2.0], 2.0), ([np.inf, np.nan], "NaN")]
)
def test_the_best_validation_loss_is_told(values: list[float], best: object) -> None:
    run = Run("run", {q.name: table(q, range(len(values)), values) for q in (VALIDATION_LOSS,)})
    assert summary(run, Diagnosis("run", (), ()), "en")["best_validation"] == best
    assert summary(RUN, Diagnosis("run", (), ()), "en")["best_validation"] is None
