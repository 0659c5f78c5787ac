"""What integration and browser tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from integration import loaders

from tb_lossdiag.cli import main

# Two test processes share the cores: torch's threads would wait for each other. Before torch is imported, and for processes too.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Verdicts of an earlier run of the tests would hide what this one should see.
os.environ.setdefault("TB_LOSSDIAG_NO_CACHE", "1")

# How long an example takes says something of the machine, nothing of the code.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session", autouse=True)
def _logs_of_agents(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The logger of Stable-Baselines3 makes folders among the machine's temporary files, and leaves them there."""
    os.environ.setdefault("SB3_LOGDIR", str(tmp_path_factory.getbasetemp() / "sb3"))


@pytest.fixture(scope="session")
def demo_logdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runs of `tb-lossdiag demo`: every scenario trained once, for real."""
    logdir = tmp_path_factory.mktemp("demo") / "runs"
    assert main(["demo", "--logdir", str(logdir)]) == 0
    return logdir


@pytest.fixture(autouse=True)
def _end_data_servers() -> Iterator[None]:
    """End the data servers a test has started."""
    yield
    loaders.end_servers()
