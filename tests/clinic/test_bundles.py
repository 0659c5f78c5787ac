"""Runs that people sent (`tb-lossdiag bundle`): what is right of each stands at the end of its file's name."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pytest

from helpers.plain_scalars import diverging, write
from tb_lossdiag.bundles.file import read
from tb_lossdiag.cli import main
from tb_lossdiag.config import Policy, Settings
from tb_lossdiag.diagnosis.rule import Severity

ROOT = Path(__file__).parents[2]
FOLDER = Path(__file__).parent / "bundles"
BUNDLES = sorted(FOLDER.glob("*.lossdiag.npz"))
_RIGHT = re.compile(r".+-(healthy|LD(?:\d{3}|R\d{2}))\.lossdiag\.npz")


def assert_right(path: Path) -> None:
    """What is right of a bundle stands in its name."""
    found = _RIGHT.fullmatch(path.name)
    assert found is not None, "its name ends in healthy or a code"
    causes = Policy.of(Settings()).diagnose(read(str(path))).causes
    if found[1] == "healthy":
        assert [c.finding.code for c in causes if c.worst >= Severity.WARNING] == []
    else:
        assert causes[0].finding.code == found[1]


@pytest.mark.parametrize("path", BUNDLES, ids=lambda path: path.name)
def test_what_was_sent_is_judged_right(path: Path) -> None:
    assert f"`{path.name}`" in (FOLDER / "SOURCES.md").read_text("utf-8")
    assert_right(path)


def test_what_the_issue_form_asks_for_becomes_a_case(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As its reader does: the command that stands there, put into an archive, taken out under the name of what is right."""
    form = (ROOT / ".github/ISSUE_TEMPLATE/wrong-diagnosis.yml").read_text("utf-8")
    asked = re.search(r"`tb-lossdiag (bundle LOGDIR RUN)`", form)
    assert asked is not None
    write(tmp_path / "runs" / "secret", {"train/loss": diverging(100)})
    monkeypatch.chdir(tmp_path)
    named = {"LOGDIR": "runs", "RUN": "secret"}
    assert main([named.get(word, word) for word in asked[1].split()]) == 0
    with zipfile.ZipFile("attached.zip", "w") as archive:
        archive.write("run.lossdiag.npz")
    with zipfile.ZipFile("attached.zip") as archive:
        archive.extractall("sent")
    assert b"secret" not in Path("sent/run.lossdiag.npz").read_bytes()
    assert_right(Path("sent/run.lossdiag.npz").rename("sent/reported-LD102.lossdiag.npz"))
    with pytest.raises(AssertionError):
        assert_right(
            Path("sent/reported-LD102.lossdiag.npz").rename("sent/reported-healthy.lossdiag.npz")
        )
