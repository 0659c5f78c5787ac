"""Logs that are no event files, from the command line, in Python and through the tab's data provider."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from tensorboard.backend.event_processing import data_provider, plugin_event_multiplexer

import tb_lossdiag
from helpers.plain_scalars import diverging, falling
from tb_lossdiag.cli import main
from tb_lossdiag.quantities import LOSS
from tb_lossdiag.reader import Reader, with_logs


def lines(path: Path, losses: list[float], first: int = 0) -> None:
    """A log of JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        for place, loss in enumerate(losses):
            file.write(json.dumps({"step": 10 * (first + place), "loss": loss}) + "\n")


def test_check_and_diagnose_judge_logs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines(tmp_path / "a" / "metrics.jsonl", diverging(200))
    lines(tmp_path / "b" / "metrics.jsonl", falling(200))
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "trainer_state.json").write_text("{")
    assert main(["check", str(tmp_path), "--format", "json"]) == 2, "one cannot be read"
    found = {run["run"]: run for run in json.loads(capsys.readouterr().out)["runs"]}
    assert [one["code"] for one in found["a/metrics.jsonl"]["findings"]] == ["LD102"]
    assert not found["b/metrics.jsonl"]["findings"]
    assert found["c/trainer_state.json"]["status"] == "unreadable"
    report = tb_lossdiag.diagnose(tmp_path / "a" / "metrics.jsonl", config=False)
    assert [finding.code for finding in report.findings] == ["LD102"]
    assert len(tb_lossdiag.diagnose(tmp_path, "b/metrics.jsonl", config=False)) == 1
    compared = tb_lossdiag.compare(
        tmp_path / "b" / "metrics.jsonl", tmp_path / "a" / "metrics.jsonl"
    )
    assert [finding.code for finding in compared.new] == ["LD102"]


def test_what_has_no_loss_is_named_with_the_option_that_maps_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "metrics.csv").write_text("step,objective\n1,2\n2,1\n")
    assert main(["check", str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert "objective" in told
    assert "--map loss=TAG" in told
    assert main(["check", str(tmp_path), "--map", "loss=objective"]) == 0


def test_the_tab_reads_them_as_they_grow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tb_lossdiag.reader.logs.beside._PAUSE", 0.0)
    monkeypatch.setattr("tb_lossdiag.reader.logs.beside._SHARE", 1.0)
    monkeypatch.setattr("tb_lossdiag.reader.scalars._SHARE", 1e9)
    multiplexer = plugin_event_multiplexer.EventMultiplexer()
    provider = with_logs(
        data_provider.MultiplexerDataProvider(multiplexer, str(tmp_path)), str(tmp_path)
    )
    path = tmp_path / "run" / "metrics.jsonl"
    lines(path, falling(1200))
    (tmp_path / "bad.json").write_text("{")
    (tmp_path / "trainer_state.json").write_text("{")
    reader = Reader(provider)
    listings = reader.listings()
    assert listings["trainer_state.json"].problem is not None
    first = listings["run/metrics.jsonl"]
    run = reader.read(first)
    assert len(run[LOSS]) == 1200
    assert "thinned" not in run.facts, "TensorBoard's limit is not a log's"
    lines(path, falling(10), first=1200)
    os.utime(path, (1, 1))
    second = reader.listings()["run/metrics.jsonl"]
    assert second.version != first.version
    assert len(reader.read(second)[LOSS]) == 1210
    path.unlink()
    assert "run/metrics.jsonl" not in reader.listings()
    assert with_logs(provider, "s3://bucket") is provider
