"""Trainings that are killed, and what was lost: each step notes the time at which it was over, in memory that outlives its process."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from helpers.tiny_trainings import read
from tb_lossdiag import SummaryWriter
from tb_lossdiag.quantities import LOSS, LOSS_NONFINITE, NONFINITE_STEPS, STEPS
from tb_lossdiag.reader import Reader, open_folder
from tb_lossdiag.run import Run
from tb_lossdiag.wire.leftover import is_tail

MOST = 2**20
"""Steps of a training that nobody kills; their numbers are exact in the losses."""
SECONDS, FEW = 1.0, 64
"""What a kill may cost: the steps of so many seconds, or so many steps."""


@dataclass(frozen=True)
class Kind:
    """A training.

    Attributes:
        pause: seconds that each step takes at least.
        window: steps that a record covers; 1: as it comes.
        layers: of the model, two parameters each.
        after: the loss, with the step's number, is recorded after `step()`.
        check_up: as the default has it.
    """

    pause: float = 0.0
    window: int = 1
    layers: int = 2
    after: bool = False
    check_up: bool = True


KINDS = {
    "fast": Kind(),
    "quick": Kind(pause=0.01),
    "slow": Kind(pause=0.2),
    "after a million steps, fast": Kind(window=1024),
    "after a million steps, slow": Kind(pause=0.2, window=1024),
    "after a million steps, recorded after the step": Kind(pause=0.02, window=1024, after=True),
    "wide": Kind(pause=0.004, window=256, layers=60),
    "without check-ups": Kind(pause=0.05, window=64, check_up=False),
}

SOURCE = "import sys; from torture.killed import train; train(*sys.argv[1:])"


def train(folder: str, clock: str, kind: str, where: str = "", bad: str = "-1") -> None:
    """Train until the process is killed; a loss is its step.

    Args:
        folder: of the run.
        clock: file of the times at which the steps were over.
        kind: of the training.
        where: what stops being finite, "loss" or "gradient".
        bad: the step in which it does.
    """
    made, times = KINDS[kind], np.memmap(clock, np.float64, "r+")
    torch.set_num_threads(1)
    net = nn.Sequential(*(nn.Linear(4, 4) for _ in range(made.layers)))
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-6)
    writer = SummaryWriter(folder)
    writer._recorder.cadence.window = made.window
    writer.watch(net, optimizer, check_up=made.check_up)
    for step in range(MOST):
        optimizer.zero_grad()
        loss = net(torch.ones(2, 4)).sum() * 0 + float(step)
        loss.backward()
        broken = where if step == int(bad) else ""
        _break(net, broken)
        shown = loss * float("nan") if broken == "loss" else loss
        if made.after:
            optimizer.step()
        writer.add_diagnostics(loss=shown.detach(), global_step=step)
        if not made.after:
            optimizer.step()
        _mend(net)
        times[step] = time.monotonic()
        time.sleep(made.pause)


def _break(net: nn.Sequential, broken: str) -> None:
    if broken == "gradient":
        parameter = next(net.parameters())
        assert parameter.grad is not None
        parameter.grad[0, 0] = float("nan")


def _mend(net: nn.Sequential) -> None:
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.nan_to_num_(0.1)


@dataclass(frozen=True)
class Lost:
    """What a kill has cost.

    Attributes:
        steps: that were over and are not recorded.
        seconds: from the first to the last of them.
    """

    steps: int
    seconds: float

    @property
    def bearable(self) -> bool:
        """Whether it is no more than was promised."""
        return self.steps <= FEW or self.seconds <= SECONDS


class Clock:
    """When the steps of a training in another process were over.

    Args:
        path: of the file that both share.
    """

    def __init__(self, path: Path) -> None:
        path.write_bytes(b"")
        self._times = np.memmap(path, np.float64, "w+", shape=(MOST,))

    @property
    def done(self) -> int:
        """The newest step that is over, -1 before the first."""
        return int(np.argmin(self._times != 0)) - 1

    def wait(self, step: int, limit: float = 120.0) -> None:
        """Until a step is over."""
        end = time.monotonic() + limit
        while not self._times[step]:
            assert time.monotonic() < end, f"step {step} did not come"
            time.sleep(0.001)

    def lost(self, newest: int) -> Lost:
        """What a kill has cost if this is the newest step that is recorded."""
        done = self.done
        times: npt.NDArray[np.float64] = np.array(self._times[newest + 1 : done + 1])
        return Lost(done - newest, float(times[-1] - times[0]) if len(times) > 1 else 0.0)


def newest(folder: Path) -> int:
    """The newest step of a run, -1 if there is none; asserts that what is there is right and without a gap."""
    reader = Reader(open_folder(str(folder)))
    runs = [reader.read(listing) for listing in reader.listings().values()]
    if not runs or LOSS not in runs[0]:
        return -1
    _check(runs[0])
    return int(runs[0].highest(LOSS).values[-1, 0])  # a loss is its step


def _check(run: Run) -> None:
    losses = run.highest(LOSS)
    whole = np.full(len(losses), True)
    if LOSS_NONFINITE in run:
        whole = ~(run[LOSS_NONFINITE].at(losses.steps)[:, 0] > 0)
    lag = losses.steps[whole] - losses.values[whole, 0]
    assert not lag[:-1].any()
    # The newest step may be half done: taken, and its loss is not known, or the other way round.
    assert not len(lag) or lag[-1] in (0, 1)
    if STEPS in run:
        assert run[STEPS].steps[-1] - np.nansum(run[STEPS].values) in (-1, 0)


def breaks(folder: Path, where: str) -> set[int]:
    """The steps at which a run's record says that something was not finite."""
    run = read(folder)
    quantity = LOSS_NONFINITE if where == "loss" else NONFINITE_STEPS
    if quantity not in run:
        return set()
    rows = np.flatnonzero(np.nansum(run[quantity].values, axis=1) > 0)
    return {int(run.highest_step(quantity, int(row), 0)) for row in rows}


def taken_over(folder: Path) -> None:
    """A writer is opened in the folder, and closed: what was left is in an event file now."""
    SummaryWriter(folder).close()
    assert not [path for path in folder.iterdir() if is_tail(path.name)]
