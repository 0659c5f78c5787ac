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


def test_the_conda_recipe_asks_for_what_the_package_asks_for() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    asked = config["options"]["install_requires"].split("\n")
    needs = {line.partition(";")[0].strip().replace(">=", " >=") for line in asked if ">=" in line}
    recipe = text(".github/conda/recipe.yaml")
    run = recipe[recipe.index("  run:\n") : recipe.index("  run_constraints:")]
    python = f"python {config['options']['python_requires']}"
    assert set(re.findall(r"- (.+)", run)) == needs | {python}
    assert f'version: "{tb_lossdiag.__version__}"' in recipe


def test_owners_are_named_for_what_there_is() -> None:
    for path in re.findall(r"^/(\S+)", text(".github/CODEOWNERS"), re.MULTILINE):
        assert (ROOT / path).exists(), path
