"""Whether a policy's loss moves the critic."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Normal
from torch.nn.functional import mse_loss, smooth_l1_loss

from helpers.check_up_driver import Watched, assert_nothing_installed
from tb_lossdiag import quantities as q

N = 64
Likely = Callable[[Tensor], Tensor]
Weigh = Callable[[Tensor, Tensor], Tensor]


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    yield
    assert_nothing_installed()


def _discrete(out: Tensor) -> Tensor:
    policy = Categorical(logits=out)
    likely: Tensor = policy.log_prob(policy.sample())
    return likely


def _of_softmax(out: Tensor) -> Tensor:
    return out.softmax(1).gather(1, torch.randint(3, (N, 1))).squeeze(1).log()


def _continuous(out: Tensor) -> Tensor:
    likely: Tensor = Normal(out[:, 0], 0.5).log_prob(torch.randn(N))
    return likely


def _moved(
    likely: Likely,
    weigh: Weigh,
    loss: Weigh = mse_loss,
    *,
    apart: bool = False,
    column: bool = False,
) -> float:
    """What is seen of an actor and a critic that share no layer."""
    torch.manual_seed(0)
    model = nn.ModuleDict({"actor": nn.Linear(4, 3), "critic": nn.Linear(4, 1)})
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    watched = Watched(model, optimizer)
    seen = torch.randn(N, 4)
    returns = 5 + 3 * seen[:, :1] + torch.randn(N, 1)
    values = model["critic"](seen)
    if not column:
        returns, values = returns.squeeze(1), values.squeeze(1)
    told = likely(model["actor"](seen))
    actor = -((told[:, None] if column else told) * weigh(returns, values)).mean()
    critic = loss(values, returns)
    if apart:
        actor.backward(retain_graph=True)
        critic.backward()
    else:
        (actor + 0.5 * critic).backward()
    optimizer.step()
    watched.end()
    return watched.value(q.CRITIC_MOVED, column="")


def _less(returns: Tensor, values: Tensor) -> Tensor:
    return returns - values


def _normed(returns: Tensor, values: Tensor) -> Tensor:
    gain = returns - values
    return (gain - gain.mean()) / (gain.std() + 1e-8)


def _detached(returns: Tensor, values: Tensor) -> Tensor:
    return _less(returns, values).detach()


def _by_hand(values: Tensor, returns: Tensor) -> Tensor:
    return (returns - values).pow(2).mean()


@pytest.mark.parametrize("likely", [_discrete, _of_softmax, _continuous])
@pytest.mark.parametrize("weigh", [_less, _normed])
@pytest.mark.parametrize("apart", [False, True])
def test_an_advantage_that_can_learn_is_told(likely: Likely, weigh: Weigh, apart: bool) -> None:
    assert _moved(likely, weigh, apart=apart) == 1


@pytest.mark.parametrize("loss", [smooth_l1_loss, _by_hand])
def test_whatever_the_critics_loss_is(loss: Weigh) -> None:
    assert _moved(_discrete, _less, loss) == 1


def test_columns_are_told_as_well() -> None:
    assert _moved(_discrete, _less, column=True) == 1


@pytest.mark.parametrize("likely", [_discrete, _of_softmax, _continuous])
def test_an_advantage_that_is_given_is_none(likely: Likely) -> None:
    assert _moved(likely, _detached) == 0


NOT_TOLD: dict[str, tuple[Likely, Weigh]] = {
    "returns alone": (_discrete, lambda returns, _: returns),
    "another answer": (_discrete, lambda returns, values: returns - 2 * values),
    "other returns": (_discrete, lambda returns, values: 2 * returns - values),
    "a weight that is learned": (lambda out: out[:, 0], _less),
    "a scale that is learned": (lambda out: (-out[:, 0]).exp(), _less),
    "an exponential of a likelihood's sign": (lambda out: out[:, 1].sigmoid(), _less),
}


@pytest.mark.parametrize(("likely", "weigh"), NOT_TOLD.values(), ids=NOT_TOLD)
def test_other_products_are_not_told(likely: Likely, weigh: Weigh) -> None:
    assert math.isnan(_moved(likely, weigh))


def test_a_residual_times_itself_is_not_told() -> None:
    torch.manual_seed(0)
    model = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    watched = Watched(model, optimizer)
    off = torch.randn(N) - model(torch.randn(N, 4)).squeeze(1)
    (off * off).mean().backward()
    optimizer.step()
    watched.end()
    assert math.isnan(watched.value(q.CRITIC_MOVED, column=""))
