"""Trainings in threads share nothing: each comes out as it does alone, unwatched."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from helpers.check_up_driver import assert_nothing_installed
from tb_lossdiag import SummaryWriter

THREADS = 3


class Training:
    """An encoder that is evaluated after every step, which takes PyTorch's fused path unless a mode is in force."""

    def __init__(self, seed: int) -> None:
        self.generator = torch.Generator().manual_seed(seed)
        torch.manual_seed(seed)
        layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1)
        self.model = nn.ModuleDict({"encoder": self.encoder, "head": nn.Linear(8, 3)})
        self.optimizer = torch.optim.Adam(self.model.parameters(), 1e-2)
        self.found: list[float] = []

    def run(self, steps: int, writer: Any = None) -> list[float]:
        if writer:
            writer.watch(self.model, self.optimizer)
        for step in range(steps):
            self._step(step, writer)
        weights = [float(p.detach().double().sum()) for p in self.model.parameters()]
        return [*self.found, *weights]

    def _step(self, step: int, writer: Any) -> None:
        self.model.train()
        self.optimizer.zero_grad()
        x = torch.randn(4, 5, 8, generator=self.generator)
        y = torch.randint(3, (4,), generator=self.generator)
        loss = cross_entropy(self.model["head"](self.encoder(x).mean(1)), y)
        loss.backward()
        (writer or nn.utils).clip_grad_norm_(self.model.parameters(), 0.5)
        if writer:
            writer.add_diagnostics(loss=loss, global_step=step)
        self.optimizer.step()
        self.model.eval()
        with torch.no_grad():
            self.found += [float(loss), float(self.encoder(x).sum())]


def rounds(folder: Path, count: int, steps: int) -> int:
    """How many rounds of some trainings at once came out as they do alone."""
    held = 0
    for turn in range(count):
        seeds = [10 * turn + i for i in range(THREADS)]
        expected = {seed: Training(seed).run(steps) for seed in seeds}
        trainings = {seed: Training(seed) for seed in seeds}
        found: dict[int, list[float]] = {}

        def run(seed: int, trainings: Any = trainings, found: Any = found) -> None:
            with SummaryWriter(folder / str(seed)) as writer:
                found[seed] = trainings[seed].run(steps, writer)

        threads = [threading.Thread(target=run, args=(seed,)) for seed in seeds]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        held += found == expected
        assert_nothing_installed()
    return held


@pytest.mark.filterwarnings("ignore:.*nested tensors:UserWarning")
def test_trainings_at_once_are_as_alone(tmp_path: Path) -> None:
    assert rounds(tmp_path, 2, 40) == 2


@pytest.mark.torture
@pytest.mark.filterwarnings("ignore:.*nested tensors:UserWarning")
def test_many_trainings_at_once_are_as_alone(tmp_path: Path, measured: Any) -> None:
    held = rounds(tmp_path, 10, 130)
    measured("3 trainings in 3 threads come out as alone", tried=10, held=held)
    assert held == 10


def test_an_evaluation_in_another_thread_goes_its_own_way(tmp_path: Path) -> None:
    """Between the two halves of one thread's evaluation, another thread's takes place."""
    inside, done = threading.Event(), threading.Event()

    class Waiting(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            inside.set()
            done.wait(30)
            return x

    first, second = Training(1), Training(2)
    x = torch.randn(4, 5, 8, generator=torch.Generator().manual_seed(3))
    second.model.eval()
    with torch.no_grad():
        expected = second.encoder(x)

    def evaluate() -> None:
        with SummaryWriter(tmp_path / "first") as writer, torch.no_grad():
            writer.watch(first.model, first.optimizer)
            Waiting()(x)

    with SummaryWriter(tmp_path / "second") as writer:
        writer.watch(second.model, second.optimizer)
        other = threading.Thread(target=evaluate)
        other.start()
        assert inside.wait(30)
        with torch.no_grad():
            found = second.encoder(x)
        done.set()
        other.join()
    assert torch.equal(found, expected)
