"""With which sign a policy's weighed likelihoods stand in a loss."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Normal

from helpers.check_up_driver import Watched, assert_nothing_installed
from tb_lossdiag import quantities as q

N = 64
GAIN = torch.randn(N, generator=torch.Generator().manual_seed(1))
Loss = Callable[[Tensor, Tensor], Tensor]


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    yield
    assert_nothing_installed()


def _discrete(out: Tensor) -> Tensor:
    policy = Categorical(logits=out)
    told: Tensor = policy.log_prob(policy.sample())
    return told


def _continuous(out: Tensor) -> Tensor:
    told: Tensor = Normal(out[:, :2], 0.5).log_prob(torch.randn(N, 2)).sum(1)
    return told


def _picked(out: Tensor) -> Tensor:
    return out.log_softmax(1).gather(1, torch.randint(3, (N, 1))).squeeze(1)


def _negated(loss: Loss, likely: Callable[[Tensor], Tensor] = _discrete) -> float:
    torch.manual_seed(0)
    model = nn.Linear(4, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    watched = Watched(model, optimizer)
    told = likely(model(torch.randn(N, 4)))
    loss(told, GAIN).backward()
    optimizer.step()
    watched.end()
    return watched.value(q.POLICY_NEGATED, column="")


def _clipped(told: Tensor, gain: Tensor) -> Tensor:
    ratio = (told - told.detach()).exp()
    return torch.min(ratio * gain, ratio.clamp(0.8, 1.2) * gain).mean()


RIGHT: dict[str, Loss] = {
    "a mean": lambda told, gain: -(told * gain).mean(),
    "each by itself": lambda told, gain: (-told * gain).sum(),
    "weights first": lambda told, gain: -1.0 * (gain * told).mean() + 0.01 * told.exp().mean(),
    "clipped": lambda told, gain: -_clipped(told, gain),
}


@pytest.mark.parametrize("likely", [_discrete, _continuous, _picked])
@pytest.mark.parametrize("loss", RIGHT.values(), ids=RIGHT)
def test_a_minus_is_seen(loss: Loss, likely: Callable[[Tensor], Tensor]) -> None:
    assert _negated(loss, likely) == 0
    assert _negated(lambda told, gain: -loss(told, gain), likely) == 1


NOT_TOLD: dict[str, Loss] = {
    "no weights": lambda told, _: -told.mean(),
    "one weight": lambda told, _: -(told * torch.tensor(0.5)).mean(),
    "weights that can learn": lambda told, _: -(told * told.exp()).mean(),
    "both signs": lambda told, gain: (told * gain).mean() - (told * gain.abs()).mean(),
}


@pytest.mark.parametrize("loss", NOT_TOLD.values(), ids=NOT_TOLD)
def test_other_losses_tell_nothing(loss: Loss) -> None:
    assert math.isnan(_negated(loss))
