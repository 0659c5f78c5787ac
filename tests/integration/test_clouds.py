"""Runs in the storage of clouds, against emulators of it on this machine; each is skipped where its emulator is not installed (CONTRIBUTING says how)."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import fsspec
import pytest

from helpers.buckets import judged, upload
from helpers.plain_scalars import diverging, falling, write
from helpers.tiny_trainings import record

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TB_LOSSDIAG_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def logdir(tmp_path: Path) -> Path:
    """A recorded run, and a plain one that diverges."""
    record(tmp_path / "runs" / "ours", range(60))
    write(tmp_path / "runs" / "deep" / "er" / "div", {"train/loss": diverging(100)})
    return tmp_path / "runs"


def holds(logdir: Path, capsys: Capture, scheme: str) -> None:
    """What is to be true of each: the same diagnosis as here, a file that grew, a script that writes there, and what is not there."""
    system = fsspec.filesystem(scheme)
    system.mkdir("bucket")
    upload(logdir, f"{scheme}://bucket/runs")
    assert judged(capsys, f"{scheme}://bucket/runs", "--jobs", "2") == judged(capsys, str(logdir))
    write(logdir / "grown", {"train/loss": falling(300)})
    (file,) = (logdir / "grown").iterdir()
    whole, place = file.read_bytes(), f"bucket/more/grown/{file.name}"
    for part in (whole[: len(whole) // 2], whole):
        system.pipe_file(place, part)
        (run,) = judged(capsys, f"{scheme}://bucket/more")
        assert (run["steps"] == 300) is (part is whole)
    assert f"{scheme}://bucket/nothing: no such folder" in judged(
        capsys, f"{scheme}://bucket/nothing"
    )
    assert f"{scheme}://nobody/runs: " in judged(capsys, f"{scheme}://nobody/runs")


def test_google(logdir: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    emulator = pytest.importorskip("gcp_storage_emulator.server", reason="gcp-storage-emulator")
    pytest.importorskip("gcsfs", reason="gcsfs")
    port = _free_port()
    server = emulator.create_server("127.0.0.1", port, in_memory=True)
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
    server.start()
    try:
        holds(logdir, capsys, "gs")
    finally:
        server.stop()


_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Of Azurite's one account: printed in its manual, the same everywhere."""


@contextlib.contextmanager
def _azurite() -> Iterator[int]:
    """Azurite's port."""
    program = shutil.which("azurite-blob")
    if program is None:
        pytest.skip("azurite-blob")
    words = "--inMemoryPersistence --blobPort 0 --skipApiVersionCheck --disableTelemetry"
    with subprocess.Popen([program, *words.split()], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            said = next(line for line in process.stdout if "listens on" in line)
            yield int(said.strip().rpartition(":")[2])
        finally:
            process.terminate()


def test_azure(logdir: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("adlfs", reason="adlfs")
    with _azurite() as port:
        account = "devstoreaccount1"
        words = f"AccountName={account};AccountKey={_KEY};BlobEndpoint=http://127.0.0.1:{port}/{account};"
        monkeypatch.setenv(
            "AZURE_STORAGE_CONNECTION_STRING", f"DefaultEndpointsProtocol=http;{words}"
        )
        holds(logdir, capsys, "az")


class _Hub(BaseHTTPRequestHandler):
    """A hub with one data set, whose files are those of a folder: the three questions that reading asks."""

    def __init__(self, folder: Path, *arguments: Any) -> None:
        self._folder = folder
        super().__init__(*arguments)

    def do_GET(self) -> None:
        """Answer."""
        path = unquote(urlsplit(self.path).path)  # the library writes %2F for the slashes of a path
        kind, _, rest = path.partition("/me/logs")
        if kind not in ("/api/datasets", "/datasets") or not self._answered(rest):
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound" if not rest else "EntryNotFound")
            self.end_headers()

    def _answered(self, rest: str) -> bool:
        if rest in ("", "/revision/main"):
            self._send(json.dumps({"id": "me/logs", "sha": "0" * 40}).encode())
        elif rest.startswith("/tree/main"):
            return self._tree(rest.removeprefix("/tree/main").lstrip("/"))
        else:
            return self._file(self._folder / rest.removeprefix("/resolve/main/"))
        return True

    def _tree(self, inside: str) -> bool:
        top = self._folder / inside
        if not top.is_dir():
            return False
        deep = "recursive=true" in self.path.lower()
        self._send(json.dumps([self._entry(p) for p in top.glob("**/*" if deep else "*")]).encode())
        return True

    def _entry(self, path: Path) -> dict[str, Any]:
        stat, folder = path.stat(), path.is_dir()
        return {
            "type": "directory" if folder else "file",
            "path": path.relative_to(self._folder).as_posix(),
            "size": 0 if folder else stat.st_size,
            "oid": f"{stat.st_mtime_ns:040x}",
        }

    def _file(self, path: Path) -> bool:
        if not path.is_file():
            return False
        data, asked = path.read_bytes(), self.headers.get("Range", "")
        first, _, last = asked.removeprefix("bytes=").partition("-")
        part = data[int(first) : int(last) + 1] if asked else data
        self._send(part, status=206 if asked else 200)
        return True

    def _send(self, data: bytes, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextlib.contextmanager
def _hub(folder: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Hub, folder)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_hugging_face(logdir: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their library against a server of ours: nobody offers a hub that runs here."""
    pytest.importorskip("huggingface_hub", minversion="1.0", reason="huggingface_hub")
    with _hub(logdir.parent) as endpoint:
        monkeypatch.setenv("FSSPEC_HF_ENDPOINT", endpoint)  # for processes of `--jobs`
        monkeypatch.setitem(fsspec.config.conf, "hf", {"endpoint": endpoint})
        there = "hf://datasets/me/logs/runs"
        assert judged(capsys, there, "--jobs", "2") == judged(capsys, str(logdir))
        (file,) = (logdir / "ours").glob("*tfevents*")
        with file.open("ab") as grown:
            grown.write(b"half a record")
        assert judged(capsys, there) == judged(capsys, str(logdir))
        assert [r["run"] for r in judged(capsys, f"{there}/deep")] == ["er/div"]
        assert f"{there}/nothing: no such folder" in judged(capsys, f"{there}/nothing")
        assert "hf://datasets/you/logs: " in judged(capsys, "hf://datasets/you/logs")


def _free_port() -> int:
    with socket.socket() as some:
        some.bind(("127.0.0.1", 0))
        port: int = some.getsockname()[1]
        return port
