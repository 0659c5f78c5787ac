"""The workflows of the code host: they parse, name what is there, and the commands that can be run without it do what they say."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tb_lossdiag

yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
CONTEXTS = {"github", "matrix", "env", "steps", "needs", "runner", "inputs"}
each = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)


def jobs(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]
    return found


def steps(path: Path) -> Iterator[dict[str, Any]]:
    for job in jobs(path).values():
        yield from job["steps"]


def command(path: Path, name: str) -> str:
    (found,) = (step["run"] for step in steps(path) if step.get("name") == name)
    return str(found)


@each
def test_every_job_runs_somewhere_after_jobs_that_exist(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    every = jobs(path)
    for job in every.values():
        assert job["runs-on"]
        needed = job.get("needs", [])
        assert set([needed] if isinstance(needed, str) else needed) <= set(every)
    assert set(re.findall(r"\$\{\{ *([a-z]+)\.", text)) <= CONTEXTS


@each
def test_every_step_does_one_thing_of_a_version(path: Path) -> None:
    for step in steps(path):
        assert ("run" in step) != ("uses" in step), step
        if "uses" in step:
            assert re.fullmatch(
                r"[\w-]+/[\w./-]+@(v\d+(\.\d+)*|release/v\d+|[0-9a-f]{40})", step["uses"]
            )


@each
def test_scripts_and_tasks_that_are_run_exist(path: Path) -> None:
    asked = subprocess.run(
        ["python3", "tasks.py", "--help"], cwd=ROOT, capture_output=True, check=True
    )
    tasks = asked.stdout.decode()
    for step in steps(path):
        for script in re.findall(r"(?:^|\s)(\.ci/\w+)", step.get("run", "")):
            assert (ROOT / script).stat().st_mode & 0o100
        for task in re.findall(r"tasks\.py (\w+)", step.get("run", "")):
            assert re.search(rf"\b{task}\b", tasks), task


def test_a_release_is_refused_whose_tag_is_not_the_version() -> None:
    line = command(ROOT / ".github" / "workflows" / "release.yml", "the tag is the version")
    for tag, code in ((f"v{tb_lossdiag.__version__}", 0), ("v99", 1)):
        done = subprocess.run(
            ["bash", "-ec", line],
            cwd=ROOT,
            env={"GITHUB_REF_NAME": tag, "PATH": "/usr/bin:/bin"},
            check=False,
        )
        assert done.returncode == code


def test_a_release_puts_the_checksum_into_the_recipe(tmp_path: Path) -> None:
    workflow = ROOT / ".github" / "workflows" / "release.yml"
    line = command(workflow, "the recipe for conda-forge, with the checksum of what is published")
    shutil.copytree(ROOT / ".github", tmp_path / ".github")
    archive = tmp_path / "build/package/dist/tb_lossdiag-1.tar.gz"
    archive.parent.mkdir(parents=True)
    archive.write_bytes(b"all of it")
    subprocess.run(["bash", "-ec", line], cwd=tmp_path, check=True)
    recipe = yaml.safe_load((tmp_path / "build/package/recipe.yaml").read_text(encoding="utf-8"))
    assert recipe["source"]["sha256"] == hashlib.sha256(b"all of it").hexdigest()


GH = """#!/bin/sh
echo "$@" > "$TOLD"
"""
"""The code host's command: keeps what it is asked."""


@pytest.mark.parametrize("changed", [True, False])
def test_reports_that_changed_are_proposed(tmp_path: Path, *, changed: bool) -> None:
    line = command(ROOT / ".github" / "workflows" / "evidence.yml", "propose what changed")
    remote, here, told = tmp_path / "remote.git", tmp_path / "here", tmp_path / "told"
    _repository(remote, here)
    (tmp_path / "gh").write_text(GH)
    (tmp_path / "gh").chmod(0o755)
    if changed:
        (here / "REPORT.md").write_text("measured anew")
    asked = {"GITHUB_RUN_ID": "7", "GITHUB_REF_NAME": "main", "TOLD": str(told)}
    paths = f"{tmp_path}:{os.environ['PATH']}"
    subprocess.run(["bash", "-ec", line], cwd=here, env={"PATH": paths, **asked}, check=True)
    assert _git(remote, "branch", "--list").split() == ["evidence-7"] * changed
    assert told.exists() == changed
    if changed:
        assert told.read_text().split()[-2:] == ["--base", "main"]
        assert _git(remote, "show", "evidence-7:REPORT.md") == "measured anew"


def _repository(remote: Path, here: Path) -> None:
    """A work tree with one report, and where it is pushed to."""
    _git(remote.parent, "init", "--quiet", "--bare", str(remote))
    _git(remote.parent, "clone", "--quiet", str(remote), str(here))
    (here / "REPORT.md").write_text("measured once")
    _git(here, "add", "REPORT.md")
    _git(here, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "-m", "a report")


def _git(place: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=place, capture_output=True, check=True)
    return done.stdout.decode()
