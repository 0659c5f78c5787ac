"""What weighs a policy's likelihoods: returns and values in one scale or two, and means over padding."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from helpers.check_up_driver import Watched, assert_nothing_installed
from tb_lossdiag import quantities as q

N = 64
Advantage = Callable[[Tensor, Tensor], Tensor]


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    yield
    assert_nothing_installed()


def _apart(
    advantage: Advantage, *, normed: bool = True, apart: bool = False, follows: bool = False
) -> float:
    """What is seen of an actor and a critic; the critic's targets may be normed, and its pass may be one of its own."""
    torch.manual_seed(0)
    model = nn.Linear(4, 4)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    watched = Watched(model, optimizer)
    seen = torch.randn(N, 4)
    out = model(seen)
    returns = 5 + 3 * seen[:, 0] + torch.randn(N)
    if follows:
        returns = 5 + 3 * out[:, 3].detach() + 0.01 * torch.randn(N)
    values, told = out[:, 3], out[:, :3].log_softmax(1)[:, 0]
    actor = -(told * advantage(returns, values).detach()).mean()
    target = (returns - returns.mean()) / returns.std() if normed else returns
    if apart:
        actor.backward(retain_graph=True)
        mse_loss(values, target).backward()
    else:
        (actor + 0.5 * mse_loss(values, target)).backward()
    optimizer.step()
    watched.end()
    return watched.value(q.SCALES_APART, column="")


def _normed(numbers: Tensor) -> Tensor:
    return (numbers - numbers.mean()) / (numbers.std() + 1e-8)


@pytest.mark.parametrize("apart", [False, True])
def test_returns_less_normed_values(apart: bool) -> None:
    found = _apart(lambda returns, values: returns - values, apart=apart)
    assert found == pytest.approx(2.77, abs=0.05)
    again = _apart(lambda returns, values: _normed(returns - values), apart=apart)
    assert again == pytest.approx(found, rel=0.02)


def _less(returns: Tensor, values: Tensor) -> Tensor:
    return returns - values


def _undone(returns: Tensor, values: Tensor) -> Tensor:
    return returns - (values * returns.std() + returns.mean())


@pytest.mark.parametrize(("advantage", "normed"), [(_undone, True), (_less, False)])
def test_one_scale(advantage: Advantage, normed: bool) -> None:
    assert _apart(advantage, normed=normed) == pytest.approx(1, abs=0.02)

    def again(returns: Tensor, values: Tensor) -> Tensor:
        return _normed(advantage(returns, values))

    assert _apart(again, normed=normed) == pytest.approx(1, abs=0.02)


NOT_TOLD: dict[str, Advantage] = {
    "returns alone": lambda returns, _: returns,
    "returns and values": lambda returns, values: returns + values,
    "values of before": lambda returns, values: returns - values - 0.1 * torch.randn(N),
    "bent": lambda returns, values: (returns - values).clamp(-1, 1),
    "nothing": lambda returns, _: torch.ones_like(returns),
}


@pytest.mark.parametrize("advantage", NOT_TOLD.values(), ids=NOT_TOLD)
def test_other_weights_tell_nothing(advantage: Advantage) -> None:
    assert math.isnan(_apart(advantage))


def test_a_critic_that_knows_all_tells_nothing() -> None:
    assert math.isnan(_apart(lambda returns, values: returns - values, follows=True))


Weigh = Callable[[Tensor, Tensor], Tensor]


def _centred(weigh: Weigh, *, whole: bool = False) -> float:
    torch.manual_seed(0)
    model = nn.Linear(4, 6)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    watched = Watched(model, optimizer)
    mask = (torch.arange(12) < torch.randint(3, 9, (16, 1))).float()
    told = model(torch.randn(16, 12, 4)).log_softmax(-1)[..., 0]
    weight = weigh(4 + torch.randn(16, 12), mask)
    loss = -(told * weight * (mask.bool() if whole else mask)).sum() / mask.sum()
    loss.backward()
    optimizer.step()
    watched.end()
    return watched.value(q.PADDING_CENTRED, column="")


def _over_all(gain: Tensor, mask: Tensor) -> Tensor:
    return _normed(gain * mask)


@pytest.mark.parametrize("whole", [False, True])
def test_padding_in_the_mean(whole: bool) -> None:
    assert _centred(_over_all, whole=whole) > 1


def test_padding_that_changes_nothing() -> None:
    def little(gain: Tensor, mask: Tensor) -> Tensor:
        kept = (gain - 4) * mask
        return _normed(kept)

    assert abs(_centred(little)) < 0.3


def _over_kept(gain: Tensor, mask: Tensor) -> Tensor:
    mean = (gain * mask).sum() / mask.sum()
    return (gain - mean) * mask


SOUND: dict[str, Weigh] = {
    "over what counts": lambda gain, mask: gain - (gain * mask).sum() / mask.sum(),
    "over what counts, and masked": _over_kept,
    "one weight for each line": lambda gain, _: _normed(gain.mean(1, keepdim=True)).expand(16, 12),
    "not centred": lambda gain, mask: gain * mask,
    "one for all": lambda gain, _: torch.ones_like(gain),
}


@pytest.mark.parametrize("weigh", SOUND.values(), ids=SOUND)
def test_sound_weights(weigh: Weigh) -> None:
    found = _centred(weigh)
    assert math.isnan(found) or abs(found) < 1e-3
