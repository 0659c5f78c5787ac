"""Many runs as one table, and what is asked of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from helpers.plain_scalars import write
from helpers.sweeps import members, write_sweep
from tb_lossdiag.cli import main
from tb_lossdiag.fleet.table import COLUMNS
from tb_lossdiag.manual import markdown

pyarrow = pytest.importorskip("pyarrow", reason="the extra `fleet`")
Capture = pytest.CaptureFixture[str]
RUNS = 30


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The table of a sweep, and of a run that cannot be read."""
    folder = tmp_path_factory.mktemp("fleet")
    write_sweep(folder / "runs", RUNS)
    assert main(["check", str(folder / "runs"), *_parquet(folder / "runs.parquet")]) == 1
    return folder / "runs.parquet"


def _parquet(file: Path) -> list[str]:
    return ["--format", "parquet", "--output", str(file)]


def asked(capsys: Capture, *words: str) -> Any:
    code = main(["fleet", *words, "--format", "json"])
    said = capsys.readouterr()
    return json.loads(said.out) if code == 0 else said.err


def test_the_table_says_what_the_document_says(sweep: Path, capsys: Capture) -> None:
    from pyarrow import parquet  # noqa: PLC0415

    table = parquet.read_table(sweep)
    sick = next(member.name for member in members(RUNS) if member.too_fast)
    main(["check", str(sweep.parent / "runs"), sick, "--format", "json"])
    (run,) = json.loads(capsys.readouterr().out)["runs"]
    (row,) = (row for row in table.to_pylist() if row["run"] == sick)
    assert (row["status"], row["steps"]) == (run["status"], run["steps"])
    causes = [found["code"] for found in row["findings"] if not found["explained_by"]]
    assert causes == [found["code"] for found in run["findings"]]
    assert row["begun"] < row["newest"]
    assert table.schema.metadata[b"tb_lossdiag.schema"] == b"1"
    fields = [f.name for f in table.schema.field("findings").type.value_type]
    assert (*table.column_names, *(f"findings.{name}" for name in fields)) == COLUMNS


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_the_manual_names_every_column(language: str) -> None:
    page = markdown("fleet", language)
    assert [name for name in COLUMNS if f"`{name}`" not in page] == []


def test_the_cause_the_setting_and_the_best_run(sweep: Path, capsys: Capture) -> None:
    pytest.importorskip("duckdb", reason="the extra `fleet`")
    told = asked(capsys, str(sweep))
    assert told["runs"] == RUNS
    causes = {cause["code"]: cause for cause in told["causes"]}
    breaks = sum(member.breaks for member in members(RUNS))
    assert causes["LD101"]["runs"] == breaks
    assert causes["LD101"]["since"].startswith("20")
    too_fast = sum(member.too_fast for member in members(RUNS))
    assert causes["LD601"]["runs"] == too_fast
    assert {over["value"] for over in causes["LD601"]["over"]} & {"10.0", "10"}
    assert (told["best"]["by"], told["best"]["status"]) == ("loss_last", "nothing found")
    sick = {member.name for member in members(RUNS) if member.too_fast or member.breaks}
    assert told["best"]["run"] not in sick
    assert main(["fleet", str(sweep)]) == 0
    text = capsys.readouterr().out
    assert "LD601: " in text
    assert main(["fleet", str(sweep), "--lang", "zh-CN"]) == 0
    assert "个运行" in capsys.readouterr().out


def test_some_runs_and_questions_of_ones_own(sweep: Path, capsys: Capture) -> None:
    pytest.importorskip("duckdb", reason="the extra `fleet`")
    adam = asked(capsys, str(sweep), "--where", "run LIKE '%opt=adam%'")
    assert adam["runs"] == sum(member.optimizer == "adam" for member in members(RUNS))
    rows = asked(capsys, str(sweep), "--sql", "SELECT count(*) AS n FROM findings WHERE NOT known")
    assert rows[0]["n"] > 0
    assert asked(capsys, str(sweep), str(sweep))["runs"] == RUNS
    assert main(["fleet", str(sweep), "--sql", "SELECT run, begun FROM runs LIMIT 1"]) == 0
    assert "lr=" in capsys.readouterr().out
    for words, says in {
        ("no/such/file",): "no such file: no/such/file",
        (str(sweep), "--sql", "SELEC"): "SELEC",
        (str(sweep), "--where", "nonsense = 1"): "nonsense",
    }.items():
        assert says in asked(capsys, *words)
    none = asked(capsys, str(sweep), "--where", "false")
    assert (none["runs"], none["causes"], none["best"]) == (0, [], None)


def test_a_run_that_cannot_be_read_is_a_row(tmp_path: Path, capsys: Capture) -> None:
    from pyarrow import parquet  # noqa: PLC0415

    write(tmp_path / "runs" / "a", {"train/loss": [1.0] * 60})
    (tmp_path / "runs" / "b").mkdir()
    (tmp_path / "runs" / "b" / "events.out.tfevents.1.host").symlink_to("/proc/self/mem")
    main(["check", str(tmp_path / "runs"), *_parquet(tmp_path / "t")])
    rows = parquet.read_table(tmp_path / "t").to_pylist()
    assert "a" in {row["run"] for row in rows}
    assert main(["check", str(tmp_path / "runs"), "--format", "parquet"]) == 2
    assert "name it with --output" in capsys.readouterr().err
    assert main(["check", str(tmp_path / "runs"), *_parquet(tmp_path / "no" / "t")]) == 2
    assert "--output" in capsys.readouterr().err
