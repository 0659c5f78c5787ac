"""What comes with the extras is imported by whoever asks for it, and by nobody else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from helpers.plain_scalars import falling, write

EXTRAS = ("pyarrow", "duckdb", "mcp", "prometheus_client", "opentelemetry", "s3fs", "torch")
CODE = f"""
import sys
import tb_lossdiag.plugin.loader
from tb_lossdiag.cli import main
main(["check", sys.argv[1]])
main(["watch", sys.argv[1], "--once"])
main(["explain", "LD302"])
print("imported", sorted(set({EXTRAS!r}) & set(sys.modules)))
"""


def test_nothing_of_them_is_imported_unasked(tmp_path: Path) -> None:
    write(tmp_path / "a", {"train/loss": falling(60), "val/loss": falling(60)})
    said = subprocess.run(
        [sys.executable, "-c", CODE, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert said.stdout.splitlines()[-1:] == ["imported []"], said.stdout + said.stderr
