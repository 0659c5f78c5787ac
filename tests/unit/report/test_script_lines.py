"""Which line of the script a finding points at."""

from __future__ import annotations

import pytest

from tb_lossdiag.report.sarif import sarif
from tb_lossdiag.report.script_lines import script_line
from tb_lossdiag.rules import RULES

FACTS = {
    "loss_lines": "cross_entropy at train.py:12; mse_loss at my lib/loss at 3.py:7",
    "clip_line": "train.py:15",
    "step_line": "/home/me/loop.py:9",
}


@pytest.mark.parametrize(
    ("code", "subject", "facts", "line"),
    [
        ("LD501", "cross_entropy", FACTS, ("train.py", 12)),
        ("LD505", "mse_loss", FACTS, ("my lib/loss at 3.py", 7)),
        ("LD504", "huber_loss", FACTS, None),
        ("LD106", "", FACTS, None),
        ("LD106", "", {"loss_lines": "mse_loss at a.py:3"}, ("a.py", 3)),
        ("LD106", "", {"loss_lines": "mse_loss at a.py:3; mse_loss 2 at a.py:3"}, ("a.py", 3)),
        ("LD106", "", {}, None),
        ("LD302", "", FACTS, ("train.py", 15)),
        ("LD308", "", {"step_line": "a.py:1"}, ("a.py", 1)),
        ("LD606", "", FACTS, ("/home/me/loop.py", 9)),
        ("LD701", "body.0", FACTS, None),
        ("LD606", "", {"step_line": "a.py:0"}, None),
        ("LD606", "", {"step_line": "damaged"}, None),
    ],
)
def test_the_line_of_a_finding(
    code: str, subject: str, facts: dict[str, str], line: tuple[str, int] | None
) -> None:
    assert script_line({"code": code, "subject": subject}, facts) == line


@pytest.mark.parametrize(
    ("code", "uri", "line"),
    [("LD302", "train.py", 15), ("LD606", "file:///home/me/loop.py", 9), ("LD701", "runs/a", None)],
)
def test_a_result_points_at_it(code: str, uri: str, line: int | None) -> None:
    finding = {
        "code": code,
        "subject": "",
        "severity": "error",
        "message": "m",
        "advice": "a",
        "first_step": 0,
        "last_step": 1,
        "numbers": {},
        "explains": [],
    }
    run = {"run": "a", "facts": FACTS, "findings": [finding], "outcomes": []}
    ((result,),) = (log["results"] for log in sarif([run], RULES, "runs", "en", "1")["runs"])
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == uri
    assert place.get("region") == (None if line is None else {"startLine": line})
    others = [
        one["physicalLocation"]["artifactLocation"] for one in result.get("relatedLocations", [])
    ]
    assert others == ([] if line is None else [{"uri": "runs/a"}])
