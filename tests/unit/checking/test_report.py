"""`tb_lossdiag.diagnose` says what the command line says, as objects."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import rich
from rich.console import Console

import tb_lossdiag
from helpers.hostile_names import NAMES
from helpers.plain_scalars import diverging, falling, turning, write
from tb_lossdiag import diagnose
from tb_lossdiag.checking.shown import html_of
from tb_lossdiag.cli import main

Capture = pytest.CaptureFixture[str]
FORMS = ("json", "markdown", "csv", "sarif")


@pytest.fixture
def logdir(tmp_path: Path) -> Path:
    """A run that overfits, one that diverges, and one that falls."""
    runs = tmp_path / "runs"
    write(runs / "over", {"train/loss": falling(60), "val/loss": turning(60)})
    write(runs / "div", {"train/loss": diverging(100)})
    write(runs / "good", {"train/loss": falling(60), "val/loss": falling(60)})
    return runs


@pytest.mark.parametrize("form", FORMS)
def test_it_writes_what_the_command_line_writes(logdir: Path, form: str) -> None:
    file = logdir.parent / "report"
    main(["check", str(logdir), "--format", form, "--output", str(file)])
    assert getattr(diagnose(logdir), f"to_{form}")().rstrip() == file.read_bytes().decode().rstrip()


def test_it_is_the_text_of_the_command_line(logdir: Path, capsys: Capture) -> None:
    report, file = diagnose(str(logdir)), logdir.parent / "report"
    main(["check", str(logdir), "--output", str(file)])
    assert str(report).split() == file.read_text("utf-8").split()
    Console(width=120).print(report)
    assert "LD102" in capsys.readouterr().out
    rich.print(report)
    assert "LD107" in capsys.readouterr().out


def test_runs_and_findings_are_objects(logdir: Path) -> None:
    report = diagnose(logdir)
    assert [run.name for run in report] == ["div", "good", "over"]
    assert len(report) == 3
    (found,) = report["div"].findings
    assert (found.run, found.code, found.severity) == ("div", "LD102", "error")
    assert found.first_step <= found.last_step
    assert found.message
    assert found.advice
    assert report["div"].outcomes["LD102"] == "findings"
    assert str(found).startswith("div: LD102 error: ")
    assert {each.code for each in report.findings} == {"LD102", "LD107"}
    assert "div: broken" in repr(report)
    with pytest.raises(KeyError, match="there are: div, good, over"):
        report["dvi"]


def test_runs_can_be_chosen_and_rules(logdir: Path) -> None:
    report = diagnose(logdir, "good", "div", select="LD102,LD107", thresholds={"LD102.factor": 1e9})
    assert [run.name for run in report] == ["div", "good"]
    assert set(report["good"].outcomes) == {"LD102", "LD107"}
    assert not report.findings
    assert diagnose(logdir, ignore=["LD1"])["div"].findings == ()
    named = diagnose(logdir / "div", tags={"loss": "train/loss"})
    assert named.findings[0].code == "LD102"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"select": ""}, "select '' names no rule"),
        ({"select": "XY1"}, "select: no rule 'XY1'"),
        ({"thresholds": {"LD102": 1.0}}, "thresholds: 'LD102'"),
        ({"thresholds": {"LD102.x": 1.0}}, "thresholds: LD102 has no threshold 'x'"),
        ({"tags": {"loss": "nowhere"}}, "tags loss=nowhere: no run"),
        ({"tags": {"lss": "nowhere"}}, "map: no quantity|map"),
    ],
)
def test_wrong_arguments_are_named(logdir: Path, options: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        diagnose(logdir, **options)  # type: ignore[arg-type]


def test_files_that_are_missing_name_their_argument(logdir: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"config nowhere.toml: No such"):
        diagnose(logdir, config="nowhere.toml")
    with pytest.raises(FileNotFoundError, match=r"baseline nowhere.json: No such"):
        diagnose(logdir, baseline="nowhere.json")
    with pytest.raises(FileNotFoundError, match="no such folder"):
        diagnose(logdir / "nothing")
    with pytest.raises(ValueError, match="name a folder"):
        diagnose()


def test_a_configuration_counts_unless_it_is_refused(logdir: Path) -> None:
    (logdir / "lossdiag.toml").write_text('ignore = ["LD102"]\nlang = "zh-CN"\n')
    assert "LD102" not in diagnose(logdir)["div"].outcomes
    assert "LD102" in diagnose(logdir, config=False)["div"].outcomes
    assert "LD102" not in diagnose(logdir, config=logdir / "lossdiag.toml")["div"].outcomes


def test_health_is_asserted(logdir: Path) -> None:
    report = diagnose(logdir)
    with pytest.raises(AssertionError, match="LD102") as failed:
        report.assert_healthy()
    assert "LD107" in str(failed.value)
    assert "good" not in str(failed.value)
    report.assert_healthy(select="LD101")
    with pytest.raises(AssertionError, match="LD102"):
        report.assert_healthy(select=["LD101", "loss-divergence"])
    with pytest.raises(AssertionError, match="LD102") as failed:
        report.assert_healthy(level="error")
    assert "LD107" not in str(failed.value)
    diagnose(logdir, "good").assert_healthy()


def test_a_rule_that_could_not_judge_is_no_health(logdir: Path) -> None:
    with pytest.raises(AssertionError, match="good: LD302 was not evaluated: "):
        diagnose(logdir, "good").assert_healthy(select="LD101,LD302")
    with pytest.raises(ValueError, match="select: no rule 'LD302'"):
        diagnose(logdir, select="LD1").assert_healthy(select="LD302")
    with pytest.raises(ValueError, match="level = 'bad'"):
        diagnose(logdir).assert_healthy(level="bad")


def test_a_run_that_cannot_be_judged_is_not_healthy(tmp_path: Path) -> None:
    write(tmp_path / "short", {"train/loss": falling(3)})
    with pytest.raises(AssertionError, match="short"):
        diagnose(tmp_path).assert_healthy()


def test_a_baseline_is_known(logdir: Path) -> None:
    known = logdir.parent / "known.json"
    main(["check", str(logdir), "--write-baseline", str(known)])
    report = diagnose(logdir, baseline=known)
    assert all(found.known for found in report.findings)
    report.assert_healthy()


def test_a_table_has_a_row_per_finding(logdir: Path) -> None:
    pytest.importorskip("pandas")
    frame = diagnose(logdir).to_dataframe()
    assert list(frame["run"].unique()) == ["div", "good", "over"]
    causes = frame[frame["explained_by"].fillna("") == ""]
    assert list(causes["code"].fillna("")) == ["LD102", "", "LD107"]


def test_without_pandas_it_says_what_to_install(
    logdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="pip install pandas"):
        diagnose(logdir).to_dataframe()


def test_a_notebook_unfolds_each_run(logdir: Path) -> None:
    html = diagnose(logdir)._repr_html_()
    assert html.count("<details>") == html.count("</details>") == 3
    assert "<h2>LD102" in html
    assert "<table>" in html


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_names_of_others_do_nothing_in_a_notebook(name: str) -> None:
    for text in (name, f"# {name}", f"`{name}`", f"a\n\n{name}\n\n<{name}>"):
        found = html_of(text).lower()
        for tag in ("<script", "<img", "<svg", "<style", "<a ", "<!--", "<iframe"):
            assert tag not in found, text


def test_reports_are_as_long_as_they_are_different(logdir: Path) -> None:
    one, two = diagnose(logdir, jobs=1), diagnose(logdir, jobs=2)
    assert json.loads(one.to_json()) == json.loads(two.to_json())


def test_only_public_names_are_listed() -> None:
    assert dir(tb_lossdiag) == sorted(tb_lossdiag.__all__)
    for name in tb_lossdiag.__all__:
        assert getattr(tb_lossdiag, name) is not None


def test_looking_needs_no_torch(logdir: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None; import tb_lossdiag as t;"
        f"r = t.diagnose({str(logdir)!r}); c = t.compare({str(logdir)!r}, 'good', 'div');"
        "print(r['div'].status, c.new[0].code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "broken LD102\n"
