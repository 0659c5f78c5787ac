"""Runs that are not on this machine: the same diagnosis as here, and only what is new is brought."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

import tb_lossdiag
from helpers.buckets import judged, upload
from helpers.plain_scalars import diverging, falling, turning, write
from helpers.tiny_trainings import record
from tb_lossdiag.cli import main
from tb_lossdiag.process.caches import own_caches
from tb_lossdiag.reader.remote import listed
from tb_lossdiag.reader.remote_copy import make_room

Capture = pytest.CaptureFixture[str]


class Bucket(MemoryFileSystem):  # type: ignore[misc]
    """Object storage in this process that counts what is asked of it, and refuses what it is told to."""

    protocol = "bucket"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    brought: ClassVar[list[int]] = []
    refused: ClassVar[set[str]] = set()

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(super()._strip_protocol(path.replace("bucket://", "memory://")))

    def cat_file(self, path: str, start: Any = None, end: Any = None, **_: Any) -> bytes:
        if any(part in path for part in self.refused):
            raise RuntimeError("Access Denied")
        data: bytes = super().cat_file(path, start, end)
        self.brought.append(len(data))
        return data


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TB_LOSSDIAG_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def address() -> Iterator[str]:
    """An empty folder of a bucket."""
    fsspec.register_implementation("bucket", Bucket, clobber=True)
    Bucket.brought.clear()
    Bucket.refused.clear()
    yield f"bucket://{uuid4().hex}/runs"
    Bucket.store.clear()


@pytest.fixture
def logdir(tmp_path: Path) -> Path:
    """A recorded run, a plain one, and one of two halves."""
    record(tmp_path / "runs" / "ours", range(60))
    write(tmp_path / "runs" / "div", {"train/loss": diverging(100)})
    write(tmp_path / "runs" / "halves" / "train", {"epoch_loss": falling(60)})
    write(tmp_path / "runs" / "halves" / "validation", {"epoch_loss": turning(60)})
    return tmp_path / "runs"


def test_a_bucket_is_judged_as_the_folder(logdir: Path, address: str, capsys: Capture) -> None:
    upload(logdir, address)
    assert judged(capsys, address) == judged(capsys, str(logdir))
    assert judged(capsys, f"file://{logdir}") == judged(capsys, str(logdir))


LOGS = {
    "hf/checkpoint-9/trainer_state.json": json.dumps(
        {"log_history": [{"step": n, "loss": 2.0 / (n + 1)} for n in range(60)]}
    ),
    "hf/trainer_state.json": json.dumps(
        {"log_history": [{"step": n, "loss": 2.0 + 0.1 * n} for n in range(60)]}
    ),
    "verl/gsm8k.jsonl": "".join(
        json.dumps({"step": n, "train/loss": 1.0 + n}) + "\n" for n in range(60)
    ),
    "verl/metrics.csv": "step,train_loss\n" + "".join(f"{n},{3 + n}\n" for n in range(60)),
    "data/rows.jsonl": '{"text": "no log"}\n' * 2000,
    "notes.csv": "step,loss\n1,2\n",
}


def test_logs_of_a_bucket_are_judged_as_those_of_the_folder(
    tmp_path: Path, address: str, capsys: Capture
) -> None:
    """Of what a log may be called, only the beginning is asked; the rest comes with the run that is judged."""
    for name, text in LOGS.items():
        (tmp_path / "logs" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "logs" / name).write_text(text)
    upload(tmp_path / "logs", address)
    runs = judged(capsys, address)
    names = ["hf/trainer_state.json", "verl/gsm8k.jsonl", "verl/metrics.csv"]
    assert [run["run"] for run in runs] == names
    assert runs == judged(capsys, str(tmp_path / "logs"))
    assert [file.name for file in listed(address).files] == names
    assert [run["run"] for run in judged(capsys, address, names[1])] == names[1:2]
    assert [run["run"] for run in judged(capsys, f"{address}/{names[2]}")] == ["metrics.csv"]
    assert judged(capsys, address) == runs


def test_a_log_beside_event_files_is_no_second_run(
    logdir: Path, address: str, capsys: Capture
) -> None:
    (logdir / "div" / "trainer_state.json").write_text(LOGS["hf/trainer_state.json"])
    upload(logdir, address)
    assert judged(capsys, address) == judged(capsys, str(logdir))
    assert not [file for file in listed(address).files if file.name.endswith(".json")]


def test_runs_and_folders_by_their_names(logdir: Path, address: str, capsys: Capture) -> None:
    upload(logdir, address)
    names = {
        (address, "div"): ["div"],
        (address, "halves", "ours"): ["halves", "ours"],
        (f"{address}/div/",): ["div"],
        (f"{address}/div", f"{address}/ours"): [f"{address}/div", f"{address}/ours"],
        (f"{address}/div", str(logdir / "div")): sorted([f"{address}/div", str(logdir / "div")]),
        ("--logdir_spec", f"a:{address}/div,b:{address}"): ["a", "b/div", "b/halves", "b/ours"],
    }
    for words, runs in names.items():
        assert [run["run"] for run in judged(capsys, *words)] == runs
    (file,) = (logdir / "div").iterdir()
    assert [r["run"] for r in judged(capsys, f"{address}/div/{file.name}")] == [file.name]
    assert "did you mean div" in judged(capsys, address, "dib")
    main(["check", address, "div", "--format", "sarif"])
    assert f"{address}/div" in capsys.readouterr().out


def test_two_runs_of_a_bucket_are_compared(logdir: Path, address: str, capsys: Capture) -> None:
    upload(logdir, address)
    there = tb_lossdiag.compare(address, "ours", "div").document
    assert there == tb_lossdiag.compare(logdir, "ours", "div").document
    two = tb_lossdiag.compare(f"{address}/ours", f"file://{logdir}/div")
    assert [found.code for found in two.new] == ["LD102"]
    assert main(["export", address, str(logdir.parent / "site")]) == 0


def test_what_has_not_changed_is_not_brought_and_of_what_has_grown_what_is_new(
    tmp_path: Path, address: str, capsys: Capture
) -> None:
    write(tmp_path / "runs" / "a", {"train/loss": falling(6000)})
    (file,) = (tmp_path / "runs" / "a").iterdir()
    system, root = fsspec.core.url_to_fs(address)
    whole, place = file.read_bytes(), f"{root}/a/{file.name}"
    system.pipe_file(place, whole[:200_000])
    (first,) = judged(capsys, address)
    assert sum(Bucket.brought) == 200_000
    Bucket.brought.clear()
    judged(capsys, address)
    assert sum(Bucket.brought) <= 4096
    system.pipe_file(place, whole)
    Bucket.brought.clear()
    (grown,) = judged(capsys, address)
    assert sum(Bucket.brought) <= len(whole) - 200_000 + 4096
    assert first["steps"] < grown["steps"] == 6000


def test_another_file_of_the_same_name_is_brought_anew(
    tmp_path: Path, address: str, capsys: Capture
) -> None:
    system, root = fsspec.core.url_to_fs(address)
    file = tmp_path
    for count, made in enumerate((diverging(100), falling(300), falling(50))):
        write(tmp_path / str(count), {"train/loss": made})
        (file,) = (tmp_path / str(count)).iterdir()
        system.pipe_file(f"{root}/a/events.out.tfevents.1.host", file.read_bytes())
        (run,) = judged(capsys, address)
        assert run["steps"] == len(made)
    system.rm(f"{root}/a", recursive=True)
    system.pipe_file(f"{root}/a/events.out.tfevents.2.host", file.read_bytes())
    (run,) = judged(capsys, address)
    assert run["steps"] == 50


def test_names_lead_nowhere_but_into_the_copy(tmp_path: Path, address: str) -> None:
    system, root = fsspec.core.url_to_fs(address)
    system.pipe_file(f"{root}/good/x.tfevents.1", b"")
    (made,) = system.store.values()
    for name in ("a/../../../x.tfevents.1", "a//b.tfevents.1", "a\\b.tfevents.1", "note", "a/"):
        system.store[f"{root}/{name}"] = made
    there = listed(address)
    assert [file.name for file in there.files] == ["good/x.tfevents.1"]
    there.bring()
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.name for path in written} == {"x.tfevents.1", "x.tfevents.1.json"}


def test_a_run_that_is_refused_hides_no_other(logdir: Path, address: str, capsys: Capture) -> None:
    upload(logdir, address)
    Bucket.refused.add("/div/")
    runs = {run["run"]: run for run in judged(capsys, address)}
    assert runs["div"]["status"] == "unreadable"
    assert "Access Denied" in runs["div"]["problem"]
    assert runs["ours"]["steps"] == 60
    assert main(["check", address]) == 2


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("bucket://nobody/nothing", "bucket://nobody/nothing: no such folder"),
        ("nonsense://a/b", "nonsense://a/b: Protocol not known"),
        ("http://127.0.0.1:9/runs", "http://127.0.0.1:9/runs: "),
    ],
)
def test_what_is_not_there_is_said(place: str, says: str, address: str, capsys: Capture) -> None:
    for words in ([place], [place, "run"], ["--logdir_spec", f"a:{place}"]):
        said = judged(capsys, *words)
        assert says in said
        assert "Traceback" not in said


def test_without_the_package_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "fsspec.core", None)
    assert "pip install 'tb-lossdiag[remote]'" in judged(capsys, "s3://bucket/runs")


def test_the_writer_and_a_script_write_into_a_bucket(tmp_path: Path, capsys: Capture) -> None:
    address = f"memory://{uuid4().hex}/runs"
    record(f"{address}/a", range(60))  # type: ignore[arg-type]
    script = tmp_path / "train.py"
    script.write_text(
        "import torch\nmodel = torch.nn.Linear(4, 1)\noptimizer = torch.optim.SGD(model.parameters(), 0.1)\n"
        "for _ in range(30):\n    optimizer.zero_grad()\n    model(torch.randn(8, 4)).square().mean().backward()\n"
        "    optimizer.step()\n"
    )
    assert main(["run", "--logdir", f"{address}/b", str(script)]) == 0
    assert f"tb-lossdiag check {address}/b" in capsys.readouterr().err
    assert {run["run"]: run["steps"] for run in judged(capsys, address)} == {"a": 60, "b": 30}


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """A web server that knows no ranges."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    handler.func.log_message = lambda *_: None  # type: ignore[attr-defined]
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_web_server_and_several_processes(logdir: Path, capsys: Capture) -> None:
    pytest.importorskip("aiohttp", reason="what fsspec reads http with")
    with served(logdir.parent) as address:
        there = judged(capsys, f"{address}/runs", "--jobs", "2")
        assert there == judged(capsys, str(logdir))
        (file,) = (logdir / "div").iterdir()
        with file.open("ab") as grown:
            grown.write(b"half a record")
        assert judged(capsys, f"{address}/runs") == there


def test_s3(logdir: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against moto's server: the writer through TensorBoard's own S3, growing objects, and who may not."""
    server = pytest.importorskip("moto.server", reason="moto[server] and s3fs: 60 MB, by hand")
    pytest.importorskip("s3fs")
    threaded = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    threaded.start()
    capsys.readouterr()
    host, port = threaded.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "S3_ENDPOINT": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    try:
        fsspec.filesystem("s3").mkdir("bucket")
        upload(logdir, "s3://bucket/runs")
        assert judged(capsys, "s3://bucket/runs", "--jobs", "2") == judged(capsys, str(logdir))
        record("s3://bucket/more/a", range(40))  # type: ignore[arg-type]
        (run,) = judged(capsys, "s3://bucket/more")
        assert run["steps"] == 40
        assert "s3://nobody/runs: " in judged(capsys, "s3://nobody/runs")
    finally:
        threaded.stop()


def test_copies_take_no_more_than_they_may(tmp_path: Path) -> None:
    """The one that was not asked for the longest goes first; one of the last hour, and the one that is read, stay."""
    now = time.time()
    for hours, name in enumerate(("reading", "fresh", "older", "oldest")):
        (tmp_path / name / "files").mkdir(parents=True)
        (tmp_path / name / "files" / "events").write_bytes(b"x" * 100)
        os.utime(
            tmp_path / name, (now, now - 3600 * max(hours - 1, 0) - 3600 * hours * (hours > 1))
        )
    make_room(tmp_path, tmp_path / "reading", 300)
    assert {path.name for path in tmp_path.iterdir()} == {"reading", "fresh", "older"}
    make_room(tmp_path, tmp_path / "reading", 10)
    assert {path.name for path in tmp_path.iterdir()} == {"reading", "fresh"}


def test_copies_of_other_folders_make_room(
    logdir: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TB_LOSSDIAG_COPIES_MB", "0")
    upload(logdir, address)
    old = own_caches() / "copies" / "old"
    old.mkdir(parents=True)
    (old / "file").write_bytes(b"x")
    os.utime(old, (0, 0))
    listed(address)
    assert not old.exists()
