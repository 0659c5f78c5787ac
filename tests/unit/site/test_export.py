"""The tab as files: every answer that the page may ask for lies in one of them."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest

from helpers.written_runs import write_run
from tb_lossdiag.cli import main
from tb_lossdiag.quantities import GRADIENT_NORM, LOSS
from tb_lossdiag.records import table
from tb_lossdiag.report.reference import address
from tb_lossdiag.site.questions import points, questions

NAMES = ("a", "b</script>")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two exported runs."""
    folder = tmp_path_factory.mktemp("export")
    for name in ("a", "b<\u2215script>"):
        norms = [[1.0, 2.0]] * 30
        tables = [
            table(LOSS, range(30), [float(30 - i) for i in range(30)]),
            table(GRADIENT_NORM, range(30), norms, ["x", "y"]),
        ]
        write_run(folder / "runs" / name, tables)
    assert main(["export", str(folder / "runs"), str(folder / "site")]) == 0
    return folder / "site"


def test_a_rules_page_is_looked_for_on_the_documentation_site(site: Path) -> None:
    text = (site / "replay.js").read_text("utf-8")
    page = text[text.index("`https:") + 1 :].partition("`")[0]
    for name, value in {"lang": "zh-CN", "page": "LD302"}.items():
        page = page.replace(f'${{asked.get("{name}")}}', value)
    assert page == address("LD302", "zh-CN")


def answers(file: Path) -> list[Any]:
    (text,) = re.findall(r"^lossdiagAnswers\((.*)\);$", file.read_text("utf-8"), re.MULTILINE)
    found: list[Any] = json.loads(text)
    return found


def test_the_page_is_one_file_that_names_no_other_host(site: Path) -> None:
    text = (site / "index.html").read_text("utf-8")
    (imports,) = re.findall(r'<script type="importmap">(.*?)</script>', text)
    app = json.loads(imports)["imports"]["app"].partition(",")[2]
    assert 'from"vendor"' in base64.b64decode(app).decode().replace(" ", "")
    assert re.findall(r'(?:src|href)="([^"]+)"', text) == ["data:,", "replay.js", "data/main.js"]


def test_every_question_has_its_answer_in_its_file(site: Path) -> None:
    overview = json.loads(
        next(body for route, _, _, body in answers(site / "data/main.js") if route == "runs")
    )
    assert overview["state"]
    assert overview["logdir"] == ""
    asked = list(questions(overview["runs"], overview["recorded"]))
    assert {question.route for question in asked} == {
        *("rules", "report", "diagnosis", "table", "compare"),
    }
    for question in asked:
        found = answers(site / "data" / f"{question.file}.js")
        assert any([question.route, question.key] == entry[:2] for entry in found)


def test_a_second_export_replaces_the_first(site: Path) -> None:
    assert main(["export", str(site.parent / "runs"), str(site)]) == 0
    assert (site / "index.html").exists()


def test_nothing_to_judge_is_no_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    assert main(["export", str(tmp_path / "empty"), str(tmp_path / "site")]) == 2
    assert "nothing to export" in capsys.readouterr().err
    assert not (tmp_path / "site").exists()


def test_many_runs_are_compared_with_the_best_and_their_neighbours() -> None:
    rows = [
        {
            "run": str(n),
            "problem": "bad" if n == 3 else None,
            "status": "healthy" if n > 20 else "broken",
            "loss": float(n),
            "quantities": 0,
        }
        for n in range(30)
    ]
    pairs = {
        (question.query["a"], question.query["b"])
        for question in questions(rows, [[]])
        if question.route == "compare"
    }
    assert {b for a, b in pairs if a == "10"} == {"9", "11", "21"}
    assert {b for a, b in pairs if a == "2"} == {"1", "4", "21"}


def test_wide_tables_are_thinned_more() -> None:
    assert (points(1), points(100), points(10_000)) == (1200, 600, 150)
