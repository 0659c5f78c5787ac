"""What comes with the extras is imported by whoever asks for it, and by nobody else."""

from __future__ import annotations

import configparser
import re
import subprocess
import sys
from pathlib import Path

from helpers.plain_scalars import falling, write

ROOT = Path(__file__).parents[2]
MODULES = {
    "duckdb": "duckdb",
    "fsspec": "fsspec",
    "mcp": "mcp",
    "opentelemetry-exporter-otlp-proto-http": "opentelemetry",
    "opentelemetry-sdk": "opentelemetry",
    "prometheus-client": "prometheus_client",
    "pyarrow": "pyarrow",
    "scikit-learn": "sklearn",
    "shtab": "shtab",
    "torch": "torch",
}
"""What users' extras bring, by the name of the requirement."""
BESIDE = ("pandas", "ray", "distributed", "s3fs", "tensorflow", "tensorboard.compat.tensorflow_stub")  # fmt: skip
"""What is there on many machines, is large, and would come along if something asked for it."""
NOT_FOR_USERS = {"abroad", "dev"}
CODE = f"""
import sys
import tb_lossdiag.plugin.loader
from tb_lossdiag.cli import main
place = sys.argv[1]
for words in (
    ["check", place], ["check", place, "--format", "sarif"], ["watch", place, "--once"], ["compare", place, "a", "b"],
    ["explain", "LD302"], ["rules"], ["docs", "fleet", "--text"], ["bundle", place, "a", "--output", place + "/x.lossdiag.npz"],
):
    main(words)
print("imported", sorted({{{", ".join(map(repr, (*MODULES.values(), *BESIDE)))}}} & set(sys.modules)))
"""


def test_all_extras_are_known() -> None:
    read = configparser.ConfigParser()
    read.read(ROOT / "setup.cfg", encoding="utf-8")
    asked = {
        re.split(r"[<>=]", line)[0]
        for extra, lines in read["options.extras_require"].items()
        if extra not in NOT_FOR_USERS
        for line in lines.split()
        if not line.startswith("<")
    }
    assert {re.split(r"[<>=,]", name)[0] for name in asked} == set(MODULES)


def test_nothing_of_them_is_imported_unasked(tmp_path: Path) -> None:
    for run in "ab":
        write(tmp_path / run, {"train/loss": falling(60), "val/loss": falling(60)})
    said = subprocess.run(
        [sys.executable, "-c", CODE, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert said.stdout.splitlines()[-1:] == ["imported []"], said.stdout + said.stderr
