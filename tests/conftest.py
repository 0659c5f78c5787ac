"""What integration and browser tests share."""

from __future__ import annotations

import fcntl
import gc
import os
import shutil
from collections import Counter
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


_LONGEST = (
    "torture/test_planted.py",
    "integration/test_run_script.py",
    "integration/test_sigterm.py",
    "browser/test_hostile.py",
    "browser/test_keyboard.py",
    "browser/test_sweep.py",
    "browser/test_truth.py",
)
"""Files of few tests that take about a minute: begun last, they would let the other processes wait for one."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take longest first, then those with the most tests."""
    sizes = Counter(item.path for item in items)
    items.sort(
        key=lambda item: (not item.path.as_posix().endswith(_LONGEST), -sizes[item.path], item.path)
    )


@pytest.fixture(scope="module", autouse=True)
def _what_was_there_stays() -> None:
    """What is imported, or left by another file, is walked over by neither Python's collector nor our looks at all objects in each test."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _logs_of_agents(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The logger of Stable-Baselines3 makes folders among the machine's temporary files, and leaves them there."""
    os.environ.setdefault("SB3_LOGDIR", str(tmp_path_factory.getbasetemp() / "sb3"))


@pytest.fixture(scope="session")
def demo_logdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runs of `tb-lossdiag demo`: every scenario trained once for all test processes, for real; a copy for each."""
    logdir = tmp_path_factory.mktemp("demo") / "runs"
    if "PYTEST_XDIST_WORKER" not in os.environ:
        assert main(["demo", "--logdir", str(logdir)]) == 0
        return logdir
    trained = tmp_path_factory.getbasetemp().parent / "demo"
    with (trained.parent / "demo.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (trained / "done").exists():
            assert main(["demo", "--logdir", str(trained / "runs")]) == 0
            (trained / "done").touch()
    shutil.copytree(trained / "runs", logdir)
    return logdir


@pytest.fixture(autouse=True)
def _end_data_servers() -> Iterator[None]:
    """End the data servers a test has started."""
    yield
    loaders.end_servers()
