"""What users do with optimizers ends no training and blinds none silently: several, changing ones, closures, forked processes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from helpers.rule_asserts import findings
from helpers.tiny_trainings import read
from tb_lossdiag import SummaryWriter
from tb_lossdiag.quantities import BACKWARDS, GRADIENT_NORM, LOSS, STEPS
from tb_lossdiag.rules.record.steps_not_seen import StepsNotSeen
from tb_lossdiag.run import Run

Trains = Callable[[SummaryWriter, nn.Sequential], None]


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3))


def backward(model: nn.Module, optimizers: list[torch.optim.Optimizer]) -> torch.Tensor:
    x = torch.randn(8, 6)
    for optimizer in optimizers:
        optimizer.zero_grad()
    loss = cross_entropy(model(x), x[:, :3].argmax(1))
    loss.backward()
    return loss


def trained(folder: Path, train: Trains) -> Run:
    with SummaryWriter(folder) as writer:
        train(writer, net())
    return read(folder)


def halves(writer: SummaryWriter, model: nn.Sequential) -> None:
    """An optimizer for each part, of which one is watched with the whole model."""
    each: list[torch.optim.Optimizer] = [
        torch.optim.SGD(model[0].parameters(), lr=0.1),
        torch.optim.Adam(model[2].parameters()),
    ]
    writer.watch(model, each[0])
    for step in range(40):
        loss = backward(model, each)
        for optimizer in each:
            optimizer.step()
        writer.add_diagnostics(loss=loss, optimizer=each[1], global_step=step)


def named_halves(writer: SummaryWriter, model: nn.Sequential) -> None:
    each: list[torch.optim.Optimizer] = [
        torch.optim.SGD(model[0].parameters(), lr=0.1),
        torch.optim.Adam(model[2].parameters()),
    ]
    writer.watch(model[0], each[0], name="body")
    writer.watch(model[2], each[1], name="head")
    for step in range(40):
        loss = backward(model, each)
        for optimizer in each:
            optimizer.step()
        writer.add_diagnostics(loss=loss, global_step=step)


def closures(writer: SummaryWriter, model: nn.Sequential) -> None:
    """The optimizer evaluates the model itself, several times a step."""
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.1, max_iter=3)
    writer.watch(model, optimizer)
    for step in range(40):
        loss = optimizer.step(lambda: backward(model, [optimizer]))
        writer.add_diagnostics(loss=loss, global_step=step)


@pytest.mark.parametrize("train", [halves, named_halves, closures])
def test_every_step_is_there(tmp_path: Path, train: Trains) -> None:
    run = trained(tmp_path, train)
    assert run[LOSS].steps.tolist() == list(range(40))
    assert run[STEPS].steps.tolist() == list(range(40))
    assert run[GRADIENT_NORM].columns
    assert not [fact for fact in run.facts if fact.startswith("failed")]


def changes(writer: SummaryWriter, model: nn.Sequential, *, watched: bool) -> None:
    optimizer: torch.optim.Optimizer = torch.optim.Adam(model.parameters())
    writer.watch(model, optimizer)
    for step in range(120):
        if step == 40:
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            if watched:
                writer.watch(model, optimizer)
        loss = backward(model, [optimizer])
        optimizer.step()
        writer.add_diagnostics(loss=loss, global_step=step)


def test_a_new_optimizer_that_is_watched_goes_on(tmp_path: Path) -> None:
    run = trained(tmp_path, lambda writer, model: changes(writer, model, watched=True))
    assert run[STEPS].steps.tolist() == list(range(120))
    assert not findings(StepsNotSeen(), run)


def test_a_new_optimizer_that_is_not_watched_is_said(tmp_path: Path) -> None:
    run = trained(tmp_path, lambda writer, model: changes(writer, model, watched=False))
    assert run[LOSS].steps.tolist() == list(range(120))
    (finding,) = findings(StepsNotSeen(), run)
    assert "after step 39" in finding.message.en


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_training_in_a_forked_process_has_check_ups(tmp_path: Path) -> None:
    """As launchers for notebooks do it: the parent may have a check-up under way."""
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with SummaryWriter(tmp_path / "parent") as writer:
        writer.watch(model, optimizer)
        backward(model, [optimizer])
        optimizer.step()
        if not (child := os.fork()):
            try:
                trained(tmp_path / "child", halves)
            except BaseException:  # noqa: BLE001  (nothing may come back from here)
                os._exit(1)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    alone = trained(tmp_path / "alone", halves)
    forked = read(tmp_path / "child")
    assert forked[BACKWARDS].steps.tolist() == alone[BACKWARDS].steps.tolist()
    assert forked.tables.keys() == alone.tables.keys()
