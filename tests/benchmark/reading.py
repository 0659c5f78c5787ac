"""What reading costs beside TensorBoard's own loader: `python tests/benchmark/reading.py`.

Both read the same files in turn; processor time, the median ratio decides. Exits with 1 if plain scalars cost more than `SHARE` of
TensorBoard's own.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np
from benchmark.timing import interleaved
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.tensorboard import SummaryWriter

from tb_lossdiag.reader import Reader, Scalars, open_folder

TAGS = ("train/loss", "val/loss", "lr", "grad_norm", *(f"metric/{n}" for n in range(16)))
VALUES = 2_500
ROUNDS = 7
SHARE = 0.5


def main() -> int:
    """Write, read in turn, print."""
    with tempfile.TemporaryDirectory() as folder:
        _write(Path(folder) / "run")
        variants = {"tensorboard": lambda: _theirs(folder), "ours": lambda: _ours(folder)}
        times = interleaved(variants, ROUNDS)
    count = len(TAGS) * VALUES / 1e6
    for name, seconds in times.items():
        low, middle, high = np.quantile(seconds, (0.25, 0.5, 0.75)) / count
        print(f"{name:12} {middle:6.2f} us a value ({low:.2f} to {high:.2f}, n = {ROUNDS})")
    ratios = [
        ours / theirs for ours, theirs in zip(times["ours"], times["tensorboard"], strict=True)
    ]
    print(f"ratio        {statistics.median(ratios):6.2f} of at most {SHARE}")
    return int(statistics.median(ratios) > SHARE)


def _write(run: Path) -> None:
    chance = np.random.default_rng(0)
    with SummaryWriter(str(run)) as writer:
        for tag in TAGS:
            level = np.exp(-np.arange(VALUES) / 800) + 0.02 * chance.standard_normal(VALUES)
            for step, value in enumerate(level):
                writer.add_scalar(tag, float(value), step)


def _theirs(folder: str) -> None:
    """As people read logs in scripts."""
    accumulator = EventAccumulator(f"{folder}/run", size_guidance={"scalars": 0})
    accumulator.Reload()
    for tag in accumulator.Tags()["scalars"]:
        accumulator.Scalars(tag)


def _ours(folder: str) -> None:
    """As `tb-lossdiag check` does before it judges."""
    provider = open_folder(folder)
    reader = Reader(provider, Scalars(provider, limit=0))
    for listing in reader.listings().values():
        reader.read(listing)


if __name__ == "__main__":
    sys.exit(main())
