"""Every report names the series that a rule judged, and not the quantity that it was derived of."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from helpers.sick_runs import by_code, sick_run
from tb_lossdiag.diagnosis.engine import diagnose
from tb_lossdiag.report import document
from tb_lossdiag.report.markdown import markdown
from tb_lossdiag.report.page import page
from tb_lossdiag.report.text import show

RULE = by_code("LD401")


def told(language: str = "en") -> dict[str, Any]:
    run = sick_run("LD401")
    return document.entry(run, diagnose(run, [RULE]), language, [RULE])


def test_the_document_has_the_series_with_its_deciding_point() -> None:
    piece = told()["findings"][0]["evidence"][0]
    judged = piece["judged"]
    assert judged["name"] == "share of `main` in the loss"
    assert judged["at"] in judged["steps"]
    assert len(judged["steps"]) == len(judged["values"]) <= 200
    assert min(judged["values"]) <= piece["observed"] <= max(judged["values"])
    assert told("zh")["findings"][0]["evidence"][0]["judged"]["name"] == "`main` 在损失中的占比"


def test_text_markdown_and_page_name_it() -> None:
    console = Console(width=300, record=True, file=io.StringIO())
    show(console, [told()])
    assert "share of `main` in the loss 0.986 (threshold 0.95)" in console.export_text()
    assert "| share of `main` in the loss |" in markdown([told()])
    assert "<td>share of <code>main</code> in the loss</td>" in page([told()])
