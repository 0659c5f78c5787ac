"""Logs of sixty records as Transformers' callback writes them: the sick ones are named, the healthy ones are left alone.

Shapes and levels after public logs of low-rank fine-tunings with one fault each; read back through event files.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from integration.loaders import LOADERS

from helpers.plain_scalars import write
from made.logs import noisy
from tb_lossdiag.diagnosis.engine import diagnose
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.reader import Reader
from tb_lossdiag.rules import RULES
from tb_lossdiag.run import Run

SEEDS = range(3)
ROWS = np.arange(60)
COSINE = 2e-4 * np.minimum((ROWS + 1) / 5, 1) * (1 + np.cos(np.pi * ROWS / 60)) / 2
Values = npt.NDArray[np.float64]


def falls(start: float, end: float, pace: float = 8.0) -> Values:
    return np.asarray(end + (start - end) * np.exp(-pace * ROWS / 60))


def breaks(seed: int) -> Values:
    """1.4, a leap to 25 to 37 within three records, then down to 7.5."""
    rng = np.random.default_rng(seed)
    leap = [1.4, 1.4 * rng.uniform(2, 4), rng.uniform(20, 30)]
    return np.array([*leap, *(7.5 + 20 * np.exp(-np.arange(57) / 4))])


def cools(seed: int) -> Values:
    """Steady for four records, then up by a factor of two at a time, then down to 7.3."""
    rng = np.random.default_rng(seed)
    leap = [1.45, 1.4, 1.2, 1.25, 3.1, 8.0, rng.uniform(12, 15)]
    return np.array([*leap, *(7.3 + 6 * np.exp(-np.arange(53) / 6))])


Make = Callable[[int], tuple[Values, Values, Values | None]]
LOGS: dict[str, tuple[Make, set[str]]] = {
    "hot": (lambda seed: (breaks(seed), COSINE * 100, None), {"LD111", "LD102"}),
    "half precision": (lambda seed: (cools(seed), COSINE * 25, None), {"LD111", "LD102"}),
    "no rate": (lambda _: (np.full(60, 1.5), 0 * COSINE, None), {"LD612"}),
    "labels of others": (lambda _: (falls(17.9, 5.8, 20), COSINE, None), {"LD112"}),
    "by heart": (
        lambda _: (
            falls(1.5, 0.05),
            COSINE,
            np.array([1.3, 1.2, 1.25, 1.4, 1.6, 1.8, 2.0, 2.2, 2.4, 2.6]),
        ),
        {"LD107"},
    ),
    "nothing scored": (lambda _: (np.r_[2.859, 2.5, np.zeros(58)], COSINE, None), {"LD114"}),
    "healthy": (lambda _: (falls(1.5, 1.1), COSINE, np.linspace(1.4, 1.15, 10)), set()),
    "slow but sure": (lambda _: (falls(1.5, 1.3, 2), COSINE, None), set()),
    "warm-up ripple": (
        lambda _: (falls(1.5, 1.1) * np.where((ROWS > 1) & (ROWS < 5), 2.2, 1.0), COSINE, None),
        set(),
    ),
    "connectionist": (lambda _: (falls(28.0, 0.4, 10), COSINE, np.geomspace(5, 0.5, 10)), set()),
    "from scratch": (lambda _: (falls(11.0, 4.0, 5), COSINE, np.linspace(8, 4.2, 10)), set()),
    "flat strong base": (lambda _: (falls(1.18, 1.05, 3), COSINE, np.full(10, 1.1)), set()),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """Each log with three seeds, "<name> <seed>"."""
    folder = tmp_path_factory.mktemp("logs")
    for name, (make, _) in LOGS.items():
        for seed in SEEDS:
            loss, rate, validation = make(seed)
            noise = noisy(loss, 0.06, seed)
            curves = {
                "train/loss": np.where(loss > 0, noise, 0.0).tolist(),
                "train/learning_rate": rate.tolist(),
                "train/grad_norm": noisy(np.ones(60), 0.3, seed).tolist(),
            }
            write(folder / f"{name} {seed}", curves, 5)
            if validation is not None:
                write(folder / f"{name} {seed}", {"eval/loss": validation.tolist()}, 30)
    reader = Reader(LOADERS["python"](str(folder)))
    return {name: reader.read(listing) for name, listing in reader.listings().items()}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", LOGS)
def test_sixty_records(runs: dict[str, Run], name: str, seed: int) -> None:
    found = diagnose(runs[f"{name} {seed}"], RULES)
    serious = {
        cause.finding.code for cause in found.causes if cause.finding.severity > Severity.INFO
    }
    _, expected = LOGS[name]
    assert bool(serious & expected) if expected else not serious
