"""`tb_lossdiag.compare` says what the command line says, as objects."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from helpers.plain_scalars import diverging, falling, turning, write
from tb_lossdiag import compare
from tb_lossdiag.cli import main

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def logdir(tmp_path: Path) -> Path:
    """A run that overfits, and one that diverges."""
    runs = tmp_path / "runs"
    write(runs / "over", {"train/loss": falling(60), "val/loss": turning(60)})
    write(runs / "div", {"train/loss": diverging(60)})
    return runs


@pytest.mark.parametrize("form", ["json", "markdown"])
def test_it_writes_what_the_command_line_writes(logdir: Path, form: str) -> None:
    file = logdir.parent / "report"
    main(["compare", str(logdir), "over", "div", "--format", form, "--output", str(file)])
    found = getattr(compare(logdir, "over", "div"), f"to_{form}")()
    assert found.rstrip() == file.read_text("utf-8").rstrip()


def test_findings_are_objects(logdir: Path, capsys: Capture) -> None:
    found = compare(logdir / "over", logdir / "div")
    assert found.new[0].code == "LD102"
    assert found.new[0].run == str(logdir / "div")
    codes = {one.code for one in (*found.fixed, *found.unclear)}
    assert "LD107" in codes
    assert found.still == ()
    assert {curve["quantity"] for curve in found.curves} == {"loss"}
    assert all(a != b for a, b in found.facts.values())
    assert f"{len(found.new)} new" in repr(found)
    assert "<h1>" in found._repr_html_()
    file = logdir.parent / "report"
    main(["compare", str(logdir / "over"), str(logdir / "div"), "--output", str(file)])
    assert str(found).split() == file.read_text("utf-8").split()
    Console(width=120).print(found)
    assert "LD102" in capsys.readouterr().out


def test_what_is_new_is_asserted(logdir: Path) -> None:
    with pytest.raises(AssertionError, match="div: LD102 error"):
        compare(logdir, "over", "div").assert_nothing_new()
    compare(logdir, "over", "over").assert_nothing_new()
    with pytest.raises(ValueError, match="level"):
        compare(logdir, "over", "div").assert_nothing_new("never")


def test_a_table_has_a_row_per_finding(logdir: Path) -> None:
    pytest.importorskip("pandas")
    frame = compare(logdir, "over", "div").to_dataframe()
    assert set(frame[frame["kind"] == "new"]["code"]) >= {"LD102"}


def test_a_run_that_is_not_there_has_neighbours(logdir: Path) -> None:
    with pytest.raises(ValueError, match=r"no run 'ovr' in .*did you mean over\?"):
        compare(logdir, "ovr", "div")
    with pytest.raises(ValueError, match="two of its runs, or two folders"):
        compare(logdir)
    with pytest.raises(ValueError, match="expected one run, there are: div, over"):
        compare(logdir, logdir)
