"""Whoever relies on nothing having happened is told of everything that does."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from torch import nn

from tb_lossdiag import SummaryWriter
from tb_lossdiag.collect.unrest import Unrest
from tb_lossdiag.collect.watch.watch import Watch


class Scene(NamedTuple):
    """A watched model and its writer."""

    writer: SummaryWriter
    watch: Watch
    net: nn.Module


Happening = Callable[[Scene], object]


def failed(scene: Scene) -> None:
    scene.writer._diagnostics.guarded.seen("loss", lambda: 1 / 0)


def judged(scene: Scene) -> None:
    other = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(other.parameters(), lr=0.1)
    scene.writer.watch(other, optimizer, name="other", on_finding=lambda _: None)


def checked(scene: Scene) -> None:
    with scene.writer.check_up():
        nn.functional.mse_loss(scene.net(torch.ones(2, 2)), torch.zeros(2, 2))


def froze(scene: Scene) -> None:
    scene.net.get_parameter("weight").requires_grad_(False)
    scene.watch._steps.parameters.reread()


def shared(scene: Scene) -> None:
    for step in (5, 5, 5, 4):
        scene.watch.counter.take()
        scene.watch.counter.take()
        scene.watch.name_step(step)


HAPPENINGS: dict[str, Happening] = {
    "a failure": failed,
    "a clip": lambda scene: scene.writer.clip_grad_norm_(scene.net.parameters(), 0.1, 2.0, True),
    "a clip by value": lambda scene: scene.writer.clip_grad_value_(scene.net.parameters(), 0.1),
    "a clip without a note": lambda scene: scene.writer._diagnostics.clips.miss(
        scene.net.parameters()
    ),
    "a clip that was reported": lambda scene: scene.watch.reported_clip(torch.tensor(2.0), 1.0),
    "another watch": judged,
    "the end of one": lambda scene: scene.watch.remove(),
    "a check-up by hand": checked,
    "a frozen layer": froze,
    "a number for several steps": shared,
    "another rank": lambda scene: scene.writer._diagnostics.host.outlet.check_rank(),
}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("what", HAPPENINGS)
def test_what_happens_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    net = nn.Linear(2, 2)
    net(torch.ones(2, 2)).sum().backward()
    with SummaryWriter(tmp_path) as writer:
        watch = writer.watch(net, torch.optim.SGD(net.parameters(), lr=0.1), check_up=False)
        watch.name_step(3)
        before = writer._diagnostics.guarded.unrest.count
        if what == "another rank":
            monkeypatch.setattr("tb_lossdiag.collect.buffers.outlet.rank", lambda: 1)
        HAPPENINGS[what](Scene(writer, watch, net))
        assert writer._diagnostics.guarded.unrest.count > before


def test_what_happens_at_each_step_is_nothing(tmp_path: Path) -> None:
    net = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    with SummaryWriter(tmp_path) as writer:
        writer.watch(net, optimizer, check_up=False)
        counts = set()
        for step in range(70):
            optimizer.zero_grad()
            loss = net(torch.ones(2, 2)).square().mean()
            loss.backward()
            optimizer.step()
            writer.add_diagnostics(loss=loss, global_step=step if step % 2 else None)
            counts.add(writer._diagnostics.guarded.unrest.count)
        assert len(counts) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system forks no processes")
def test_a_forked_child_finds_nothing_as_it_was() -> None:
    unrest = Unrest()
    child = os.fork()
    if child == 0:
        os._exit(0 if unrest.count else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert unrest.count == 0
