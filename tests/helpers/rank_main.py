"""One rank of small distributed trainings: `main`, which a test runs in a process for every rank.

Every training writes its run to a folder of its name.
"""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

import torch
from torch import Tensor, distributed, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor
from torch.nn.functional import cross_entropy
from torch.nn.parallel import DistributedDataParallel

from tb_lossdiag import SummaryWriter
from tb_lossdiag import lifecycle as settings
from tb_lossdiag.collect.ranks import meeting

STEPS = 40
"""Two reductions of sharded norms, and a rest."""
BATCH = 8
"""Examples of all ranks together, in a step."""
CLIP = 0.3
PATIENCE = 4
"""Seconds a collective of the training waits for the other ranks."""
RAISES_AT = 15
"""The step in which sharded norms are added up for the first time."""


def net() -> nn.Sequential:
    """Layers that no number of ranks divides, one of them frozen."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3))
    model[2].requires_grad_(False)
    return model


def batch(step: int) -> tuple[Tensor, Tensor]:
    """What all ranks together train on."""
    generator = torch.Generator().manual_seed(step)
    return torch.randn(BATCH, 6, generator=generator), torch.randint(
        3, (BATCH,), generator=generator
    )


def optimizer_of(model: nn.Module) -> torch.optim.Optimizer:
    """The optimizer of every training here."""
    some = [p for p in model.parameters() if p.requires_grad]
    return torch.optim.SGD(some, lr=0.2, momentum=0.5)


def replicated(model: nn.Sequential) -> nn.Module:
    """Averages gradients."""
    return DistributedDataParallel(model)


def sharded(model: nn.Sequential) -> nn.Module:
    """Spreads parameters over the ranks."""
    mesh = init_device_mesh("cpu", (distributed.get_world_size(),))
    for layer in (model[0], model[2], model[4], model):
        fully_shard(layer, mesh=mesh)
    return model


class Rank:
    """This process's part of a training."""

    def __init__(self, folder: Path, training: str) -> None:
        self.number, self.size = distributed.get_rank(), distributed.get_world_size()
        self.folder, self.training = folder, training

    def part(self, step: int) -> tuple[Tensor, Tensor]:
        """This rank's examples."""
        x, y = batch(step)
        return x[self.number :: self.size], y[self.number :: self.size]

    def writer(self) -> SummaryWriter:
        """Of this training."""
        return SummaryWriter(self.folder / self.training)

    def say(self, topic: str, word: str) -> None:
        """Leave a word for the test and the other ranks."""
        self.folder.joinpath(f"{topic} {self.number}").write_text(word, encoding="utf-8")

    def heard(self, topic: str, rank: int) -> str:
        """What a rank said, "" for nothing yet."""
        path = self.folder / f"{topic} {rank}"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def train(
        self,
        model: nn.Module,
        writer: SummaryWriter | None,
        *,
        clip: bool = False,
        before_step: Callable[[int], None] = lambda _: None,
    ) -> None:
        """All steps."""
        optimizer = optimizer_of(model)
        clipping = nn.utils.clip_grad_norm_ if writer is None else writer.clip_grad_norm_
        if writer is not None:
            writer.watch(model, optimizer)
        for step in range(STEPS):
            x, y = self.part(step)
            optimizer.zero_grad()
            loss = cross_entropy(model(x), y)
            loss.backward()
            if clip:
                clipping(model.parameters(), CLIP)
            before_step(step)
            if writer is not None:
                writer.add_diagnostics(loss=loss, global_step=step)
            optimizer.step()

    def compare(self, wrap: Callable[[nn.Sequential], nn.Module], *, clip: bool = False) -> None:
        """Train with and without being watched; the weights are the same to the last bit."""
        plain, watched = wrap(net()), wrap(net())
        with self.writer() as writer:
            self.train(watched, writer, clip=clip)
        self.train(plain, None, clip=clip)
        for ours, theirs in zip(watched.parameters(), plain.parameters(), strict=True):
            assert torch.equal(local(ours.detach()), local(theirs.detach()))


def local(tensor: Tensor) -> Tensor:
    """What this rank has of it."""
    here: Tensor = tensor.to_local() if isinstance(tensor, DTensor) else tensor
    return here


def ddp(rank: Rank) -> None:
    """A sound one."""
    rank.compare(replicated)


def ddp_clip(rank: Rank) -> None:
    """A sound one that clips."""
    rank.compare(replicated, clip=True)


def fsdp(rank: Rank) -> None:
    """A sound sharded one."""
    rank.compare(sharded)


def fsdp_clip(rank: Rank) -> None:
    """A sound sharded one that clips."""
    rank.compare(sharded, clip=True)


def forgotten(rank: Rank) -> None:
    """Nobody averages the gradients."""
    with rank.writer() as writer:
        rank.train(net(), writer)


def changed(rank: Rank) -> None:
    """One rank changes its parameters by itself."""
    model = replicated(net())

    def change(step: int) -> None:
        if step == 3 and rank.number == rank.size - 1:
            with torch.no_grad():
                next(model.parameters()).mul_(1.01)

    with rank.writer() as writer:
        rank.train(model, writer, before_step=change)


def again(rank: Rank) -> None:
    """A second group, of processes of which one has watched more before."""
    vars(settings)["PATIENCE"] = 30.0  # nothing averages, so the other rank may well come later
    if rank.number == 0:
        with SummaryWriter(rank.folder / "more") as writer:
            writer.watch(net(), optimizer_of(net()))
    distributed.destroy_process_group()
    meet(rank.number, rank.size, rank.folder / "meeting again")
    forgotten(rank)


def alone(rank: Rank) -> None:
    """Rank 0 closes its writer while the others wait for it elsewhere."""
    vars(settings)["PATIENCE"] = 0.5
    writer = rank.writer()
    rank.train(sharded(net()), writer)
    if rank.number == 0:
        writer.close()
    distributed.barrier()


def dropped(rank: Rank) -> None:
    """No writer is closed; rank 0's is the last one to go."""
    held = [rank.writer()]
    rank.train(sharded(net()), held[0])
    if rank.number:
        held.clear()
    distributed.barrier()


def _raises(rank: Rank, model: nn.Module) -> None:
    fails = rank.number == rank.size - 1

    def stop(step: int) -> None:
        if step == RAISES_AT and fails:
            raise KeyError("mine")

    writer, error = rank.writer(), ""
    try:
        with contextlib.nullcontext(writer) if fails else writer:
            rank.train(model, writer, before_step=stop)
    except (KeyError, RuntimeError) as caught:
        error = type(caught).__name__
    rank.say("error", error)
    if (
        fails
    ):  # the process lives on and closes nothing, so that nobody is told by a broken connection
        end = time.monotonic() + 3 * PATIENCE
        while not rank.heard("error", 0) and time.monotonic() < end:
            time.sleep(0.05)
        rank.say("others", rank.heard("error", 0))


def ddp_raises(rank: Rank) -> None:
    """One rank raises, and the others' collectives lose patience."""
    _raises(rank, replicated(net()))


def fsdp_raises(rank: Rank) -> None:
    """The same in a sharded training, in the step in which norms are added up."""
    _raises(rank, sharded(net()))


_ALL = (
    *(ddp, ddp_clip, fsdp, fsdp_clip, forgotten, changed, alone, dropped, again),
    *(ddp_raises, fsdp_raises),
)
TRAININGS = {each.__name__: each for each in _ALL}


def meet(number: int, size: int, place: Path, patience: float = PATIENCE) -> None:
    """Join the other ranks in a process group."""
    distributed.init_process_group(
        "gloo",
        init_method=f"file://{place}",
        rank=number,
        world_size=size,
        timeout=timedelta(seconds=patience),
    )


def main(number: int, size: int, folder: Path, trainings: Sequence[str]) -> None:
    """Take part in these trainings, in this order."""
    warnings.simplefilter("error")
    torch.set_num_threads(1)
    for module in (settings, meeting):  # sound ranks of a busy machine come late, but they come
        vars(module)["PATIENCE"] = 30.0
    meet(number, size, folder / "meeting")
    for training in trainings:
        TRAININGS[training](Rank(folder, training))
