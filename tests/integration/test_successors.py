"""A model gets a new optimizer, or the same watch again, in the middle of a training: it goes on, and so does its record."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from helpers.tiny_trainings import read
from tb_lossdiag import SummaryWriter
from tb_lossdiag.quantities import CALL_VALUE, GRADIENT_NORM, LOSS, REPLACED_OPTIMIZERS, STEPS

STEPS_AN_EPOCH = 15
X, Y = torch.randn(STEPS_AN_EPOCH, 8, 6), torch.randint(0, 3, (STEPS_AN_EPOCH, 8))


def net() -> nn.Sequential:
    """The same small model each time."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))


def train(folder: Path | None, make: Callable[[nn.Module], Any], epochs: int = 6) -> list[float]:
    """A training whose epochs make an optimizer and watch it; the weights at the end."""
    model = net()
    writer = None if folder is None else SummaryWriter(folder)
    step = 0
    for _ in range(epochs):
        optimizer = make(model)
        if writer is not None:
            writer.watch(model, optimizer)
        for x, y in zip(X, Y, strict=True):
            loss = cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            if writer is not None:
                writer.add_diagnostics(loss=loss, global_step=step)
            optimizer.step()
            step += 1
    if writer is not None:
        writer.close()
    return [p.double().sum().item() for p in model.parameters()]


def adam(model: nn.Module) -> torch.optim.Optimizer:
    """With state of its own."""
    return torch.optim.Adam(model.parameters())


def sgd(model: nn.Module) -> torch.optim.Optimizer:
    """Without state."""
    return torch.optim.SGD(model.parameters(), lr=0.1)


def test_a_new_optimizer_each_epoch_is_one_history(tmp_path: Path) -> None:
    assert train(tmp_path, adam) == train(None, adam)
    run = read(tmp_path)
    assert run[STEPS].values.sum() == 6 * STEPS_AN_EPOCH
    assert run[LOSS].steps[-1] == run[GRADIENT_NORM].steps[-1] == 6 * STEPS_AN_EPOCH - 1
    assert run[REPLACED_OPTIMIZERS].values[:, 0].tolist() == [1, 2, 3, 4, 5]
    assert run[REPLACED_OPTIMIZERS].steps.tolist() == [15, 30, 45, 60, 75]
    assert not run.restarts
    assert run[CALL_VALUE].steps.tolist() == [0, 1, 2, 4, 8, 16, 32, 64]  # as if there were one


def test_without_state_nothing_is_lost(tmp_path: Path) -> None:
    train(tmp_path, sgd)
    assert REPLACED_OPTIMIZERS not in read(tmp_path)


def test_state_that_is_carried_over_is_not_lost(tmp_path: Path) -> None:
    states: list[Any] = []

    def carried(model: nn.Module) -> torch.optim.Optimizer:
        optimizer = adam(model)
        if states:
            optimizer.load_state_dict(copy.deepcopy(states[-1].state_dict()))
        states.append(optimizer)
        return optimizer

    train(tmp_path, carried)
    assert REPLACED_OPTIMIZERS not in read(tmp_path)


def test_the_same_watch_again_is_the_same(tmp_path: Path) -> None:
    model = net()
    optimizer = adam(model)
    with SummaryWriter(tmp_path) as writer:
        assert writer.watch(model, optimizer) is writer.watch(model, optimizer)


def test_a_watch_that_was_removed_leaves_its_name(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        for seed in range(3):  # folds of a cross-validation, say
            torch.manual_seed(seed)
            model = nn.Linear(6, 3)
            optimizer = adam(model)
            with writer.watch(model, optimizer):
                for x, y in zip(X, Y, strict=True):
                    optimizer.zero_grad()
                    cross_entropy(model(x), y).backward()
                    optimizer.step()
    run = read(tmp_path)
    assert run[STEPS].values.sum() == 3 * STEPS_AN_EPOCH
    assert REPLACED_OPTIMIZERS not in run  # another model's optimizer has nothing to go on with


def test_a_rate_that_is_no_number_ends_nothing(tmp_path: Path) -> None:
    model = net()
    optimizer = adam(model)
    optimizer.param_groups[0]["lr"] = None  # some optimizers find theirs by themselves
    with SummaryWriter(tmp_path) as writer:
        assert writer.watch(model, optimizer).active


def test_two_optimizers_that_take_turns_under_one_name_are_said(tmp_path: Path) -> None:
    model = net()
    both = [adam(model), sgd(model)]
    with SummaryWriter(tmp_path) as writer, warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for optimizer in both:
            writer.watch(model, optimizer)
        for x, y in zip(X, Y, strict=True):
            for optimizer in both:
                optimizer.zero_grad()
                cross_entropy(model(x), y).backward()
                optimizer.step()
    assert len([one for one in said if "take turns" in str(one.message)]) == 1
    assert "take turns" in read(tmp_path).facts["unwatched optimizer"]


def test_optimizers_of_different_parts_need_names(tmp_path: Path) -> None:
    model = net()
    body = torch.optim.Adam(model[0].parameters())
    head = torch.optim.Adam(model[2].parameters())
    with SummaryWriter(tmp_path) as writer:
        writer.watch(model, body)
        with pytest.raises(ValueError, match="watched already"):
            writer.watch(model, head)
        writer.watch(model, head, name="head")
    assert np.isfinite([p.sum().item() for p in model.parameters()]).all()
