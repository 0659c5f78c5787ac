"""A real TensorBoard process on a folder."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

STRICT = """from tensorboard.backend import http_util
http_util._CSP_SCRIPT_UNSAFE_EVAL = False
from tensorboard.main import run_main
run_main()"""
"""TensorBoard with the policy it means to have one day: no script may make code out of text."""


@contextmanager
def serving(logdir: str, *options: str, strict: bool = False) -> Iterator[str]:
    """Start TensorBoard with nothing but the folder (and a free port), yield its address, end it."""
    with served(logdir, *options, strict=strict) as (address, _):
        yield address


@contextmanager
def served(logdir: str, *options: str, strict: bool = False) -> Iterator[tuple[str, int]]:
    """The same with the process's number."""
    port = _free_port()
    begin = ["-c", STRICT] if strict else ["-m", "tensorboard.main"]
    command = [sys.executable, *begin, "--logdir", logdir, "--port", str(port)]
    process = subprocess.Popen(
        [*command, "--reload_interval", "1", *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        address = f"http://localhost:{port}"
        _wait(address, process)
        yield address, process.pid
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)


def get(address: str, **headers: str) -> tuple[int, bytes]:
    """Status and body of a GET, with headers whose "_" stand for "-"."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        with urllib.request.urlopen(
            urllib.request.Request(address, headers=named), timeout=60
        ) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait(address: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        if process.poll() is not None:
            raise RuntimeError(f"TensorBoard ended with {process.returncode}")
        try:
            if get(f"{address}/data/environment")[0] in {200, 404}:
                return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError("TensorBoard did not answer")
