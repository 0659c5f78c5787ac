"""Log variances that can't be negative, and what looks like them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Normal
from torch.nn.functional import relu, softplus

from helpers.check_up_driver import Watched, assert_nothing_installed
from tb_lossdiag import quantities as q

N = 64
Made = Callable[[Tensor, Tensor], Tensor]


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    yield
    assert_nothing_installed()


def _floored(loss: Made, level: float = -5.0) -> float:
    """What is seen of a loss of a mean and a number that is about this."""
    torch.manual_seed(0)
    model = nn.Linear(4, 2)
    nn.init.constant_(model.bias, level)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    watched = Watched(model, optimizer)
    out = model(torch.randn(N, 4))
    loss(out[:, 0], out[:, 1]).backward()
    optimizer.step()
    watched.end()
    return watched.value(q.VARIANCE_FLOORED, column="")


def _divergence(mean: Tensor, log: Tensor) -> Tensor:
    return -0.5 * torch.sum(1 + log - mean.pow(2) - log.exp())


def _likelihood(mean: Tensor, log: Tensor) -> Tensor:
    return ((mean - 1.0) ** 2 * torch.exp(-log) + log).mean()


def _drawn(mean: Tensor, log: Tensor) -> Tensor:
    likely: Tensor = Normal(mean, (0.5 * log).exp()).log_prob(torch.ones(N))
    return -likely.mean()


LOSSES: dict[str, Made] = {
    "a divergence": _divergence,
    "a likelihood": _likelihood,
    "a distribution": _drawn,
    "an added sum": lambda mean, log: log.sum() / N + (mean.square() / log.exp()).mean(),
}


@pytest.mark.parametrize("bounded", [softplus, relu, lambda x: x.clamp(min=0)])
@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_a_floor(loss: Made, bounded: Callable[[Tensor], Tensor]) -> None:
    assert _floored(lambda mean, raw: loss(mean, bounded(raw))) == 1
    assert _floored(lambda mean, raw: loss(mean, bounded(raw) + 1e-6)) == 1
    assert _floored(lambda mean, raw: loss(mean, bounded(raw)), 5.0) == 0


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_no_floor(loss: Made) -> None:
    assert math.isnan(_floored(loss))
    assert math.isnan(_floored(lambda mean, raw: loss(mean, raw.clamp(-10, 10))))
    assert math.isnan(_floored(lambda mean, raw: loss(mean, softplus(raw) - 6)))
    assert math.isnan(_floored(lambda mean, raw: loss(mean, (softplus(raw) + 1e-3).log())))


def _event(hazard: Tensor, log: Callable[[Tensor], Tensor]) -> Tensor:
    """Of discrete times until something happens: every second one has seen it."""
    seen = torch.arange(N) % 2
    return -(seen * log(hazard) - (1 - seen) * hazard).mean()


def _through(density: Tensor) -> Tensor:
    """What light a body of this density lets through, of five, and a penalty on the density."""
    return (5 * torch.exp(-density) - torch.rand(N)).abs().mean() + 1e-3 * density.mean()


OTHERS: dict[str, Made] = {
    "a deviation": lambda mean, raw: -Normal(mean, softplus(raw)).log_prob(torch.ones(N)).mean(),
    "a chance of an event": lambda _, raw: _event(softplus(raw), lambda h: (1 - (-h).exp()).log()),
    "the same of a tiny one": lambda _, raw: _event(relu(raw), lambda h: (-(-h).exp()).log1p()),
    "what comes through": lambda _, raw: (
        ((-softplus(raw)).exp() - torch.rand(N)).square().mean() + 1e-3 * softplus(raw).mean()
    ),
    "what comes through of five": lambda _, raw: _through(softplus(raw)),
    "an exponential alone": lambda mean, raw: (mean * softplus(raw).exp()).mean(),
}


@pytest.mark.parametrize("loss", OTHERS.values(), ids=OTHERS)
def test_others(loss: Made) -> None:
    assert math.isnan(_floored(loss))


def test_counts() -> None:
    counts = torch.arange(float(N))

    def rate(_: Tensor, raw: Tensor) -> Tensor:
        log = relu(raw)
        return (log.exp() - counts * log).mean()

    assert math.isnan(_floored(rate))
