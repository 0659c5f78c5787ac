"""What integration and browser tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from integration import loaders

from tb_lossdiag.cli import main


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
