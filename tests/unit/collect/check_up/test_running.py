"""How far running statistics lie from batches, against a plain computation."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from helpers.check_up_driver import Watched
from tb_lossdiag import quantities as q


def _seen(norm: nn.Module, x: torch.Tensor) -> tuple[float, float]:
    model = nn.Sequential(norm, nn.Flatten(), nn.LazyLinear(1))
    with torch.no_grad():
        model.eval()(x)
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    watched = Watched(model, optimizer)
    model(x).square().mean().backward()
    optimizer.step()
    watched.end()
    return watched.value(q.RUNNING_SHIFT), watched.value(q.RUNNING_SCALE)


@pytest.mark.parametrize("shape", [(64, 3), (16, 3, 5), (4, 3, 8, 8)])
def test_a_fresh_module_remembers_zero_and_one(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    x = 3 * torch.randn(shape) + 30
    channels = x.movedim(1, 0).flatten(1)
    mean, std = channels.mean(1), channels.std(1, correction=0)
    norm = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d}[len(shape)](3)
    shift, scale = _seen(norm, x)
    assert shift == pytest.approx(float((mean / std).median()), rel=1e-3)
    assert scale == pytest.approx(float(std.median()), rel=1e-3)


def test_statistics_that_fit_are_near_and_equal() -> None:
    torch.manual_seed(0)
    shift, scale = _seen(nn.BatchNorm1d(3), torch.randn(256, 3))
    assert shift < 0.2
    assert scale < 1.2


@pytest.mark.parametrize(
    "norm",
    [nn.BatchNorm1d(3, track_running_stats=False), nn.LayerNorm(3), nn.BatchNorm1d(3)],
)
def test_nothing_where_nothing_is_remembered_or_little_is_given(norm: nn.Module) -> None:
    few = 15 if getattr(norm, "running_mean", None) is not None else 64
    assert math.isnan(_seen(norm, torch.randn(few, 3))[0])


@pytest.mark.parametrize(("momentum", "seen"), [(0.99, 0.99), (0.1, 0.1), (None, math.nan)])
def test_how_fast_they_follow(momentum: float | None, seen: float) -> None:
    model = nn.Sequential(nn.BatchNorm1d(3, momentum=momentum), nn.Linear(3, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    watched = Watched(model, optimizer)
    model(torch.randn(8, 3)).square().mean().backward()
    optimizer.step()
    watched.end()
    assert watched.value(q.RUNNING_MOMENTUM) == pytest.approx(seen, nan_ok=True)
