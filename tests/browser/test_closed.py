"""Each defect of `closed.toml` is closed by tests that would fail if it came back, or left for a reason."""

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

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "frontend" / "tests"
CLOSED: dict[str, dict[str, Any]] = tomllib.loads(
    (Path(__file__).parent / "closed.toml").read_text("utf-8")
)
NUMBERS = [*(f"U{number}" for number in range(1, 53)), *(f"R{number}" for number in range(1, 7))]


@cache
def named_in(file: Path) -> frozenset[str]:
    """The tests of a file, Python's or the page's."""
    text = file.read_text("utf-8")
    if file.suffix != ".py":
        return frozenset(re.findall(r"^test\(\s*\"((?:[^\"\\]|\\.)*)\"", text, re.MULTILINE))
    nodes = ast.walk(ast.parse(text))
    return frozenset(node.name for node in nodes if isinstance(node, ast.FunctionDef))


def test_every_number_is_closed() -> None:
    assert list(CLOSED) == NUMBERS


@pytest.mark.parametrize("number", NUMBERS)
def test_what_closes_it_is_there(number: str) -> None:
    closed = CLOSED[number]
    assert closed["was"]
    assert closed["tests"] or closed["reason"]
    for test in closed["tests"]:
        file, _, name = test.partition("::")
        place = (TESTS if file.endswith(".py") else PAGE) / file
        assert name in named_in(place), f"{test} is not there"
