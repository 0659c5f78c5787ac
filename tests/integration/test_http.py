"""The routes of a real TensorBoard process, under both of its loaders."""

from __future__ import annotations

import csv
import io
import json
import struct
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from torch.utils.tensorboard import SummaryWriter as PlainWriter

from helpers.tensorboard_process import get, serving
from helpers.tiny_trainings import record
from tb_lossdiag import SummaryWriter
from tb_lossdiag.cli import main

HOSTILE = "run <img src=x> 名 & more"


@pytest.fixture(scope="module", params=["true", "false"], ids=["rust", "python"])
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Base address of the plugin's routes."""
    logdir = tmp_path_factory.mktemp("runs")
    record(logdir / "good", range(200))
    with SummaryWriter(logdir / HOSTILE) as writer:
        writer.add_diagnostics(loss=float("nan"), global_step=3)
    with PlainWriter(logdir / "plain") as plain:
        plain.add_scalar("accuracy", 1.0, 0)
    with serving(str(logdir), "--load_fast", request.param) as address:
        base = f"{address}/data/plugin/lossdiag"
        _until(lambda: len(load(f"{base}/runs")["runs"]) == 2)
        _until(lambda: load(f"{base}/runs")["runs"][0]["steps"] == 200)
        yield base


def _until(done: Any) -> None:
    for _ in range(60):
        if done():
            return
        time.sleep(0.5)
    raise AssertionError("TensorBoard did not load the runs")


def load(address: str) -> Any:
    status, body = get(address)
    assert status == 200, body
    return json.loads(body, parse_constant=lambda token: pytest.fail(f"{token} is no JSON"))


def test_runs_lists_ours_and_names_the_others(base: str) -> None:
    answer = load(f"{base}/runs")
    assert [run["run"] for run in answer["runs"]] == ["good", HOSTILE]
    assert answer["without_data"] == []
    assert [left["run"] for left in answer["left_out"]] == ["plain"]
    nan = answer["runs"][1]
    assert nan["loss"] == "NaN"
    assert nan["status"] == "broken"
    assert nan["counts"]["error"] == 1


def test_diagnosis_is_the_command_lines_document(
    base: str, capsys: pytest.CaptureFixture[str]
) -> None:
    logdir = load(f"{base}/runs")["logdir"]
    assert main(["check", logdir, "--format", "json"]) == 1
    assert load(f"{base}/diagnosis") == json.loads(capsys.readouterr().out)
    one = load(f"{base}/diagnosis?run={quote(HOSTILE)}&lang=zh-CN")["runs"]
    assert [run["run"] for run in one] == [HOSTILE]
    assert one[0]["findings"][0]["code"] == "LD101"


def test_a_table_has_every_record_though_tensorboard_would_keep_ten(base: str) -> None:
    status, body = get(f"{base}/table?run=good&quantity=gradient_norm&points=50")
    assert status == 200
    magic, version, length = struct.unpack("<4sB3xI", body[:12])
    header = json.loads(body[12 : 12 + length])
    assert (magic, version) == (b"TBLD", 2)
    assert header["records"] == 200
    assert header["buckets"] == 50
    assert header["columns"] == ["0.weight", "0.bias", "2.weight", "2.bias"]


def test_reports_are_the_command_lines(base: str, capsys: pytest.CaptureFixture[str]) -> None:
    logdir = load(f"{base}/runs")["logdir"]
    assert main(["check", logdir, "--format", "json"]) == 1
    assert load(f"{base}/report?format=json") == json.loads(capsys.readouterr().out)
    assert main(["check", logdir, "--format", "markdown"]) == 1
    body = get(f"{base}/report?format=md")[1].decode()
    assert body.strip() == capsys.readouterr().out.strip()
    assert main(["check", logdir, "--format", "markdown", "--lang", "zh-CN"]) == 1
    body = get(f"{base}/report?format=md&lang=zh-CN")[1].decode()
    assert body.strip() == capsys.readouterr().out.strip()
    table = get(f"{base}/report?format=csv&run={quote(HOSTILE)}&lang=zh-CN")[1].decode()
    rows = list(csv.DictReader(io.StringIO(table, newline="")))
    assert [row["run"] for row in rows] == [HOSTILE] * len(rows)
    assert rows[0]["code"] == "LD101"


def test_a_page_that_has_everything_is_told_so_and_quickly(base: str) -> None:
    state = load(f"{base}/runs")["state"]
    assert state
    assert get(f"{base}/runs?have={state}") == (204, b"")
    assert get(f"{base}/runs?have=old")[0] == 200


def _asked(url: str, **headers: str) -> Any:
    request = urllib.request.Request(
        url, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )
    try:
        return urllib.request.urlopen(request, timeout=60)
    except urllib.error.HTTPError as answer:
        return answer


def test_an_unchanged_listing_is_304(base: str) -> None:
    assert load(f"{base}/runs")["state"]
    first = _asked(f"{base}/runs")
    mark = first.headers["ETag"]
    assert first.headers["Cache-Control"] == "no-store", "a browser would show its `now` again"
    for said in (mark, f"W/{mark}", f'"other", {mark}'):
        again = _asked(f"{base}/runs", If_None_Match=said)
        assert (again.status, again.read()) == (304, b"")
    assert _asked(f"{base}/runs", If_None_Match='"other"').status == 200
    assert _asked(f"{base}/runs?lang=zh-CN", If_None_Match=mark).status == 200
    assert _asked(f"{base}/runs?have=old", If_None_Match=mark).status == 200


def test_rules_have_documentation_in_both_languages(base: str) -> None:
    english, chinese = load(f"{base}/rules"), load(f"{base}/rules?lang=zh-CN")
    assert len(english["rules"]) == len(chinese["rules"]) >= 15
    for a, b in zip(english["rules"], chinese["rules"], strict=True):
        assert a["code"] == b["code"]
        assert a["documentation"] != b["documentation"]


def test_a_rules_page_is_in_the_package(base: str) -> None:
    status, body = get(f"{base}/manual?page=LD302&lang=zh-CN")
    page = body.decode()
    assert status == 200
    assert "<h1>LD302 clip-after-step" in page
    assert 'href="manual?page=rules/LD601&amp;lang=zh-CN"' in page
    assert get(f"{base}/manual?page=views")[0] == 200
    status, body = get(f"{base}/manual?page=../../etc/passwd")
    assert (status, b"no page" in body) == (404, True)


def test_the_page_is_served(base: str) -> None:
    for name in ("index.js", "vendor.js"):
        status, body = get(f"{base}/{name}")
        assert status == 200
        assert len(body) > 1000


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("diagnosis?run=unknown", 404, "unknown"),
        ("diagnosis?lang=fr", 400, "lang"),
        ("table", 400, "run and quantity"),
        ("table?run=good&quantity=nothing", 404, "nothing"),
        ("table?run=unknown&quantity=loss", 404, "unknown"),
        ("table?run=good&quantity=extra", 404, "extra"),
        ("table?run=good&quantity=loss&points=0x", 400, "points"),
        ("table?run=good&quantity=loss&points=0", 400, "points"),
        ("table?run=good&quantity=loss&points=-3", 400, "points"),
        ("table?run=good&quantity=loss&points=99999999", 400, "points"),
        ("table?run=good&quantity=loss&first=" + "9" * 40, 400, "first"),
        ("table?run=good&quantity=loss&first=1e3", 400, "first"),
        ("table?run=good&quantity=loss&columns=1", 400, "columns"),
        ("table?run=good&quantity=loss&columns=-1", 400, "columns"),
        ("table?run=good&quantity=loss&columns=" + "9" * 5000, 400, "columns"),
        ("table?run=good&quantity=loss&columns=" + ",".join("0" * 65), 400, "columns"),
        ("table?run=good&quantity=loss&planes=all", 400, "planes"),
        ("table?run=good&quantity=update_ratio", 404, "writer.watch"),
        ("report?run=unknown", 404, "unknown"),
        ("report?format=exe", 400, "format"),
        ("report?lang=tlh", 400, "lang"),
    ],
)
def test_bad_requests_get_a_sentence(base: str, path: str, status: int, says: str) -> None:
    code, body = get(f"{base}/{path}")
    assert code == status
    assert says.encode() in body
    assert b"Traceback" not in body


@pytest.mark.parametrize("path", ["static/app.js", "../plugin.py", "%2e%2e/plugin.py", "nothing"])
def test_there_is_no_path_to_escape_from(base: str, path: str) -> None:
    assert get(f"{base}/{path}")[0] == 404


@pytest.mark.parametrize(
    "path", ["runs", "diagnosis", "report", "table?run=good&quantity=loss", "index.js"]
)
def test_other_sites_pages_get_no_answer(base: str, path: str) -> None:
    port = urlsplit(base).port
    for headers in (
        {"Sec_Fetch_Site": "cross-site"},
        {"Origin": "https://evil.example"},
        {"Host": f"evil.example:{port}"},
    ):
        code, body = get(f"{base}/{path}", **headers)
        assert code == 403
        assert b"Loss Doctor answers" in body or b"--bind_all" in body
    for headers in (
        {"Sec_Fetch_Site": "same-origin"},
        {"Host": "hub.example", "Sec_Fetch_Site": "same-origin"},
        {"Host": f"127.0.0.1:{port}", "Origin": f"http://127.0.0.1:{port}"},
    ):
        assert get(f"{base}/{path}", **headers)[0] == 200


@pytest.mark.parametrize("option", ["--bind_all", "--host=0.0.0.0"])
def test_a_server_for_others_is_called_by_any_name(tmp_path: Path, option: str) -> None:
    record(tmp_path / "good", range(5))
    with serving(str(tmp_path), option) as address:
        port = urlsplit(address).port
        runs = f"{address}/data/plugin/lossdiag/runs"
        assert get(runs, Host=f"server.example:{port}")[0] == 200
        assert get(runs, Host=f"server.example:{port}", Sec_Fetch_Site="cross-site")[0] == 403


def test_a_path_prefix_changes_nothing_of_that(tmp_path: Path) -> None:
    record(tmp_path / "good", range(5))
    with serving(str(tmp_path), "--path_prefix=/some/where") as address:
        runs = f"{address}/some/where/data/plugin/lossdiag/runs"
        assert get(runs, Sec_Fetch_Site="same-origin")[0] == 200
        assert get(runs, Sec_Fetch_Site="cross-site")[0] == 403


def test_new_records_appear(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path / "live") as writer, serving(str(tmp_path)) as address:
        base = f"{address}/data/plugin/lossdiag"
        seen = []
        for step in range(2):
            writer.add_diagnostics(loss=1.0, global_step=step)
            writer.flush()
            _until(
                lambda step=step: [r["last_step"] for r in load(f"{base}/runs")["runs"]] == [step]
            )
            seen.append(load(f"{base}/runs")["runs"][0]["data_version"])
        assert seen[0] != seen[1]
