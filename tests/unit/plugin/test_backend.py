"""One bad run is one bad row."""

from __future__ import annotations

import json
import struct
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tensorboard import errors
from werkzeug.test import Client

from helpers.written_runs import write_run
from tb_lossdiag import quantities as q
from tb_lossdiag.config import Policy
from tb_lossdiag.diagnosis.engine import Diagnosis
from tb_lossdiag.plugin.backend import PATIENCE
from tb_lossdiag.plugin.background import Background
from tb_lossdiag.plugin.plugin import LossDoctorPlugin
from tb_lossdiag.reader import Reader, open_folder
from tb_lossdiag.records import table
from tb_lossdiag.run import Run


@pytest.fixture
def apps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The routes over a good run and one that cannot be read."""
    for name in ("good", "evil"):
        write_run(tmp_path / name, [table(q.LOSS, range(30), [1.0] * 30)])
    read = Reader.read

    def some(self: Reader, listing: Any, *more: Any) -> Run:
        if listing.run == "evil":
            raise ZeroDivisionError("evil")
        return read(self, listing, *more)

    monkeypatch.setattr(Reader, "read", some)
    provider = open_folder(str(tmp_path))
    monkeypatch.setattr(provider, "list_runs", lambda *_, **__: 1 / 0)
    context = SimpleNamespace(
        data_provider=provider, logdir=str(tmp_path), sampling_hints={}, flags=None
    )
    return LossDoctorPlugin(context).get_plugin_apps()


def load(apps: Any, path: str, **query: str) -> Any:
    answer: Any = Client(apps[path]).get("/", query_string=query)
    assert answer.status_code == 200
    return json.loads(answer.text)


def test_a_run_that_cannot_be_read_is_a_row(apps: Any) -> None:
    while not load(apps, "/runs")["state"]:
        pass  # each waits
    for _ in range(2):
        answer = load(apps, "/runs")
        evil, good = answer["runs"]
        assert (evil["status"], evil["problem"]) == ("unreadable", "ZeroDivisionError('evil')")
        assert (good["status"], good["problem"]) == ("nothing found", None)
        assert answer["state"]
    evil, good = load(apps, "/diagnosis")["runs"]
    assert evil["problem"] == "ZeroDivisionError('evil')"
    assert good["status"] == "nothing found"


@pytest.mark.parametrize(
    ("path", "query"),
    [("/table", {"run": "evil", "quantity": "loss"}), ("/compare", {"a": "good", "b": "evil"})],
)
def test_asked_for_alone_it_is_not_there(apps: Any, path: str, query: dict[str, str]) -> None:
    with pytest.raises(errors.NotFoundError, match="ZeroDivisionError"):
        Client(apps[path]).get("/", query_string=query)


def test_the_clip_coefficient_comes_with_the_extremes_inside_a_record(tmp_path: Path) -> None:
    """The page draws it, and works none out of the norms."""
    norms = {q.CLIP_GLOBAL_NORM: 4.0, q.CLIP_GLOBAL_NORM.highest(): 10.0}
    norms |= {q.CLIP_GLOBAL_NORM.lowest(): 2.0, q.CLIP_MAX_NORM: 1.0}
    write_run(tmp_path / "run", [table(quantity, [9], [v]) for quantity, v in norms.items()])
    context = SimpleNamespace(
        data_provider=open_folder(str(tmp_path)),
        logdir=str(tmp_path),
        sampling_hints={},
        flags=None,
    )
    apps = LossDoctorPlugin(context).get_plugin_apps()
    query = {"run": "run", "quantity": "clip_coefficient"}
    body: bytes = Client(apps["/table"]).get("/", query_string=query).data
    (size,) = struct.unpack_from("<I", body, 8)
    arrays = {array["name"]: array for array in json.loads(body[12 : 12 + size])["arrays"]}
    least, most, last = (
        struct.unpack_from("<f", body, 12 + size + arrays[name]["offset"])[0]
        for name in ("min", "max", "last")
    )
    assert (least, last, most) == pytest.approx((0.1, 0.25, 0.5), rel=1e-5)


def ask_table(apps: Any) -> Any:
    return Client(apps["/table"]).get("/", query_string={"run": "good", "quantity": "loss"})


def refuse(*_: object) -> Diagnosis:
    raise AssertionError("a rule was asked")


def test_a_table_is_read_and_not_judged(apps: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Policy, "diagnose", refuse)
    answer = ask_table(apps)
    assert answer.status_code == 200
    assert answer.data.startswith(b"TBLD")
    monkeypatch.undo()
    assert load(apps, "/diagnosis", run="good")["runs"][0]["status"] == "nothing found"


def test_a_table_does_not_wait_for_rules(apps: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on, diagnose = threading.Event(), threading.Event(), Policy.diagnose

    def slow(policy: Policy, run: Run) -> Diagnosis:
        begun.set()
        assert go_on.wait(60)
        return diagnose(policy, run)

    monkeypatch.setattr(Policy, "diagnose", slow)
    with ThreadPoolExecutor(2) as others:
        judging = others.submit(load, apps, "/diagnosis", run="good")
        try:
            assert begun.wait(60)
            assert others.submit(ask_table, apps).result(30).status_code == 200
            rows = load(apps, "/runs")["runs"]
            assert [row["status"] for row in rows] == ["unreadable", "reading"]
        finally:
            go_on.set()
        assert judging.result(60)["runs"][0]["status"] == "nothing found"


def test_a_rule_that_fails_hides_no_table(apps: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Policy, "diagnose", lambda *_: 1 // 0)
    assert [row["status"] for row in load(apps, "/runs")["runs"]] == ["unreadable", "unreadable"]
    assert ask_table(apps).status_code == 200


def test_what_listing_took_is_not_waited_for_again(
    apps: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    listings = Reader.listings

    def slow(*args: Any) -> Any:
        time.sleep(0.3)
        return listings(*args)

    monkeypatch.setattr(Reader, "listings", slow)
    monkeypatch.setattr(Background, "wait", lambda _, __, seconds, *___: waited.append(seconds))
    load(apps, "/runs")
    assert waited[0] <= PATIENCE - 0.3


def test_a_run_that_is_opened_waits_for_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hundreds of runs are judged one after the other; the one that somebody looks at is judged beside them."""
    for name in ("opened", "others/a", "others/b"):
        write_run(tmp_path / name, [table(q.LOSS, range(30), [1.0] * 30)])
    begun, go_on, diagnose = threading.Event(), threading.Event(), Policy.diagnose

    def slow(policy: Policy, run: Run) -> Diagnosis:
        if run.name != "opened":
            begun.set()
            assert go_on.wait(60)
        return diagnose(policy, run)

    monkeypatch.setattr(Policy, "diagnose", slow)
    context = SimpleNamespace(
        data_provider=open_folder(str(tmp_path)),
        logdir=str(tmp_path),
        sampling_hints={},
        flags=None,
    )
    apps = LossDoctorPlugin(context).get_plugin_apps()
    try:
        load(apps, "/runs")
        assert begun.wait(60)
        answer = load(apps, "/runs", run="opened")
        states = {row["run"]: row["status"] for row in answer["runs"]}
        assert states.pop("opened") == "nothing found"
        assert set(states.values()) == {"reading"}
        assert not answer["state"]
    finally:
        go_on.set()
