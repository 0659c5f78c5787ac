"""Each entry of `closed.toml` is closed by tests and trainings that would fail if it came back, or is left for a reason."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from helpers.closed import entries, not_there

HERE = Path(__file__).parent
CLOSED = entries(HERE / "closed.toml")
COUNTS = {
    "K": 20, "F": 14, "L": 3, "S": 16, "G": 5, "W": 20, "P": 9, "H": 4, "O": 4, "E": 6, "N": 1,
    "M": 5,
    "T": 10,
}  # fmt: skip
NUMBERS = [f"{kind}{number + 1}" for kind, count in COUNTS.items() for number in range(count)]
REGISTERS = {"case", "patient", "sealed"}
"""Decorators that enter a training."""


@cache
def trainings() -> frozenset[str]:
    """Names of the clinic's trainings, at home and abroad, whatever is installed."""
    files = [*(HERE / "cases").glob("*.py"), *(HERE / "abroad" / "cases").glob("*.py")]
    return frozenset(name for file in files for name in _entered(file.read_text("utf-8")))


def _entered(source: str) -> Iterator[str]:
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef) and any(map(_registers, node.decorator_list)):
            yield node.name.strip("_").replace("_", "-")


def _registers(decorator: ast.expr) -> bool:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return isinstance(called, ast.Name) and called.id in REGISTERS


def test_every_number_is_closed() -> None:
    assert list(CLOSED) == NUMBERS


@pytest.mark.parametrize("number", NUMBERS)
def test_what_closes_it_is_there(number: str) -> None:
    closed = CLOSED[number]
    assert closed["was"]
    assert closed["tests"] or closed["reason"]
    assert not not_there(closed, HERE.parent)
    assert not set(closed.get("cases", ())) - trainings()
