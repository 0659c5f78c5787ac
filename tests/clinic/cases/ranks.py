"""Faults of data-parallel training, on two processes."""

from __future__ import annotations

import multiprocessing
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from clinic.case import case
from clinic.data import flat_digits
from clinic.nets import cnn, mlp
from torch import distributed, nn
from torch.nn.functional import cross_entropy
from torch.nn.parallel import DistributedDataParallel
from torch.optim import SGD

from tb_lossdiag import SummaryWriter

Make = Callable[[], nn.Module]


def _train(writer: SummaryWriter, make: Make, store: str, rank: int, seed: int) -> None:
    training, _ = flat_digits()
    distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    torch.manual_seed(seed)
    model = DistributedDataParallel(make())
    optimizer = SGD(model.parameters(), lr=0.05)
    writer.watch(model, optimizer)
    torch.manual_seed(seed + rank)
    for step, (x, y) in enumerate(training.batches(200)):
        optimizer.zero_grad()
        loss = cross_entropy(model.module(x), y)  # past the wrapper, so nobody averages
        loss.backward()
        optimizer.step()
        writer.add_diagnostics(loss=loss, global_step=step)
    writer.close()
    distributed.destroy_process_group()


def _other(make: Make, store: str, seed: int) -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder, SummaryWriter(folder) as writer:
        _train(writer, make, store, 1, seed)


def _together(writer: SummaryWriter, make: Make) -> None:
    seed = torch.initial_seed()
    with tempfile.TemporaryDirectory() as folder:
        store = str(Path(folder) / "store")
        begin = multiprocessing.get_context("spawn").Process
        other = begin(target=_other, args=(make, store, seed))
        other.start()
        _train(writer, make, store, 0, seed)
        other.join()


def _dense() -> nn.Module:
    return mlp(64, 64, 10)


def _convolutional() -> nn.Module:
    return nn.Sequential(nn.Unflatten(1, (1, 8, 8)), *cnn())


@case("LD803", family="MLP", seeds=2)
def gradients_are_not_averaged(writer: SummaryWriter) -> None:
    _together(writer, _dense)


@case("LD803", family="CNN", seeds=2)
def convolutions_run_past_their_wrapper(writer: SummaryWriter) -> None:
    _together(writer, _convolutional)
