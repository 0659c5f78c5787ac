"""Faults of data-parallel training, on two and three processes that really meet (gloo)."""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from clinic.case import case
from clinic.data import Batch, Samples, flat_digits
from clinic.nets import cnn, mlp
from torch import distributed, nn
from torch.nn.functional import cross_entropy
from torch.nn.parallel import DistributedDataParallel
from torch.optim import SGD
from torch.utils.data import DistributedSampler, TensorDataset

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


@dataclass(frozen=True)
class _Job:
    """One training on three ranks, each of which draws from its own part; gradients are averaged by `DistributedDataParallel`.

    Attributes:
        feed: what a rank is given: it has its number and the whole training set.
        steps: of each rank.
        pause: seconds that rank 1 stands still before each step, as on a slow disk.
        now_and_then: whether it does so in one step of ten alone.
    """

    feed: Callable[[int, Samples], Iterable[Batch]]
    steps: int = 600
    pause: float = 0.0
    now_and_then: bool = False


_RANKS = 3


def _take_part(writer: SummaryWriter, job: _Job, store: str, rank: int, seed: int) -> None:
    training, _ = flat_digits()
    distributed.init_process_group(
        "gloo", init_method=f"file://{store}", rank=rank, world_size=_RANKS
    )
    torch.manual_seed(seed)
    model = DistributedDataParallel(_dense())
    optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)
    writer.watch(model, optimizer)
    torch.manual_seed(seed + rank)
    for step, (x, y) in zip(range(job.steps), job.feed(rank, training), strict=False):
        if rank == 1 and (not job.now_and_then or step % 10 == 0):
            time.sleep(job.pause)
        optimizer.zero_grad()
        loss = cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        writer.add_diagnostics(loss=loss, global_step=step)
    writer.close()
    distributed.destroy_process_group()


def _elsewhere(job: _Job, store: str, rank: int, seed: int) -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder, SummaryWriter(folder) as writer:
        _take_part(writer, job, store, rank, seed)


def _run(writer: SummaryWriter, job: _Job) -> None:
    seed = torch.initial_seed()
    begin = multiprocessing.get_context("spawn").Process
    with tempfile.TemporaryDirectory() as folder:
        store = str(Path(folder) / "store")
        others = [begin(target=_elsewhere, args=(job, store, r, seed)) for r in range(1, _RANKS)]
        for other in others:
            other.start()
        _take_part(writer, job, store, 0, seed)
        for other in others:
            other.join()


def _shared_out(rank: int, training: Samples) -> Iterable[Batch]:
    """Each rank its share of all data, shuffled, another one in each epoch."""
    data = TensorDataset(training.x, training.y)
    sampler: DistributedSampler[Batch] = DistributedSampler(data, _RANKS, rank)
    epoch = 0
    while True:
        sampler.set_epoch(epoch)
        rows = torch.tensor(list(sampler))
        yield from ((training.x[r], training.y[r]) for r in rows.split(32)[:-1])
        epoch += 1


def _other_labels(rank: int, training: Samples) -> Iterable[Batch]:
    """The machine of rank 1 has an older list of classes, in which half of them stand elsewhere."""
    for x, y in _shared_out(rank, training):
        yield x, (torch.where(y < 5, (y + 1) % 5, y) if rank == 1 else y)


def _in_order(rank: int, training: Samples) -> Iterable[Batch]:
    """Files that are given out by rank, of which none is harder than another."""
    part = torch.arange(rank, len(training.y), _RANKS)
    while True:
        rows = part[torch.randint(len(part), (32,))]
        yield training.x[rows], training.y[rows]


@case("LD807", family="MLP", seeds=1, source="pytorch/pytorch issue 71303")
def a_rank_reads_from_a_slow_disk(writer: SummaryWriter) -> None:
    _run(writer, _Job(_shared_out, steps=150, pause=0.03))


@case("LD808", family="MLP", seeds=1)
def a_rank_has_an_older_list_of_classes(writer: SummaryWriter) -> None:
    _run(writer, _Job(_other_labels))


@case(family="MLP", seeds=1)
def ranks_have_files_of_their_own(writer: SummaryWriter) -> None:
    _run(writer, _Job(_in_order))


@case(family="MLP", seeds=1)
def a_rank_saves_now_and_then(writer: SummaryWriter) -> None:
    _run(writer, _Job(_shared_out, steps=300, pause=0.05, now_and_then=True))
