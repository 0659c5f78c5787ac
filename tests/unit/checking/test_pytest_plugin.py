"""The fixture, in a pytest of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TEST = """
from helpers.plain_scalars import diverging, falling, write

def test_good(lossdiag):
    write(lossdiag.logdir / "good", {"train/loss": falling(60), "val/loss": falling(60)})
    assert lossdiag.assert_healthy()["good"].name == "good"

def test_bad(lossdiag):
    write(lossdiag.logdir / "bad", {"train/loss": diverging(100)})
    assert lossdiag.diagnose(select="LD1").findings
    lossdiag.assert_healthy(select="LD101")
    lossdiag.assert_healthy(select=["LD102"])
"""


def test_a_training_that_is_not_healthy_fails_its_test_with_the_report(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(TEST)
    command = (
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "tb_lossdiag.pytest_plugin",
        "test_it.py",
    )
    paths = os.pathsep.join(path for path in sys.path if path)
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": paths}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert "1 failed, 1 passed" in done.stdout, done.stdout + done.stderr
    assert "LD102" in done.stdout


def test_pytest_pays_nothing_for_a_fixture_nobody_uses() -> None:
    code = "import sys, tb_lossdiag.pytest_plugin; print({'torch', 'tensorboard', 'rich'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
