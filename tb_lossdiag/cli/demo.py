"""`tb-lossdiag demo`: real trainings, sick and healthy, each in its own process; then their diagnosis."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tb_lossdiag.checking.check import Check, in_order
from tb_lossdiag.checking.places import Place
from tb_lossdiag.config import Settings
from tb_lossdiag.report.text import show

_NEEDS = ("torch", "sklearn")


def run(arguments: argparse.Namespace) -> int:
    """Train every scenario into a folder, print the diagnosis, serve it if asked.

    Raises:
        RuntimeError: the demo is not installed, or a training failed.
        ValueError: the folder already holds other things than a demo's runs.
    """
    scenarios = _scenarios()
    logdir = Path(arguments.logdir)
    _fresh(logdir, {scenario.name for scenario in scenarios})
    _train(scenarios, logdir)
    check = Check([Place(str(logdir))], Settings(language=arguments.lang))
    runs = in_order(list(check.entries()))
    show(Console(highlight=False), runs, arguments.lang)
    if arguments.serve:
        return _serve(logdir, arguments.port)
    Console().print(f"tensorboard --logdir {logdir}  shows the same in the tab Loss Doctor")
    return 0


def _scenarios() -> tuple[Any, ...]:
    try:
        from tb_lossdiag.demo import SCENARIOS  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise RuntimeError(
            f'the demo is not installed: {error}: pip install "tb-lossdiag[demo]"'
        ) from error
    missing = [name for name in _NEEDS if find_spec(name) is None]
    if missing:
        raise RuntimeError(
            f'the demo trains, which needs {" and ".join(missing)}: pip install "tb-lossdiag[demo]"'
        )
    found: tuple[Any, ...] = SCENARIOS
    return found


def _fresh(logdir: Path, names: set[str]) -> None:
    """Remove an earlier demo's event files; a folder with anything else in it is left alone."""
    if not logdir.exists():
        return
    files = [path for path in logdir.rglob("*") if path.is_file()]
    strange = [p for p in files if p.parent.name not in names or "tfevents" not in p.name]
    if strange:
        raise ValueError(f"{logdir} holds other files ({strange[0]}); choose another --logdir")
    for path in files:
        path.unlink()


def _train(scenarios: tuple[Any, ...], logdir: Path) -> None:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns) as progress:
        task = progress.add_task("training", total=len(scenarios))
        for scenario in scenarios:
            progress.update(task, description=scenario.title)
            _train_one(scenario.name, logdir / scenario.name)
            progress.advance(task)


def _train_one(name: str, log_dir: Path) -> None:
    command = [sys.executable, "-m", f"tb_lossdiag.demo.{name}", str(log_dir)]
    # Nets this small are quicker on one thread, and much quicker where other work keeps the cores busy.
    one = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=one)  # noqa: S603
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no message"]
        raise RuntimeError(f"the training {name} failed: {lines[-1]}")


def _serve(logdir: Path, port: int) -> int:
    Console().print(f"TensorBoard: open http://localhost:{port}/#lossdiag  (Ctrl-C ends it)")
    command = [
        sys.executable,
        "-m",
        "tensorboard.main",
        "--logdir",
        str(logdir),
        "--port",
        str(port),
    ]
    try:
        return subprocess.run(command, check=False).returncode  # noqa: S603
    except KeyboardInterrupt:
        return 0
