"""Steps that use the gradients of a step before, in real trainings; and trainings that come close."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from helpers.tiny_trainings import read
from tb_lossdiag import SummaryWriter
from tb_lossdiag.diagnosis.engine import diagnose
from tb_lossdiag.rules.loop.gradient_used_twice import GradientUsedTwice

Loop = Callable[[SummaryWriter, nn.Module, Callable[[], Tensor]], None]


def stepped_twice(writer: SummaryWriter, model: nn.Module, loss: Callable[[], Tensor]) -> None:
    """Each backward pass is used by two steps."""
    optimizer = torch.optim.Adam(model.parameters())
    writer.watch(model, optimizer)
    for step in range(100):
        optimizer.zero_grad()
        value = loss()
        value.backward()
        writer.add_diagnostics(loss=value, global_step=step)
        optimizer.step()
        optimizer.step()


def with_a_scaler(writer: SummaryWriter, model: nn.Module, loss: Callable[[], Tensor]) -> None:
    """The scaler steps, and then the loop."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    scaler = torch.amp.GradScaler("cpu", init_scale=16.0)
    writer.watch(model, optimizer, scaler=scaler)
    for _ in range(100):
        optimizer.zero_grad()
        scaler.scale(loss()).backward()
        scaler.step(optimizer)
        optimizer.step()
        scaler.update()


def sharpness_aware(writer: SummaryWriter, model: nn.Module, loss: Callable[[], Tensor]) -> None:
    """Two backward passes and two steps a batch."""
    up = torch.optim.SGD(model.parameters(), lr=0.01, maximize=True)
    down = torch.optim.SGD(model.parameters(), lr=0.02)
    for name, optimizer in (("up", up), ("down", down)):
        writer.watch(model, optimizer, name=name)
    for _ in range(100):
        for optimizer in (up, down):
            optimizer.zero_grad()
            loss().backward()
            optimizer.step()


def one_backward_two_optimizers(
    writer: SummaryWriter, model: nn.Module, loss: Callable[[], Tensor]
) -> None:
    """Each holds its part of the model."""
    parts = [torch.optim.SGD(part.parameters(), lr=0.01) for part in (model[0], model[2])]  # type: ignore[index]
    for name, optimizer in zip(("body", "head"), parts, strict=True):
        writer.watch(model, optimizer, name=name)
    for _ in range(100):
        for optimizer in parts:
            optimizer.zero_grad()
        loss().backward()
        for optimizer in parts:
            optimizer.step()


def accumulated(writer: SummaryWriter, model: nn.Module, loss: Callable[[], Tensor]) -> None:
    """Gradients stay where they are and are zeroed in place."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    writer.watch(model, optimizer)
    for step in range(200):
        (loss() / 2).backward()
        if step % 2:
            optimizer.step()
            optimizer.zero_grad(set_to_none=False)


def never_zeroed(writer: SummaryWriter, model: nn.Module, loss: Callable[[], Tensor]) -> None:
    """LD606's case: each step has new gradients all the same."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001)
    writer.watch(model, optimizer)
    for _ in range(100):
        loss().backward()
        optimizer.step()


def found(folder: Path, loop: Loop) -> bool:
    """Whether the rule fires on such a training."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))

    def loss() -> Tensor:
        return cross_entropy(model(torch.randn(8, 6)), torch.randint(0, 3, (8,)))

    with SummaryWriter(folder) as writer:
        loop(writer, model, loss)
    return bool(diagnose(read(folder), [GradientUsedTwice()]).causes)


@pytest.mark.parametrize("loop", [stepped_twice, with_a_scaler])
def test_two_steps_of_one_backward_pass_are_found(tmp_path: Path, loop: Loop) -> None:
    assert found(tmp_path, loop)


@pytest.mark.parametrize(
    "loop", [sharpness_aware, one_backward_two_optimizers, accumulated, never_zeroed]
)
def test_what_comes_close_is_not(tmp_path: Path, loop: Loop) -> None:
    assert not found(tmp_path, loop)
