"""A long training: memory, steps and weights are what they should be. The ordinary tests have a tenth of it (`test_memory.py`)."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import torch
from torture.conftest import Measured

from helpers.endless_training import STATUS, EndlessTraining, resident, tensors
from helpers.tiny_trainings import read
from tb_lossdiag import SummaryWriter
from tb_lossdiag.quantities import LOSS, STEPS

STEPS_TAKEN = 100_000
BEGIN = STEPS_TAKEN // 5
"""Windows and buffers have their final size by then."""
MOST = 4 * 2**20
"""Bytes; one Python object (56) kept of every step would be more."""


@pytest.mark.torture
@pytest.mark.skipif(not STATUS.exists(), reason="the memory a process holds is read from /proc")
def test_a_long_training_keeps_nothing_and_loses_nothing(
    tmp_path: Path, measured: Measured
) -> None:
    with SummaryWriter(tmp_path) as writer:
        training = EndlessTraining(writer)
        first = _seconds(training, BEGIN)
        writer.flush()
        count, size = tensors(), resident()
        later = _seconds(training, STEPS_TAKEN - BEGIN)
        writer.flush()
        more, growth = tensors() - count, resident() - size
    held = more <= 0 and growth < MOST
    file = sum(path.stat().st_size for path in tmp_path.iterdir()) / 2**20
    figure = (
        f"{growth / 2**20:.2f} MB more after {STEPS_TAKEN:,} steps than after {BEGIN:,}; a step took {1e6 * later:.0f} µs "
        f"instead of {1e6 * first:.0f}; {file:.1f} MB of records"
    )
    measured("a long training: memory", tried=1, held=int(held), figure=figure)
    assert held, f"{figure}, {more} tensors"
    run = read(tmp_path)
    assert run[STEPS].values.sum() == STEPS_TAKEN
    assert run[LOSS].steps[-1] == STEPS_TAKEN - 1
    bare = EndlessTraining()
    bare.run(STEPS_TAKEN)
    assert all(map(torch.equal, bare.weights(), training.weights()))


def _seconds(training: EndlessTraining, steps: int) -> float:
    """What a step took, on average."""
    begin = time.perf_counter()
    training.run(steps)
    return (time.perf_counter() - begin) / steps
