"""The committed page is the one its sources build: without Node, by their hashes; CI also builds it anew."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "tb_lossdiag" / "plugin" / "static"
MANIFEST = json.loads((STATIC / "manifest.json").read_text(encoding="utf-8"))


def hashed(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_sources_are_those_it_was_built_from() -> None:
    sources = {name: hashed(ROOT / "frontend" / name) for name in MANIFEST["sources"]}
    assert sources == MANIFEST["sources"], "run python3 tasks.py build and commit the result"


def test_outputs_are_those_that_were_built() -> None:
    assert {name: hashed(STATIC / name) for name in MANIFEST["outputs"]} == MANIFEST["outputs"]


def test_no_source_is_missing_from_the_manifest() -> None:
    found = {
        path.relative_to(ROOT / "frontend").as_posix()
        for path in (ROOT / "frontend" / "src").rglob("*")
        if path.is_file()
    }
    assert found <= set(MANIFEST["sources"])
    assert not any(name.endswith(".png") for name in MANIFEST["sources"])  # taken of what was built


def test_a_changed_test_of_the_page_does_not_ask_for_a_new_build() -> None:
    assert not any(name.startswith("tests/") for name in MANIFEST["sources"])


def test_the_page_asks_nobody_else() -> None:
    for name in ("app.js", "vendor.js"):
        text = (STATIC / name).read_text(encoding="utf-8")
        assert "//cdn." not in text
        assert "eval(" not in text.replace("$eval(", "")
    app = (STATIC / "app.js").read_text(encoding="utf-8")
    assert "innerHTML" not in app
