"""A run says where it was taken up again, and how much is hidden since."""

from __future__ import annotations

import json
from typing import Any

from rich.console import Console

from tb_lossdiag.diagnosis.engine import diagnose
from tb_lossdiag.quantities import LOSS
from tb_lossdiag.report.document import entry
from tb_lossdiag.report.markdown import markdown
from tb_lossdiag.report.restarts import sentence
from tb_lossdiag.report.text import show
from tb_lossdiag.rules import RULES
from tb_lossdiag.run import Restart, Run
from tb_lossdiag.testing import run_of

SAID = (
    "Restarts: resumed at step 12 (8 records of earlier sessions are hidden), "
    "step numbers began again at 0, shown from 30 on"
)


def run(*restarts: Restart) -> Run:
    return Run("run", run_of({LOSS: [1.0] * 40}).tables, restarts=restarts)


def entries(judged: Run) -> list[dict[str, Any]]:
    return [entry(judged, diagnose(judged, RULES), "en", RULES)]


RUN = run(Restart(12, 5.0, "resumed", 8), Restart(30, 6.0, "renumbered", named=0))


def test_every_format_says_it() -> None:
    made = entries(RUN)
    assert json.loads(json.dumps(made))[0]["restarts"] == [
        {"kind": "resumed", "step": 12, "walltime": 5.0, "undone": 8, "named": None},
        {"kind": "renumbered", "step": 30, "walltime": 6.0, "undone": 0, "named": 0},
    ]
    assert SAID in markdown(made)
    console = Console(record=True, width=300)
    show(console, made)
    assert SAID in console.export_text()


def test_a_run_of_one_session_says_nothing() -> None:
    (made,) = entries(run())
    assert made["restarts"] == []
    assert sentence(made, "en") == ""


def test_many_epochs_are_one_line() -> None:
    many = run(*(Restart(30 * n, 0.0, "went back", 2) for n in range(1, 101)))
    (made,) = entries(many)
    assert sentence(made, "en").endswith("and 95 more (190 records of earlier sessions are hidden)")
    assert "另有 95 处" in sentence(made, "zh-CN")
