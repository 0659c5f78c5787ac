"""Folders in buckets: a run brought there, and what `check` says of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import fsspec
import pytest

from tb_lossdiag.cli import main

Capture = pytest.CaptureFixture[str]


def upload(logdir: Path, address: str) -> None:
    """Bring all files of a folder there."""
    system, root = fsspec.core.url_to_fs(address)
    for path in logdir.rglob("*"):
        if path.is_file():
            system.pipe_file(f"{root}/{path.relative_to(logdir).as_posix()}", path.read_bytes())


def judged(capsys: Capture, *arguments: str) -> Any:
    """The runs as JSON tells them, or what went wrong in words."""
    main(["check", *arguments, "--format", "json"])
    said = capsys.readouterr()
    return json.loads(said.out)["runs"] if said.out else said.err
