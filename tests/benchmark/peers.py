"""What users do today beside `watch`, at every step: `python tests/benchmark/peers.py [--rounds N] [--only A] [--install] [--save]`.

The method is `toggled`'s: each on a training of its own, its hooks and calls taken off and put back. What is not installed is said;
`--install` makes an environment with all of them from PyPI (`build/peers`), in which the script starts itself again. `--save` notes medians in `measured.json`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
HOME = ROOT / "build" / "peers"
PYTHON = HOME / "bin" / "python"
PACKAGES = (
    *("torch", "tensorboard", "google-crc32c", "rich"),
    *("wandb", "trackio", "torchmortem", "lightning"),
)
ROUNDS = {"A": 24, "B": 6, "B2": 6, "C": 10}


def install() -> None:
    """The environment, once."""
    if PYTHON.exists():
        return
    subprocess.run([sys.executable, "-m", "venv", str(HOME)], check=True)
    constraints = ROOT / "tests" / "constraints.txt"
    pip = [str(PYTHON), "-m", "pip", "install", "-q", "-c", str(constraints)]
    subprocess.run([*pip, *PACKAGES], check=True)


def there() -> int:
    """Start again in it, in its own folder: torchmortem leaves a report where it runs."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    command = [str(PYTHON), str(Path(__file__).resolve()), *sys.argv[1:]]
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.run(command, cwd=HOME, env=environment, check=False).returncode


def measured(make_work: Callable[[], Any], rounds: int, *, save: bool) -> None:
    """Measure all of them on one workload, and print."""
    import torch  # noqa: PLC0415
    from benchmark import measured as notes  # noqa: PLC0415
    from benchmark.peers_steps import WAYS  # noqa: PLC0415
    from benchmark.toggled import measure  # noqa: PLC0415

    ours = 0.0
    for name, way in WAYS.items():
        torch.manual_seed(0)
        work = make_work()
        work.warm = min(work.warm, way.warm)
        try:
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
                cost = measure(
                    work, partial(way.make, folder=folder), rounds or ROUNDS[work.letter]
                )
        except ImportError as error:
            print(f"  {name:28} not installed: {error}", flush=True)
            continue
        ours = ours or cost.share
        print(f"  {name:28} {cost}; {cost.share / ours:.1f} times watch", flush=True)
        if save:
            notes.note(work.letter, name, cost)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--only", default="")
    parser.add_argument("--install", action="store_true")
    parser.add_argument("--save", action="store_true")
    arguments = parser.parse_args()
    if arguments.install and Path(sys.prefix) != HOME:
        install()
        sys.exit(there())
    import torch  # noqa: PLC0415

    sys.path.insert(0, str(ROOT / "tests"))
    from benchmark.workloads import WORKLOADS  # noqa: PLC0415

    torch.set_num_threads(1)
    for make_work in WORKLOADS:
        work = make_work()
        if arguments.only in {"", work.letter}:
            print(work.name, flush=True)
            measured(make_work, arguments.rounds, save=arguments.save)


if __name__ == "__main__":
    main()
