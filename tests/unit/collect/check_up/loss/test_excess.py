"""Losses of what exceeds a bound, by hand, and what looks like them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from helpers.check_up_driver import Watched, assert_nothing_installed
from tb_lossdiag import quantities as q

N = 32
_HALF = (torch.arange(N) % 2).float()
Made = Callable[[Tensor, Tensor], Tensor]


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    yield
    assert_nothing_installed()


def _excess(loss: Made, level: float) -> float:
    """What is seen of a loss of scores that are about this and signs that are all 1."""
    torch.manual_seed(0)
    model = nn.Linear(4, 1)
    nn.init.constant_(model.bias, level)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    watched = Watched(model, optimizer)
    loss(model(torch.randn(N, 4))[:, 0], torch.ones(N)).backward()
    optimizer.step()
    watched.end()
    return watched.value(q.EXCESS_OF_BOUND, column="")


ASKED: dict[str, Made] = {
    "a hinge": lambda s, y: (1 - y * s).clamp(min=0).mean(),
    "of its square, summed": lambda s, y: relu(1 - y * s).pow(2).sum() / N,
    "by the larger": lambda s, y: torch.maximum(torch.zeros(N), 1 - y * s).mean(),
    "of triplets": lambda s, y: ((s - y).abs() - (s + y).abs() + 0.5).clamp_min(0).mean(),
    "two of them": lambda s, y: (1 - y * s).relu().mean() + 0.5 * (2 - s).clamp(min=0).mean(),
    "of what a mask counts": lambda s, y: ((1 - y * s).relu() * _HALF).sum() / _HALF.sum(),
    "scaled": lambda s, y: (1 - y * s).relu().mean() * torch.tensor(2.0**16),
}
OTHERS: dict[str, Made] = {
    "an answer that is cut off": lambda s, y: (s.clamp(0, 1) - y).square().mean(),
    "a logarithm of one": lambda s, y: -(y * s.clamp(1e-10, 1.0).log()).mean(),
    "a factor of nothing": lambda s, y: (0 * y * (1 - s).relu()).mean(),
    "an answer that is never negative": lambda s, _: s.relu().mean(),
    "a ceiling as well": lambda s, y: (1 - y * s).clamp(0, 1).mean(),
    "a distance beside it": lambda s, y: (1 - s).relu().mean() + (s - y).square().mean(),
    "an advantage": lambda s, y: ((1 - y * s).relu() * (_HALF - 0.5)).mean(),
    "a mask that counts nothing": lambda s, y: ((1 - y * s).relu() * (0 * _HALF)).mean(),
    "a scale of nothing": lambda s, y: (1 - y * s).relu().mean() * torch.tensor(0.0),
    "a square": lambda s, y: (1 - y * s).square().mean(),
    "a flood": lambda s, y: ((1 - y * s).relu().mean() - 0.1).square(),
    "a ceiling of a distance": lambda s, y: (s - y).abs().clamp(max=0.1).mean(),
    "a floor under a chance": lambda s, _: -(s.sigmoid().clamp(min=0.1)).mean(),
    "a constant less it": lambda s, y: 5 - (1 - y * s).relu().mean(),
}
SHIFTED: dict[str, Made] = {
    "a constant off its mean": lambda s, y: (1 - y * s).clamp(min=0).mean() - 5,
    "off each sample": lambda s, y: ((1 - y * s).relu() - torch.full((N,), 0.5)).mean(),
    "added": lambda s, y: 5 + (1 - y * s).relu().pow(2).sum() / N,
    "a slack": lambda s, _: torch.max((1 - s / 20).abs(), torch.tensor([0.3])).mean(),
    "a slack by a clamp": lambda s, _: (1 - s / 20).abs().clamp(min=0.3).mean(),
    "triplets that are one point": lambda s, y: (
        ((0 * s).abs() - (0 * y).abs() + 1).relu().mean() - 1
    ),
}


@pytest.mark.parametrize("level", [0.0, 20.0])
@pytest.mark.parametrize("loss", ASKED.values(), ids=ASKED)
def test_losses_that_end_where_all_meet_the_bound(loss: Made, level: float) -> None:
    assert _excess(loss, level) == 1


@pytest.mark.parametrize("loss", OTHERS.values(), ids=OTHERS)
def test_what_looks_like_them(loss: Made) -> None:
    assert math.isnan(_excess(loss, 0.0))


@pytest.mark.parametrize("loss", SHIFTED.values(), ids=SHIFTED)
def test_a_constant_leaves_it_to_the_samples(loss: Made) -> None:
    assert math.isnan(_excess(loss, 0.0)), "some are beyond their bound"
    met = _excess(loss, 20.0)
    assert met == 2 if loss is not SHIFTED["triplets that are one point"] else math.isnan(met)


def test_each_backward_pass_counts() -> None:
    model = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    watched = Watched(model, optimizer)
    (1 - model(torch.randn(N, 4))).relu().mean().backward()
    model(torch.randn(N, 4)).square().mean().backward()
    optimizer.step()
    watched.end()
    assert math.isnan(watched.value(q.EXCESS_OF_BOUND, column=""))
