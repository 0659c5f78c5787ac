"""What is backpropagated, against what the loop adds up itself."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from helpers.check_up_driver import Watched
from tb_lossdiag import quantities as q


def _loss(net: nn.Module, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return mse_loss(net(torch.randn(8, 4, generator=generator)), torch.ones(8, 1))


def _one(net: nn.Module) -> float:
    loss = _loss(net, 0)
    loss.backward()
    return float(loss.detach())


def _parts(net: nn.Module) -> float:
    losses = [_loss(net, seed) / 3 for seed in range(3)]
    for loss in losses:
        loss.backward()
    return sum(float(loss.detach()) for loss in losses)


def _twice(net: nn.Module) -> float:
    loss = _loss(net, 0)
    loss.backward(retain_graph=True)
    loss.backward()
    return 2 * float(loss.detach())


def _weighted(net: nn.Module) -> float:
    out = net(torch.ones(8, 4))
    out.backward(gradient=torch.full((8, 1), 0.5))
    return float(0.5 * out.detach().sum())


def _beside(net: nn.Module) -> float:
    other = nn.Linear(4, 1)
    mse_loss(other(net(torch.ones(8, 4)).detach().repeat(1, 4)), torch.ones(8, 1)).backward()
    return _one(net)


@pytest.mark.parametrize("backwards", [_one, _parts, _twice, _weighted, _beside])
def test_the_sum_of_what_reached_the_parameters(backwards: Callable[[nn.Module], float]) -> None:
    torch.manual_seed(0)
    net = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    watched = Watched(net, optimizer)
    for _ in range(2):
        optimizer.zero_grad()
        told = backwards(net)
        optimizer.step()
        assert watched.value(q.BACKPROPAGATED) == pytest.approx(told, rel=1e-5)
    watched.end()
