"""What is said in several places is the same in all: versions of tools, the version of the package, the contract of Python versions."""

from __future__ import annotations

import configparser
import json
import re
from pathlib import Path

import tb_lossdiag

ROOT = Path(__file__).parents[2]


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_pre_commit_runs_the_versions_that_continuous_integration_runs() -> None:
    config = text(".pre-commit-config.yaml")
    pinned = dict(re.findall(r"^([\w-]+)==(\S+)$", text("tests/constraints.txt"), re.MULTILINE))
    found = re.findall(r'\["([\w-]+)==([\d.]+)"\]', config)
    assert {name for name, _ in found} == {"ruff", "codespell"}
    assert all(pinned[name] == version for name, version in found)
    (biome,) = re.findall(r'"@biomejs/biome@([\d.]+)"', config)
    assert json.loads(text("frontend/package.json"))["devDependencies"]["@biomejs/biome"] == biome


def test_who_cites_names_the_version() -> None:
    assert f"\nversion: {tb_lossdiag.__version__}\n" in text("CITATION.cff")


def test_classifiers_begin_with_the_oldest_python() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    listed = re.findall(r":: Python :: (3\.\d+)$", config["metadata"]["classifiers"], re.MULTILINE)
    assert config["options"]["python_requires"] == f">={listed[0]}"
    assert f"py{listed[0].replace('.', '')}" in text("pyproject.toml")
