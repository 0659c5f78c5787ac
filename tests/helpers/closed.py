"""Lists of what was wrong, each entry with the tests that would fail if it came back."""

from __future__ import annotations

import ast
import re
import sys
from functools import cache
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Entries = dict[str, dict[str, Any]]


def entries(file: Path) -> Entries:
    """Of a list, in its order."""
    return tomllib.loads(file.read_text("utf-8"))


@cache
def named_in(file: Path) -> frozenset[str]:
    """The tests of a file, Python's or the page's."""
    text = file.read_text("utf-8")
    if file.suffix != ".py":
        return frozenset(re.findall(r"^test\(\s*\"((?:[^\"\\]|\\.)*)\"", text, re.MULTILINE))
    nodes = ast.walk(ast.parse(text))
    return frozenset(node.name for node in nodes if isinstance(node, ast.FunctionDef))


def not_there(entry: dict[str, Any], python: Path, page: Path | None = None) -> list[str]:
    """Its tests that are in no file below these folders."""
    places = [(test, *test.partition("::")[::2]) for test in entry["tests"]]
    return [
        test
        for test, file, name in places
        if name not in named_in(((page or python) if not file.endswith(".py") else python) / file)
    ]
