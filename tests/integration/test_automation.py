"""What the page on continuous integration says can be done."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from helpers.plain_scalars import falling, write
from tb_lossdiag.cli import main

MANUAL = Path(__file__).parents[2] / "tb_lossdiag" / "manual"
COMMAND = re.compile(r"tb-lossdiag (?:check|compare) [^\n`'…|]+")


def commands(page: str) -> list[list[str]]:
    """Those that are complete, without what the shell does with their output."""
    found = COMMAND.findall((MANUAL / page).read_text("utf-8"))
    told = [shlex.split(text.partition(" >>")[0], comments=True)[1:] for text in found]
    return [words for words in told if "LOGDIR" not in words and "$SLURM_JOB_ID" not in words]


@pytest.mark.parametrize("page", ["en/automation.md", "zh-CN/automation.md"])
def test_every_command_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], page: str
) -> None:
    write(tmp_path / "runs" / "a", {"train/loss": falling(60), "val/loss": falling(60)})
    monkeypatch.chdir(tmp_path)
    assert main(["check", "runs", "--write-baseline", "lossdiag-known.json"]) == 0
    found = commands(page)
    assert len(found) >= 3
    for words in found:
        assert main(words) == 0, (words, capsys.readouterr().err)
