"""Each need of `needs.toml` is answered by trainings of the clinic that are there, sick ones with the code and sound ones without."""

from __future__ import annotations

import ast
import re
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CLINIC = Path(__file__).parent
NEEDS: dict[str, dict[str, Any]] = tomllib.loads((CLINIC / "needs.toml").read_text("utf-8"))
NUMBERS = [f"N{number}" for number in (4, 5, 7, 10, 11, 13, 14, 15, 16, 17, 18, 19, 21, 22)]
REPORTS = (CLINIC / "REPORT.md", CLINIC / "abroad" / "REPORT.md")


@cache
def expected(file: Path) -> dict[str, list[str]]:
    """The codes that each case of a file expects; the file is not imported, since that may need TRL and others."""
    tree = ast.parse(file.read_text("utf-8"))
    return {
        node.name: [
            argument.value
            for call in node.decorator_list
            if isinstance(call, ast.Call)
            for argument in call.args
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
        ]
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.decorator_list
    }


@cache
def measured() -> dict[str, tuple[int, int]]:
    """Of each case that the reports know: how often it was judged right, of how many visits."""
    rows = [line for report in REPORTS for line in report.read_text("utf-8").splitlines()]
    found = (re.match(r"\| ([a-z0-9-]+)[^|]*\|.*?\| (\d+) of (\d+) \|", row) for row in rows)
    return {row[1]: (int(row[2]), int(row[3])) for row in found if row}


def named(entry: str) -> tuple[Path, str, str]:
    """File, case and code of an entry; no code of a sound one."""
    file, _, rest = entry.partition("::")
    case, _, code = rest.partition(" ")
    return CLINIC / file, case, code


def test_every_need_is_answered() -> None:
    assert list(NEEDS) == NUMBERS


@pytest.mark.parametrize("number", NUMBERS)
def test_what_shows_it_is_there(number: str) -> None:
    need = NEEDS[number]
    assert need["asked"]
    assert need["sick"]
    assert need["sound"]
    for file, case, code in map(named, need["sick"]):
        assert code in expected(file)[case], f"{case} does not expect {code}"
    for file, case, code in map(named, need["sound"]):
        assert (code, expected(file)[case]) == ("", []), f"{case} is not sound"


@pytest.mark.parametrize("number", NUMBERS)
def test_the_clinic_has_judged_it_right(number: str) -> None:
    """Where its report knows the case already."""
    for _, case, _ in map(named, [*NEEDS[number]["sick"], *NEEDS[number]["sound"]]):
        right, of = measured().get(case.replace("_", "-"), (1, 1))
        assert 2 * right > of, f"{case} was judged right {right} times of {of}"
