"""What the tab's routes make of plain scalars, of the configuration beside the runs, and of two runs; under both loaders."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from helpers.plain_scalars import keras, transformers
from helpers.tensorboard_process import get, serving
from helpers.tiny_trainings import record
from tb_lossdiag.cli import main


@pytest.fixture(scope="module", params=["true", "false"], ids=["rust", "python"])
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Path]]:
    """Base address of the routes, and the folder."""
    logdir = tmp_path_factory.mktemp("runs")
    keras(logdir / "k")
    transformers(logdir / "t")
    record(logdir / "ours", range(60))
    with serving(str(logdir), "--load_fast", request.param) as address:
        base = f"{address}/data/plugin/lossdiag"
        _until(
            lambda: (
                {r["run"]: r["steps"] for r in load(f"{base}/runs")["runs"]}
                == {"k": 40, "ours": 60, "t": 200}
            )
        )
        yield base, logdir


def _until(done: Callable[[], bool]) -> None:
    for _ in range(60):
        if done():
            return
        time.sleep(0.5)
    raise AssertionError("TensorBoard did not load the runs")


def load(address: str) -> Any:
    status, body = get(address)
    assert status == 200, body
    return json.loads(body, parse_constant=lambda token: pytest.fail(f"{token} is no JSON"))


def by_run(base: str) -> dict[str, Any]:
    return {run["run"]: run for run in load(f"{base}/diagnosis")["runs"]}


def test_runs_that_nobody_instrumented_are_listed_whole(served: tuple[str, Path]) -> None:
    answer = load(f"{served[0]}/runs")
    statuses = {run["run"]: run["status"] for run in answer["runs"]}
    assert statuses["k"] == "warning"
    assert statuses["t"] == "broken"
    assert answer["without_data"] == []
    assert answer["configuration"] == {"file": "", "problem": ""}


def test_the_tab_and_the_command_line_say_the_same(
    served: tuple[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    base, logdir = served
    main(["check", str(logdir), "--format", "json"])
    assert load(f"{base}/diagnosis") == json.loads(capsys.readouterr().out)


def test_tables_of_plain_scalars_are_served(served: tuple[str, Path]) -> None:
    status, body = get(f"{served[0]}/table?run=k&quantity=validation_loss")
    assert status == 200
    assert b'"records": 40' in body


def test_the_comparison_is_the_command_lines(
    served: tuple[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    base, logdir = served
    main(["compare", str(logdir), "t", "k", "--format", "json", "--lang", "zh-CN"])
    assert load(f"{base}/compare?a=t&b=k&lang=zh-CN") == json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("query", "status", "says"),
    [("", 400, "a and b"), ("?a=t", 400, "a and b"), ("?a=t&b=none", 404, "none")],
)
def test_bad_comparisons_get_a_sentence(
    served: tuple[str, Path], query: str, status: int, says: str
) -> None:
    code, body = get(f"{served[0]}/compare{query}")
    assert code == status
    assert says.encode() in body


def test_an_edited_configuration_counts_at_once(served: tuple[str, Path]) -> None:
    base, logdir = served
    place = logdir / "lossdiag.toml"
    versions = {run["run"]: run["data_version"] for run in load(f"{base}/runs")["runs"]}
    try:
        place.write_text('[[suppress]]\ncode = "LD107"\nreason = "we know"\n')
        entry = by_run(base)["k"]
        assert entry["findings"] == []
        assert entry["suppressed"][0]["reason"] == "we know"
        runs = load(f"{base}/runs")
        assert runs["configuration"] == {"file": str(place), "problem": ""}
        assert all(run["data_version"] != versions[run["run"]] for run in runs["runs"])
        place.write_text("[thresholds.LD107]\nmin_rise = 99\n")
        assert by_run(base)["k"]["findings"] == []
        rules = {rule["code"]: rule for rule in load(f"{base}/rules")["rules"]}
        assert rules["LD107"]["thresholds"]["min_rise"] == 99
        place.write_text("no toml [")
        assert "lossdiag.toml" in load(f"{base}/runs")["configuration"]["problem"]
        assert [f["code"] for f in by_run(base)["k"]["findings"]] == ["LD107"]
    finally:
        place.unlink()
    assert by_run(base)["k"]["suppressed"] == []


def test_own_tags_of_the_configuration_are_read(served: tuple[str, Path]) -> None:
    base, logdir = served
    place = logdir / "lossdiag.toml"
    try:
        place.write_text(
            'map.loss = ["train/learning_rate"]\n'
        )  # nonsense, but it is what the user says
        facts = load(f"{base}/diagnosis?run={quote('t')}")["runs"][0]["facts"]
        assert "loss=train/learning_rate" in facts["scalars"]
    finally:
        place.unlink()
