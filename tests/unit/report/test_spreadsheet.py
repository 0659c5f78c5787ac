"""CSV: every finding a row, and nothing a spreadsheet would run."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from tb_lossdiag.report.spreadsheet import HEAD, spreadsheet


def finding(code: str, subject: str = "", **more: Any) -> dict[str, Any]:
    base = {"code": code, "name": "n", "severity": "error", "subject": subject, "first_step": 1}
    evidence = [{"quantity": "loss", "observed": "NaN", "threshold": -2.0}]
    rest = {"last_step": 2, "evidence": evidence, "message": "m, with comma", "explains": []}
    return {**base, **rest, **more}


def rows(*runs: dict[str, Any]) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(spreadsheet(runs), newline="")))


def test_symptoms_follow_their_cause() -> None:
    nested = finding("LD1", explains=[finding("LD2", explains=[finding("LD3")])])
    found = rows({"run": "a", "status": "broken", "findings": [nested]})
    assert [(r["code"], r["explained_by"]) for r in found] == [
        ("LD1", ""),
        ("LD2", "LD1"),
        ("LD3", "LD2"),
    ]
    assert found[0]["message"] == "m, with comma"
    assert (found[0]["observed"], found[0]["threshold"]) == ("NaN", "-2.0")


def test_a_run_without_findings_is_listed() -> None:
    found = rows({"run": "a", "status": "healthy", "findings": []})
    assert [(r["run"], r["status"], r["code"]) for r in found] == [("a", "healthy", "")]
    assert set(found[0]) == set(HEAD)


def test_what_nobody_sees_in_a_name_is_spelled_out() -> None:
    found = rows(
        {"run": "\t=1", "status": "broken", "findings": [finding("LD1", subject="\x1b[2J")]}
    )
    assert (found[0]["run"], found[0]["subject"]) == (r"\t=1", r"\x1b[2J")


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@x", "  =1"])
def test_names_are_never_formulas(name: str) -> None:
    found = rows({"run": name, "status": "broken", "findings": [finding("LD1", subject=name)]})
    assert found[0]["run"] == found[0]["subject"] == f"'{name}"
