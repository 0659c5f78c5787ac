"""What is accepted as known is written sorted and read back, and nothing else is taken for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tb_lossdiag.report import baseline


def run(name: str, *findings: dict[str, Any]) -> dict[str, Any]:
    return {"run": name, "findings": list(findings)}


def finding(code: str, subject: str = "", *consequences: dict[str, Any]) -> dict[str, Any]:
    return {"code": code, "subject": subject, "explains": list(consequences)}


def test_findings_and_their_consequences_are_known_again(tmp_path: Path) -> None:
    place = tmp_path / "baseline.json"
    runs = [run("b", finding("LD201", "é", finding("LD104"))), run("a", finding("LD101"))]
    baseline.write(place, runs)
    known = baseline.read(place)
    assert known == {("a", "LD101", ""), ("b", "LD104", ""), ("b", "LD201", "é")}
    written = json.loads(place.read_text("utf-8"))["findings"]
    assert [one["run"] for one in written] == ["a", "b", "b"]
    later = [run("b", finding("LD201", "é", finding("LD102")))]
    baseline.mark(later, known)
    outer = later[0]["findings"][0]
    assert (outer["known"], outer["explains"][0]["known"]) == (True, False)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"findings": [{}]}', '{"findings": 3}'])
def test_what_is_no_baseline_is_refused(tmp_path: Path, text: str) -> None:
    place = tmp_path / "baseline.json"
    place.write_text(text)
    with pytest.raises(ValueError, match="is no baseline"):
        baseline.read(place)


def test_one_of_another_version_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "baseline.json"
    place.write_text('{"version": 9, "findings": []}')
    with pytest.raises(ValueError, match="version 9"):
        baseline.read(place)
