"""Configuration, accepted findings, baselines and output files, on real event files through the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from helpers.plain_scalars import diverging, falling, turning, write
from tb_lossdiag.cli import main

Capture = pytest.CaptureFixture[str]
Json = dict[str, Any]


@pytest.fixture
def logdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two runs with a finding each, in a folder of their own that is also the working one."""
    monkeypatch.chdir(tmp_path)
    runs = tmp_path / "project" / "runs"
    write(runs / "over", {"train/loss": falling(60), "val/loss": turning(60)})
    write(runs / "div", {"train/loss": diverging(100)})
    return runs


def check(capsys: Capture, *arguments: str) -> tuple[int, dict[str, Json]]:
    code = main(["check", *arguments, "--format", "json"])
    out = capsys.readouterr().out
    return code, {run["run"]: run for run in json.loads(out)["runs"]} if out else {}


def codes(run: Json, where: str = "findings") -> list[str]:
    return [finding["code"] for finding in run[where]]


def test_a_file_beside_or_above_the_runs_counts(logdir: Path, capsys: Capture) -> None:
    (logdir.parent / "lossdiag.toml").write_text('ignore = ["LD107", "LD108"]\nfail-on = "never"\n')
    code, runs = check(capsys, str(logdir))
    assert code == 0
    assert codes(runs["over"]) == []
    assert codes(runs["div"]) == ["LD102"]


def test_the_command_line_overrides_it(logdir: Path, capsys: Capture) -> None:
    text = 'ignore = ["LD107", "LD108"]\nselect = ["LD102", "LD107"]\nfail-on = "never"\nthresholds.LD102.factor = 1e9\n'
    (logdir / "lossdiag.toml").write_text(text)
    assert codes(check(capsys, str(logdir))[1]["div"]) == []
    code, runs = check(
        capsys, str(logdir), "--ignore", "LD2", "--fail-on", "warning", "--set", "LD102.factor=2"
    )
    assert code == 1
    assert codes(runs["over"]) == ["LD107"]
    assert codes(runs["div"]) == ["LD102"]
    code, runs = check(capsys, str(logdir), "--no-config")
    assert codes(runs["div"]) == ["LD102"]


def test_another_file_can_be_named(logdir: Path, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "ci.toml").write_text('select = ["loss-divergence"]\n')
    runs = check(capsys, str(logdir), "--config", str(tmp_path / "ci.toml"))[1]
    assert {o["code"] for o in runs["over"]["outcomes"]} == {"LD102"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("broken [", "lossdiag.toml"),
        ('select = ["XY1"]', "XY1"),
        ("thresholds.LD102.nothing = 1", "nothing"),
        ("map.los = 'x'", "los"),
    ],
)
def test_a_wrong_file_is_an_error_and_not_ignored(
    logdir: Path, capsys: Capture, text: str, says: str
) -> None:
    (logdir / "lossdiag.toml").write_text(text)
    assert main(["check", str(logdir)]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert "Traceback" not in error


def test_accepted_findings_do_not_count_and_are_shown(logdir: Path, capsys: Capture) -> None:
    (logdir / "lossdiag.toml").write_text(
        '[[suppress]]\ncode = "LD107"\nrun = "ov*"\nreason = "tiny data on purpose"\n'
    )
    code, runs = check(capsys, str(logdir), "--ignore", "LD102,LD103,LD108")
    assert code == 0
    assert codes(runs["over"]) == []
    assert runs["over"]["status"] == "nothing found"
    (accepted,) = runs["over"]["suppressed"]
    assert (accepted["code"], accepted["reason"]) == ("LD107", "tiny data on purpose")
    for form in ("text", "markdown", "sarif"):
        main(["check", str(logdir), "--format", form])
        assert "tiny data on purpose" in " ".join(capsys.readouterr().out.split())


def test_only_new_findings_fail_against_a_baseline(logdir: Path, capsys: Capture) -> None:
    known = str(logdir.parent / "known.json")
    assert main(["check", str(logdir), "--select", "LD107", "--write-baseline", known]) == 0
    assert json.loads(Path(known).read_text())["findings"] == [
        {"run": "over", "code": "LD107", "subject": ""}
    ]
    code, runs = check(capsys, str(logdir), "--baseline", known)
    assert code == 1
    assert [f["known"] for f in runs["over"]["findings"]] == [True]
    assert [f["known"] for f in runs["div"]["findings"]] == [False]
    assert main(["check", str(logdir), "--write-baseline", known]) == 0
    assert main(["check", str(logdir), "--baseline", known]) == 0
    assert "in the baseline" in capsys.readouterr().out


@pytest.mark.parametrize(
    "text", ["no json", "[]", '{"findings": [{"run": 1}]}', '{"findings": []}']
)
def test_what_is_no_baseline_is_refused(logdir: Path, capsys: Capture, text: str) -> None:
    (logdir / "b.json").write_text(text)
    assert main(["check", str(logdir), "--baseline", str(logdir / "b.json")]) == 2
    assert "b.json" in capsys.readouterr().err


def test_own_tags_are_mapped(logdir: Path, capsys: Capture) -> None:
    write(logdir / "own", {"objective/nll": diverging(100)})
    assert "own" not in check(capsys, str(logdir))[1]
    runs = check(capsys, str(logdir), "--map", "loss=objective/nll")[1]
    assert codes(runs["own"]) == ["LD102"]
    assert runs["own"]["facts"]["scalars"] == "loss=objective/nll"
    (logdir / "lossdiag.toml").write_text('[map]\nloss = ["objective/nll"]\n')
    assert codes(check(capsys, str(logdir))[1]["own"]) == ["LD102"]


@pytest.mark.parametrize(
    ("option", "says"),
    [("loss", "loss=my/tag"), ("los=train/loss", "los"), ("loss=mine", "mine")],
)
def test_a_mapping_that_means_nothing_is_refused(
    logdir: Path, capsys: Capture, option: str, says: str
) -> None:
    assert main(["check", str(logdir), "--map", option]) == 2
    assert says in capsys.readouterr().err


def test_reports_go_to_files(logdir: Path, capsys: Capture) -> None:
    place = logdir.parent / "report.sarif"
    assert main(["check", str(logdir), "--format", "sarif", "--output", str(place)]) == 1
    assert capsys.readouterr().out == ""
    results = json.loads(place.read_text())["runs"][0]["results"]
    assert {result["ruleId"] for result in results} == {"LD102", "LD103", "LD107", "LD108"}
    assert main(["check", str(logdir), "--output", str(place)]) == 1
    assert "LD107" in place.read_text("utf-8")
    assert "\x1b" not in place.read_text("utf-8")
    assert main(["check", str(logdir), "--output", str(logdir / "no" / "such")]) == 2


def test_texts_are_in_the_language_of_the_file(logdir: Path, capsys: Capture) -> None:
    (logdir / "lossdiag.toml").write_text('lang = "zh-CN"\n')
    main(["check", str(logdir)])
    out = capsys.readouterr().out
    assert "模型过拟合" in out
    assert "规则：" in out
    assert "records" not in out.replace("SummaryWriter", "")


# --- compare -----------------------------------------------------------------------------------------------------------


def test_two_runs_of_a_folder(logdir: Path, capsys: Capture) -> None:
    assert main(["compare", str(logdir), "div", "over", "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [f["code"] for f in document["findings"]["fixed"]] == ["LD102", "LD103"]
    assert "LD107" in [f["finding"]["code"] for f in document["findings"]["unclear"]]
    loss = next(curve for curve in document["curves"] if curve["quantity"] == "loss")
    assert loss["parts_at"] is not None


def test_two_folders(logdir: Path, capsys: Capture) -> None:
    assert main(["compare", str(logdir / "div"), str(logdir / "div")]) == 0
    out = capsys.readouterr().out
    assert "loss: identical" in out
    assert main(["compare", str(logdir / "div"), str(logdir / "over"), "--format", "markdown"]) == 0
    assert "## Fixed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("places", "says"),
    [
        (["runs"], "two folders"),
        (["runs", "runs"], "expected one run"),
        (["runs", "div", "nothing"], "nothing"),
        (["runs/div", "nowhere"], "nowhere"),
    ],
)
def test_what_cannot_be_compared(
    logdir: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture, places: list[str], says: str
) -> None:
    monkeypatch.chdir(logdir.parent)
    assert main(["compare", *places]) == 2
    assert says in capsys.readouterr().err
