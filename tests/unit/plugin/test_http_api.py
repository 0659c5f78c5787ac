"""The description of the routes is that of the routes there are, with the answers beside the page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import tb_lossdiag
from tb_lossdiag.plugin.plugin import ROUTES
from tb_lossdiag.report.formats import BY_ENDING
from tools.http_api import example

PLUGIN = Path(tb_lossdiag.__file__).parent / "plugin"
TEXT = (PLUGIN / "http_api.md").read_text("utf-8")
SECTIONS = dict(re.findall(r"^## (/\w+)\n(.*?)(?=^## /)", TEXT, re.MULTILINE | re.DOTALL))
EXAMPLES = {
    "runs": "/runs",
    "diagnosis": "/diagnosis",
    "table": "/table",
    "matrix": "/table",
    "rules": "/rules",
    "markdown": "/report",
    "spreadsheet": "/report",
    "compare": "/compare",
}


def test_every_route_has_its_section() -> None:
    assert tuple(SECTIONS) == ROUTES


def test_every_parameter_is_in_a_table() -> None:
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", TEXT, re.MULTILINE)
    described = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    source = "".join((PLUGIN / name).read_text("utf-8") for name in ("query.py", "routes.py"))
    asked = re.findall(r"""args\.get\("(\w+)"|_whole\(request, "(\w+)"\)""", source)
    assert described == {one or other for one, other in asked}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_the_answer_of_today(name: str) -> None:
    assert example(name) in SECTIONS[EXAMPLES[name]], "python3 tasks.py readme"


def test_the_files_of_a_report_are_named() -> None:
    assert re.findall(r"`(\w+)`", SECTIONS["/report"].split("| `format` |")[1])[:5] == list(
        BY_ENDING
    )
