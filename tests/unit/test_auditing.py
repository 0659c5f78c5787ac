"""The audit of the lock files, against registries that say what the test wants."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tools import auditing
from tools.auditing import Hole, NoAnswerError

ROOT = Path(__file__).parents[2]
HOLE = {"id": "PYSEC-1", "summary": "reads beyond the end", "details": "", "withdrawn": None}
LOCK = {
    "packages": {
        "node_modules/echarts": {"version": "6.1.0"},
        "node_modules/vite": {"version": "8.3.8", "dev": True},
    }
}


def page(*names: str) -> dict[str, Any]:
    """What npm says if these are vulnerable."""
    about = {"severity": "high", "via": [{"title": "runs code"}, "other"]}
    return {
        "vulnerabilities": {
            name: {**about, "name": name, "nodes": [f"node_modules/{name}"]} for name in names
        }
    }


def test_a_hole_in_what_is_required_is_red(capsys: pytest.CaptureFixture[str]) -> None:
    asked = []

    def ask(address: str) -> Any:
        asked.append(address)
        return {"vulnerabilities": [HOLE] if "/werkzeug/" in address else []}

    found = {"werkzeug": "3.1.9", "ruff": "0.17.6"}
    code = auditing.audit({"pins": lambda: auditing.of_python(found, {"werkzeug"}, ask)})
    assert code == 1
    assert asked[0] == "https://pypi.org/pypi/werkzeug/3.1.9/json"
    said = capsys.readouterr().out
    assert "shipped: werkzeug 3.1.9: PYSEC-1: reads beyond the end" in said
    assert "pins: 1 known" in said


def test_a_hole_in_a_tool_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    code = auditing.audit({"lock": lambda: auditing.of_page(page("vite"), LOCK)})
    assert code == 0
    assert "tool: vite 8.3.8: high: runs code; other" in capsys.readouterr().out


def test_a_hole_in_a_bundled_script_is_red() -> None:
    assert auditing.audit({"lock": lambda: auditing.of_page(page("echarts"), LOCK)}) == 1


def test_what_was_withdrawn_is_none() -> None:
    answer = {"vulnerabilities": [{**HOLE, "withdrawn": "2026-01-01"}]}
    assert not list(auditing.of_python({"rich": "15.0.0"}, {"rich"}, lambda _: answer))


def test_a_registry_that_does_not_answer_is_a_message(capsys: pytest.CaptureFixture[str]) -> None:
    def first_then_nothing() -> Iterator[Hole]:
        yield Hole("ruff 0.17.6", "PYSEC-2: slow", shipped=False)
        raise NoAnswerError("refused")

    silent = {"message": "405 Method Not Allowed"}
    code = auditing.audit(
        {"pins": first_then_nothing, "lock": lambda: auditing.of_page(silent, LOCK)}
    )
    assert code == 0
    said = capsys.readouterr().out
    assert "pins: not asked to the end, refused" in said
    assert "lock: not asked to the end, npm audit: 405" in said


def test_no_connection_is_no_answer() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # nobody listens
        with pytest.raises(NoAnswerError):
            auditing.fetched(f"http://127.0.0.1:{bound.getsockname()[1]}/x")


def test_all_that_the_package_requires_is_pinned() -> None:
    """Else it would not be asked about; tomli is of Python 3.10 only."""
    shipped = auditing.required((ROOT / "setup.cfg").read_text(encoding="utf-8"))
    pinned = auditing.pins((ROOT / "tests" / "constraints.txt").read_text(encoding="utf-8"))
    assert "tensorboard" in shipped
    assert shipped - {"tomli"} <= pinned.keys()
