"""One rank of trainings whose ranks are told apart, or hold parts of a model: `main`, which a test runs in a process for every rank."""

from __future__ import annotations

import json
import os
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import torch
from torch import Tensor, distributed, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module
from torch.nn.functional import cross_entropy

from helpers.rank_main import Rank, batch, local, meet, optimizer_of, replicated, sharded
from tb_lossdiag import SummaryWriter
from tb_lossdiag import lifecycle as settings
from tb_lossdiag.collect.ranks import meeting

STEPS = 40
LONG = 130
"""Steps of which three comparisons cover sixteen and more."""
DIES, RESUMED = 21, 16
"""The step in which all ranks are killed, and that from which they go on."""
LATE = 0.01
"""Seconds that one rank's data come later in each step."""
BROKE = 100
"""The step in which one rank is given something that is not finite."""
SAMPLES, TARGETS = 32, 20


def deep() -> nn.Sequential:
    """Layers that two ranks can share, and one that they cannot."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 8), nn.LayerNorm(8), nn.Linear(8, 3)
    )


def wide_batch(seed: int, rank: int) -> tuple[Tensor, Tensor]:
    """Samples of more than a few numbers each; another batch for each rank."""
    generator = torch.Generator().manual_seed(1000 * rank + seed)
    x = torch.randn(SAMPLES, 20, generator=generator)
    return x, x[:, :3].argmax(1)


def wide_net() -> nn.Sequential:
    """Takes them."""
    torch.manual_seed(0)
    layers = nn.Linear(20, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 3)
    return nn.Sequential(*layers)


def _trained(
    model: nn.Module,
    given: Callable[[int], tuple[Tensor, Tensor]],
    steps: Iterable[int],
    writer: SummaryWriter | None,
) -> None:
    optimizer = optimizer_of(model)
    if writer is not None:
        writer.watch(model, optimizer)
    distributed.barrier()  # a rank that is over before another has called watch is compared with nobody, and says so
    for step in steps:
        x, y = given(step)
        optimizer.zero_grad()
        loss = cross_entropy(model(x), y)
        loss.backward()
        if writer is not None:
            writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()


def _compared(
    rank: Rank,
    make: Callable[[], nn.Module],
    given: Callable[[int], tuple[Tensor, Tensor]],
    steps: int,
) -> None:
    """With and without being watched; the weights are the same to the last bit."""
    watched, plain = make(), make()
    with rank.writer() as writer:
        _trained(watched, given, range(steps), writer)
    _trained(plain, given, range(steps), None)
    for ours, theirs in zip(watched.parameters(), plain.parameters(), strict=True):
        assert torch.equal(local(ours.detach()), local(theirs.detach()))


def tensors_parallel(rank: Rank) -> None:
    """Both ranks have the same data, and half of two layers."""
    mesh = init_device_mesh("cpu", (rank.size,))
    plan = {"0": ColwiseParallel(), "2": RowwiseParallel()}
    _compared(rank, lambda: parallelize_module(deep(), mesh, plan), batch, STEPS)


def pipelined(rank: Rank) -> None:
    """Each rank has some of the layers."""
    from torch.distributed.pipelining import (  # noqa: PLC0415  (nobody else here needs it)
        PipelineStage,
        ScheduleGPipe,
    )

    whole = deep()
    part = whole[2 * rank.number : 2 if rank.number == 0 else None]
    stage = PipelineStage(part, rank.number, rank.size, torch.device("cpu"))
    schedule = ScheduleGPipe(stage, 2, loss_fn=cross_entropy)
    optimizer = optimizer_of(part)
    with rank.writer() as writer:
        writer.watch(part, optimizer)
        for step in range(STEPS):
            x, y = batch(step)
            optimizer.zero_grad()
            schedule.step(x) if rank.number == 0 else schedule.step(target=y)
            optimizer.step()


def _told_apart(rank: Rank, wrap: Callable[[nn.Sequential], nn.Module]) -> None:
    def given(step: int) -> tuple[Tensor, Tensor]:
        x, y = wide_batch(step, rank.number)
        if rank.number:
            time.sleep(LATE)
            y = y[torch.randperm(len(y), generator=torch.Generator().manual_seed(step))]
            y = torch.where(torch.arange(len(y)) < TARGETS, y, -100)
        return x, y

    with rank.writer() as writer:
        _trained(wrap(wide_net()), given, range(LONG), writer)


def apart(rank: Rank) -> None:
    """The second rank's data come late, some of its targets do not count, and all are random."""
    _told_apart(rank, replicated)


def apart_sharded(rank: Rank) -> None:
    """The same of a sharded model."""
    _told_apart(rank, sharded)


def same_batches(rank: Rank) -> None:
    """Nobody shares out the data."""
    _compared(rank, lambda: replicated(wide_net()), lambda step: wide_batch(step, 0), STEPS)


def one_breaks(rank: Rank) -> None:
    """The second rank's input is not finite, once."""

    def given(step: int) -> tuple[Tensor, Tensor]:
        x, y = wide_batch(step, rank.number)
        if rank.number and step == BROKE:
            x[0, 0] = torch.nan
        return x, y

    with rank.writer() as writer:
        _trained(replicated(wide_net()), given, range(LONG), writer)


def _restarted(rank: Rank, first: int, last: int) -> SummaryWriter:
    """Some steps of a run that two starts of all ranks share; nothing makes them wait for each other."""
    writer, model = SummaryWriter(rank.folder / "restarted"), wide_net()
    _trained(model, lambda step: wide_batch(step, rank.number), range(first, last), writer)
    return writer


def killed(rank: Rank) -> None:
    """All ranks are, in the midst of it, as an elastic agent does when one has died."""
    _restarted(rank, 0, DIES)
    os._exit(0)


def started_anew(rank: Rank) -> None:
    """They go on from a checkpoint; one ends before the other."""
    begin = time.monotonic()
    _restarted(rank, RESUMED, STEPS - 3 * rank.number).close()
    rank.say("closed", str(time.monotonic() - begin))


_ALL = tensors_parallel, pipelined, apart, apart_sharded, same_batches, one_breaks
TRAININGS = {each.__name__: each for each in _ALL}
RESTARTS = {each.__name__: each for each in (killed, started_anew)}


def main(number: int, size: int, folder: Path, trainings: Sequence[str]) -> None:
    """Take part in these trainings, in this order."""
    torch.set_num_threads(1)
    for module in (settings, meeting):  # sound ranks of a busy machine come late, but they come
        vars(module)["PATIENCE"] = 30.0
    meet(number, size, folder / f"meeting {trainings[0]}", patience=60)
    for training in trainings:
        rank = Rank(folder, training)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            {**TRAININGS, **RESTARTS}[training](rank)
        words = [str(one.message) for one in told if "Loss Doctor" in str(one.message)]
        rank.say(f"told {training}", json.dumps(words))
        distributed.barrier()
