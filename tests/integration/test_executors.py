"""Whoever judges the runs, the report is the same."""

from __future__ import annotations

import sys
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from helpers.manual_code import recipe
from helpers.plain_scalars import diverging, falling, turning, write
from tb_lossdiag import diagnose
from tb_lossdiag.checking.aside import stdout_aside
from tb_lossdiag.manual import markdown


@pytest.fixture
def logdir(tmp_path: Path) -> Path:
    """Twelve runs, each another."""
    for index in range(12):
        made = (falling, diverging, turning)[index % 3](60 + index)
        write(tmp_path / f"{index:02}", {"train/loss": made})
    return tmp_path


def test_threads_judge_and_leave_standard_output_alone(logdir: Path) -> None:
    before = sys.stdout
    with ThreadPoolExecutor(8) as threads:
        report = diagnose(logdir, executor=threads)
    assert report.document == diagnose(logdir).document
    assert sys.stdout is before


def test_whoever_leaves_first_takes_standard_output_from_nobody() -> None:
    before = sys.stdout
    first, second = stdout_aside(), stdout_aside()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert sys.stdout is sys.stderr
    second.__exit__(None, None, None)
    assert sys.stdout is before


def test_an_executor_of_ones_own(logdir: Path) -> None:
    class Here(Executor):
        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
            future: Future[Any] = Future()
            future.set_result(fn(*args, **kwargs))
            return future

    assert diagnose(logdir, executor=Here()).document == diagnose(logdir).document


def told(word: str, logdir: Path, **changes: str) -> Any:
    """The report that a recipe of the manual comes to."""
    code = recipe(markdown("fleet", "en"), word).replace("s3://bucket/runs", str(logdir))
    for old, new in changes.items():
        code = code.replace(old, new)
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102  (the manual's)
    return names["report"].document


def test_a_cluster_of_dask(logdir: Path) -> None:
    distributed = pytest.importorskip("distributed", reason="a cluster of Dask, by hand")
    alone = diagnose(logdir)
    with distributed.LocalCluster(n_workers=2, dashboard_address=None) as cluster:
        address = {"tcp://scheduler:8786": cluster.scheduler_address}
        assert told("dask", logdir, **address) == alone.document
        write(logdir / "00", {"train/loss": diverging(200)})
        again = told("dask", logdir, **address)
    assert again == diagnose(logdir).document != alone.document


def test_a_cluster_of_ray(logdir: Path) -> None:
    ray = pytest.importorskip("ray", reason="a cluster of Ray, by hand")
    here = {'address="auto"': "num_cpus=2, include_dashboard=False"}
    try:
        assert told("OnRay", logdir, **here) == diagnose(logdir).document
    finally:
        ray.shutdown()
