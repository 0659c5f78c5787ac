"""The docstring of a package is its map: whoever opens a folder finds each of its files there, in reading order."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import tb_lossdiag

ROOT = Path(tb_lossdiag.__file__).parent
TESTS = Path(__file__).parents[1]
MAPPED = sorted(
    folder.parent
    for folder in (*ROOT.rglob("__init__.py"), *TESTS.glob("*/__init__.py"))
    if folder.parent != ROOT and not {"rules", "quantities"} & set(folder.parts)
)


@pytest.mark.parametrize("folder", MAPPED, ids=lambda folder: folder.name)
def test_a_package_names_each_of_its_files(folder: Path) -> None:
    text = ast.get_docstring(ast.parse((folder / "__init__.py").read_text("utf-8"))) or ""
    files = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    rooms = {path.parent.name for path in folder.glob("*/__init__.py")}
    assert set(re.findall(r"^- `(\w+)`", text, re.MULTILINE)) == files | rooms
