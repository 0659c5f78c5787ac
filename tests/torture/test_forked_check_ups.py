"""Forked children: what they inherit of a check-up is gone, and a writer of their own gets check-ups of its own."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torture.tools import installed

from helpers.tiny_trainings import backward, model, read
from tb_lossdiag import SummaryWriter
from tb_lossdiag.quantities import BACKWARDS, CHECK_SECONDS

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning"),
]


def train(net: nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> None:
    for step in range(steps):
        backward(net, step)
        optimizer.step()


def in_a_child(work: Callable[[], None]) -> int:
    """The exit code of a forked child that does this and nothing else."""
    child = os.fork()
    if not child:
        try:
            work()
        except BaseException:  # noqa: BLE001
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("before", [0, 1, 5])
def test_a_writer_of_its_own_gets_check_ups(tmp_path: Path, before: int) -> None:
    net = model()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)

    def work() -> None:
        assert installed() + torch._C._len_torch_function_stack() == 0
        own = model(1)
        other = torch.optim.SGD(own.parameters(), lr=0.01)
        with SummaryWriter(tmp_path / "child") as writer:
            writer.watch(own, other)
            train(own, other, 5)

    with SummaryWriter(tmp_path / "parent") as writer:
        writer.watch(net, optimizer)
        train(net, optimizer, before)
        assert in_a_child(work) == 0
        train(net, optimizer, 5)
    child, parent = read(tmp_path / "child"), read(tmp_path / "parent")
    assert child[BACKWARDS].steps.tolist() == [0, 1, 2, 4]
    assert np_ones(child[BACKWARDS].values.ravel().tolist())
    assert len(parent[CHECK_SECONDS]) >= 4


def np_ones(values: list[float]) -> bool:
    return values == [1.0] * len(values)


class Looking(Dataset[int]):
    """What a worker finds installed."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, _: int) -> int:
        nn.Linear(1, 1)(torch.ones(1))
        return installed() + torch._C._len_torch_function_stack()


def test_a_data_loader_has_nothing_of_ours(tmp_path: Path) -> None:
    net = model()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    with SummaryWriter(tmp_path) as writer:
        writer.watch(net, optimizer)
        assert installed() > 0
        loader = DataLoader(Looking(), num_workers=2, multiprocessing_context="fork")
        assert [int(batch) for batch in loader] == [0, 0, 0, 0]
        train(net, optimizer, 2)
    assert read(tmp_path)[BACKWARDS].steps.tolist() == [0, 1]
