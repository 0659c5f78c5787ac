"""Runs that people sent (`tb-lossdiag bundle`): what is right of each stands at the end of its file's name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tb_lossdiag.bundles.file import read
from tb_lossdiag.config import Policy, Settings
from tb_lossdiag.diagnosis.rule import Severity

FOLDER = Path(__file__).parent / "bundles"
BUNDLES = sorted(FOLDER.glob("*.lossdiag.npz"))
_RIGHT = re.compile(r".+-(healthy|LD(?:\d{3}|R\d{2}))\.lossdiag\.npz")


@pytest.mark.parametrize("path", BUNDLES, ids=lambda path: path.name)
def test_what_was_sent_is_judged_right(path: Path) -> None:
    found = _RIGHT.fullmatch(path.name)
    assert found is not None, "its name ends in healthy or a code"
    assert f"`{path.name}`" in (FOLDER / "SOURCES.md").read_text("utf-8")
    causes = Policy.of(Settings()).diagnose(read(str(path))).causes
    if found[1] == "healthy":
        assert [c.finding.code for c in causes if c.worst >= Severity.WARNING] == []
    else:
        assert causes[0].finding.code == found[1]
