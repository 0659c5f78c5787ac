"""The README's Python code does what it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from helpers.plain_scalars import falling, write

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_the_readmes_code_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    for run in ("before", "after"):
        write(tmp_path / "runs" / run, {"train/loss": falling(60), "val/loss": falling(60)})
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / name).read_text("utf-8"), re.DOTALL)
    (code,) = (block for block in blocks if "tb_lossdiag.diagnose(" in block)
    # The runs are plain scalars, which say nothing of the loss call.
    exec(code.replace("LD1,LD5", "LD1"), {})  # noqa: S102
    assert "before" in capsys.readouterr().out
