from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tb_lossdiag.config import Pattern, Policy, Settings, Suppression, Threshold, discover, load
from tb_lossdiag.diagnosis.rule import thresholds

WHOLE = """
select = ["LD1", "clip-after-step"]
ignore = "LD102"
fail-on = "error"
lang = "zh-CN"
[thresholds]
LD104.max_fall = 0.05
"LD107.min_records" = 4
[map]
loss = "my/loss"
loss_term.kl = ["vae/kl", "kl"]
[[suppress]]
code = "LD107"
run = "long-*"
steps = [0, 500]
column = "head.*"
reason = "fine-tuning on purpose"
"""


def write(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, "utf-8")
    return folder / name


def test_everything_that_can_be_set(tmp_path: Path) -> None:
    path = write(tmp_path, "lossdiag.toml", WHOLE)
    assert load(path) == Settings(
        origin=str(path),
        select=(Pattern("LD1"), Pattern("clip-after-step")),
        ignore=(Pattern("LD102"),),
        thresholds=(
            Threshold("LD104", "max_fall", 0.05, f"{path}: thresholds"),
            Threshold("LD107", "min_records", 4, f"{path}: thresholds"),
        ),
        fail_on="error",
        language="zh-CN",
        mapped={"loss": ("my/loss",), "loss_term.kl": ("vae/kl", "kl")},
        suppressions=(
            Suppression("LD107", "fine-tuning on purpose", "long-*", "head.*", (0, 500)),
        ),
    )


def test_an_empty_file_is_the_defaults(tmp_path: Path) -> None:
    path = write(tmp_path, "lossdiag.toml", "")
    assert load(path) == Settings(origin=str(path))


@pytest.mark.parametrize("table", ["tool.lossdiag", "lossdiag"])
def test_a_project_file_may_hold_it(tmp_path: Path, table: str) -> None:
    text = f'[project]\nname = "x"\n[{table}]\nselect = ["LD3"]\n'
    path = write(tmp_path, "pyproject.toml", text)
    assert discover(tmp_path) == path
    assert load(path).select == (Pattern("LD3"),)


def test_the_nearest_file_counts_and_the_own_one_before_the_projects(tmp_path: Path) -> None:
    above = write(tmp_path, "lossdiag.toml", "")
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert discover(tmp_path / "a" / "b") == above
    project = write(tmp_path / "a", "pyproject.toml", "[tool.lossdiag]\n")
    assert discover(tmp_path / "a" / "b") == project
    own = write(tmp_path / "a", "lossdiag.toml", "")
    assert discover(tmp_path / "a" / "b") == own
    assert discover("gs://bucket/runs", tmp_path) == above


@pytest.mark.parametrize("text", ["no toml [", '[tool.other]\nx = "lossdiag"\n', "[tool]\n"])
def test_project_files_of_others_are_none_of_our_business(tmp_path: Path, text: str) -> None:
    write(tmp_path, "pyproject.toml", text)
    found = discover(tmp_path)
    assert found is None or tmp_path not in found.parents


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("selected = []", "selected"),
        ("select = 3", "select"),
        ('fail-on = "always"', "fail-on"),
        ('lang = "fr"', "lang"),
        ('thresholds.LD104 = "much"', "LD104"),
        ("thresholds.LD104.max_fall = true", "max_fall"),
        ("map.loss = 3", "map.loss"),
        ("map = 3", "map"),
        ("suppress = 3", "suppress"),
        ("suppress = [3]", "suppress"),
        ('[[suppress]]\ncode = "LD1"', "reason"),
        ('[[suppress]]\ncode = "LD1"\nreason = " "', "reason"),
        ('[[suppress]]\nreason = "x"', "code"),
        ('[[suppress]]\ncode = "LD1"\nreason = "x"\nlayer = "y"', "layer"),
        ('[[suppress]]\ncode = 1\nreason = "x"', "code"),
        ('[[suppress]]\ncode = "LD1"\nreason = "x"\nsteps = [5, 1]', "steps"),
        ("broken [", "lossdiag.toml"),
    ],
)
def test_what_is_not_understood_is_named_with_its_file(
    tmp_path: Path, text: str, says: str
) -> None:
    path = write(tmp_path, "lossdiag.toml", text)
    with pytest.raises(ValueError, match=says) as error:
        load(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("LD104 = 3", "LD601.max_ratio"),
        ("LD104.nothing = 3", "nothing"),
        ("LD999.max_fall = 3", "LD999"),
        ("LD107.min_records = 3.5", "whole number"),
    ],
)
def test_a_threshold_that_does_not_fit_names_the_file_it_came_from(
    tmp_path: Path, text: str, says: str
) -> None:
    path = write(tmp_path, "lossdiag.toml", f"[thresholds]\n{text}\n")
    with pytest.raises(ValueError, match=says) as error:
        Policy.of(load(path))
    assert str(path) in str(error.value)
    assert "--set" not in str(error.value)


def test_the_readmes_example_is_understood(tmp_path: Path) -> None:
    readme = (Path(__file__).parents[3] / "README.md").read_text("utf-8")
    (text,) = re.findall(r"```toml\n(.*?)```", readme, re.DOTALL)
    settings = load(write(tmp_path, "lossdiag.toml", text))
    assert [(t.rule, t.name, t.value) for t in settings.thresholds] == [("LD601", "max_ratio", 0.2)]
    everything = replace(settings, select=(), ignore=())
    rules = {rule.code: rule for rule in Policy.of(everything).rules}
    assert thresholds(rules["LD601"])["max_ratio"] == 0.2
    assert settings.suppressions[0].steps == (0, 2000)
    assert settings.mapped == {"loss": ("objective/nll",)}


@pytest.mark.parametrize(
    "text",
    [
        "map = " + "[" * 5000 + "]" * 5000,
        "thresholds." + "a." * 5000 + "b = 1",
        "map." + "a." * 5000 + "b = 'x'",
        "suppress = " + "{a=" * 2000 + "1" + "}" * 2000,
    ],
)
def test_what_is_nested_too_deeply_names_the_file(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, "lossdiag.toml", text)
    with pytest.raises(ValueError, match=r"lossdiag\.toml: "):
        load(path)


def test_a_project_file_that_cannot_be_read_is_none_of_our_business(tmp_path: Path) -> None:
    write(tmp_path, "pyproject.toml", "lossdiag = " + "[" * 5000 + "]" * 5000)
    assert discover(tmp_path) is None


def test_a_file_too_big_for_a_configuration_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"lossdiag\.toml: more than a megabyte"):
        load(write(tmp_path, "lossdiag.toml", "#" * 2_000_000))
