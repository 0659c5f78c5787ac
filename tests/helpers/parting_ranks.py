"""One rank of distributed trainings whose ranks part ways: `main`, which a test runs in a process for every rank.

Every rank leaves beside its run what it waited for and what it was told.
"""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import distributed, nn
from torch.nn.functional import cross_entropy

from helpers.rank_main import Rank, batch, meet, net, optimizer_of, replicated, sharded
from tb_lossdiag import SummaryWriter

STEPS = 60
LATE = 6.0
"""Seconds that a slow rank comes later: more than any rank may wait for it."""


class Parted(Rank):
    """A rank that notes how long everything took.

    Attributes:
        seconds: longest time by what it was spent in.
    """

    def __init__(self, folder: Path, training: str) -> None:
        super().__init__(folder, training)
        self.seconds: dict[str, float] = {}

    @property
    def last(self) -> bool:
        """Whether it is the rank with the highest number."""
        return self.number == self.size - 1

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Note how long something took."""
        begin = time.monotonic()
        yield
        self.seconds[what] = max(self.seconds.get(what, 0.0), time.monotonic() - begin)

    def watch(self, model: nn.Module, writer: SummaryWriter | None) -> torch.optim.Optimizer:
        """Its optimizer, watched unless there is no writer."""
        optimizer = optimizer_of(model)
        if writer is not None:
            with self.timed("watch"):
                writer.watch(model, optimizer)
        return optimizer

    def step(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        writer: SummaryWriter | None,
        step: int,
        *,
        takes: bool = True,
    ) -> None:
        """One iteration, with an optimizer step or without."""
        with self.timed("step"):
            x, y = batch(step)
            optimizer.zero_grad()
            loss = cross_entropy(model(x[self.number :: self.size]), y[self.number :: self.size])
            loss.backward()
            if writer is not None:
                writer.add_diagnostics(loss=loss, global_step=step)
            if takes:
                optimizer.step()

    def close(self, writer: SummaryWriter | None) -> None:
        """End recording."""
        if writer is not None:
            with self.timed("close"):
                writer.close()


Wrap = Callable[[nn.Sequential], nn.Module]


def _steps_differ(rank: Parted, wrap: Wrap) -> None:
    """One rank leaves optimizer steps out."""
    model, writer = wrap(net()), rank.writer()
    optimizer = rank.watch(model, writer)
    for step in range(STEPS):
        rank.step(model, optimizer, writer, step, takes=not (rank.last and step in {8, 16, 17}))
    rank.close(writer)


def _one_watches(rank: Parted, wrap: Wrap, which: int) -> None:
    """One rank alone calls `watch`."""
    model, writer = wrap(net()), rank.writer() if rank.number == which else None
    optimizer = rank.watch(model, writer)
    for step in range(STEPS):
        rank.step(model, optimizer, writer, step)
    rank.close(writer)


def _one_watches_later(rank: Parted, wrap: Wrap) -> None:
    """One rank calls `watch` one step after the others."""
    model, writer = wrap(net()), rank.writer()
    optimizer = rank.watch(model, None if rank.last else writer)
    for step in range(STEPS):
        rank.step(model, optimizer, writer, step)
        if rank.last and step == 0:
            writer.watch(model, optimizer)
    rank.close(writer)


def ddp_steps_differ(rank: Parted) -> None:
    """Of a replicated model."""
    _steps_differ(rank, replicated)


def fsdp_steps_differ(rank: Parted) -> None:
    """Of a sharded model."""
    _steps_differ(rank, sharded)


def ddp_only_rank_0(rank: Parted) -> None:
    """Who writes watches alone."""
    _one_watches(rank, replicated, 0)


def ddp_only_rank_1(rank: Parted) -> None:
    """Who writes does not watch."""
    _one_watches(rank, replicated, 1)


def fsdp_only_rank_0(rank: Parted) -> None:
    """The same of a sharded model."""
    _one_watches(rank, sharded, 0)


def fsdp_only_rank_1(rank: Parted) -> None:
    """The same of a sharded model."""
    _one_watches(rank, sharded, 1)


def fsdp_one_step_later(rank: Parted) -> None:
    """Ranks that count from different steps must not add anything up."""
    _one_watches_later(rank, sharded)


def fsdp_closes_alone(rank: Parted) -> None:
    """Rank 0 closes its writer while the others wait for it elsewhere."""
    model, writer = sharded(net()), rank.writer()
    optimizer = rank.watch(model, writer)
    for step in range(STEPS):
        rank.step(model, optimizer, writer, step)
    if rank.number == 0:
        rank.close(writer)
    distributed.barrier()


def fsdp_comes_late(rank: Parted) -> None:
    """A rank begins late, and its first optimizer step takes long."""
    model, writer = sharded(net()), rank.writer()
    if rank.last:
        time.sleep(LATE)
    optimizer = rank.watch(model, writer)
    if rank.last:
        once = [LATE / 2]
        optimizer.register_step_pre_hook(lambda *_: time.sleep(once.pop() if once else 0.0))
    for step in range(STEPS):
        rank.step(model, optimizer, writer, step)
    rank.close(writer)


def forgotten_comes_late(rank: Parted) -> None:
    """Nobody averages the gradients, so nobody waits for a rank that begins late."""
    model, writer = net(), rank.writer()
    if rank.last:
        time.sleep(LATE)
    optimizer = rank.watch(model, writer)
    step = 0
    while step < STEPS or not rank.heard("done", rank.size - 1):
        rank.step(model, optimizer, writer, step)
        step += 1
        time.sleep(0.01)
        if step == STEPS:
            rank.say("done", "done")
    rank.close(writer)


_ALL = (
    *(ddp_steps_differ, fsdp_steps_differ, fsdp_one_step_later, fsdp_closes_alone),
    *(ddp_only_rank_0, ddp_only_rank_1, fsdp_only_rank_0, fsdp_only_rank_1),
    *(fsdp_comes_late, forgotten_comes_late),
)
TRAININGS = {each.__name__: each for each in _ALL}


def main(number: int, size: int, folder: Path, trainings: Sequence[str]) -> None:
    """Take part in these trainings, in this order."""
    torch.set_num_threads(1)
    for training in trainings:
        meet(number, size, folder / f"meeting {training}", patience=60)
        rank = Parted(folder, training)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            TRAININGS[training](rank)
        words = [str(one.message) for one in told if "Loss Doctor" in str(one.message)]
        rank.say(f"told {training}", json.dumps({"seconds": rank.seconds, "words": words}))
        distributed.barrier()
        distributed.destroy_process_group()
