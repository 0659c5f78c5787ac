"""What losses of one's own are made of, seen in the operations that lead to them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Distribution, Normal
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from helpers.check_up_driver import Watched, assert_nothing_installed
from tb_lossdiag import quantities as q

N = 32
Made = Callable[[Tensor, Tensor], Tensor]


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    yield
    assert_nothing_installed()


def _seen(quantity: q.Quantity, loss: Made, outputs: int = 5) -> float:
    torch.manual_seed(0)
    model = nn.Linear(4, outputs)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    watched = Watched(model, optimizer)
    loss(model(torch.randn(N, 4)), torch.randint(0, outputs, (N,))).backward()
    optimizer.step()
    watched.end()
    return watched.value(quantity, column="")


def _focal(loss: Tensor, gamma: float = 2.0) -> Tensor:
    return ((1 - torch.exp(-loss)) ** gamma * loss).mean()


OF_MEAN: dict[str, Made] = {
    "of torch's loss": lambda out, y: _focal(cross_entropy(out, y)),
    "with a weight before it": lambda out, y: (
        0.25 * (1 - (-(ce := cross_entropy(out, y))).exp()).pow(2) * ce
    ),
    "by hand": lambda out, y: _focal(-out.log_softmax(1).gather(1, y[:, None]).mean()),
    "by hand of surprises": lambda out, y: _focal((out.logsumexp(1) - out[range(N), y]).mean()),
    "of yes and no": lambda out, y: _focal(
        binary_cross_entropy_with_logits(out[:, 0], (y > 2).float())
    ),
    "beside another term": lambda out, y: (
        _focal(cross_entropy(out, y)) / 4 + 0.01 * out.square().mean()
    ),
}
OF_EACH: dict[str, Made] = {
    "of each sample": lambda out, y: _focal(cross_entropy(out, y, reduction="none")),
    "of two tasks": lambda out, y: _focal(cross_entropy(out, y)) + _focal(cross_entropy(-out, y)),
    "of each by hand": lambda out, y: _focal(-out.log_softmax(1)[range(N), y]),
    "of one": lambda out, y: _focal(cross_entropy(out[:1], y[:1])),
    "a learned variance": lambda out, y: (
        torch.exp(-out.mean()) * cross_entropy(out, y) + out.mean()
    ),
    "a mean that gates itself": lambda out, _: (m := out.square().mean()) * (1 - (-m).exp()),
    "a perplexity": lambda out, y: (ce := cross_entropy(out, y)) * 1.0 + 0.0 * ce.exp(),
    "the loss alone": cross_entropy,
}


@pytest.mark.parametrize("loss", OF_MEAN.values(), ids=OF_MEAN)
def test_a_focal_factor_of_the_mean(loss: Made) -> None:
    assert _seen(q.FOCUS_OF_MEAN, loss) == N


@pytest.mark.parametrize("loss", OF_EACH.values(), ids=OF_EACH)
def test_a_focal_factor_of_each(loss: Made) -> None:
    assert math.isnan(_seen(q.FOCUS_OF_MEAN, loss))


Draw = Callable[[Tensor], Distribution]


def _drawn(draw: Draw, out: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Actions, the logarithms of their probabilities, and what they were worth."""
    policy = draw(out)
    actions = policy.sample()
    return actions, policy.log_prob(actions), torch.randn(N)


def _passes(
    draw: Draw,
    *,
    stale: bool,
    anew: bool = False,
    rate: float = 0.05,
    part: int = N,
    bound: float = 0.2,
) -> list[float]:
    """Passes over the same actions (`anew`: over others each time), `part` of them at a time; what is seen in each."""
    torch.manual_seed(0)
    model, seen = nn.Linear(4, 3), torch.randn(N, 4)
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    watched = Watched(model, optimizer)
    rollout = _drawn(draw, model(seen).detach())
    for turn in range(4):
        if turn and anew:
            rollout = _drawn(draw, model(seen).detach())
        actions, before, gain = rollout
        rows = torch.randperm(N)[:part] if part < N else torch.arange(N)
        now = draw(model(seen[rows])).log_prob(actions[rows])
        ratio = (now - (before[rows] if stale else now.detach())).exp()
        weight = gain[rows] if ratio.dim() == 1 else gain[rows, None]
        loss = -torch.min(ratio * weight, ratio.clamp(1 - bound, 1 + bound) * weight).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    watched.end()
    steps = range(len(watched.steps))
    return [watched.value(q.RATIO_TO_ITSELF, step, column="") for step in steps]


def _chosen(out: Tensor) -> Distribution:
    return Categorical(logits=out)


def _measured(out: Tensor) -> Distribution:
    return Normal(out, 0.5)


@pytest.mark.parametrize("draw", [_chosen, _measured])
def test_a_ratio_over_the_same_actions(draw: Draw) -> None:
    assert _passes(draw, stale=False) == pytest.approx([math.nan, 1, 1, 1], nan_ok=True)
    assert _passes(draw, stale=True) == pytest.approx([math.nan, 0, 0, 0], nan_ok=True)


def test_real_actions_are_known_among_others() -> None:
    seen = _passes(_measured, stale=False, part=N // 2)
    assert seen == pytest.approx([math.nan, 1, 1, 1], nan_ok=True)


@pytest.mark.parametrize("draw", [_chosen, _measured])
def test_actions_that_are_used_once_tell_nothing(draw: Draw) -> None:
    assert all(map(math.isnan, _passes(draw, stale=False, anew=True)))


def test_a_policy_that_does_not_move_tells_nothing() -> None:
    assert all(map(math.isnan, _passes(_chosen, stale=False, rate=0.0)))


def test_a_policy_that_is_certain_draws_the_same_again() -> None:
    def certain(out: Tensor) -> Distribution:
        return Categorical(logits=out + torch.tensor([40.0, 0, 0]))

    assert all(map(math.isnan, _passes(certain, stale=False)))


def test_a_clamp_that_is_no_trust_region_tells_nothing() -> None:
    assert all(map(math.isnan, _passes(_chosen, stale=False, bound=2.0)))


def _largest(scores: Tensor, k: int = 1) -> Tensor:
    """Weights of the k largest."""
    return scores.softmax(1).topk(k, 1, sorted=False)[0]


def _in_place(out: Tensor) -> Tensor:
    weight = _largest(out)
    weight /= weight.sum(-1, keepdim=True)
    return weight.square().sum()


OF_ONE: dict[str, Made] = {
    "by its own sum": lambda out, _: (
        ((w := _largest(out)) / (w.sum(1, keepdim=True) + 1e-20)).square().sum()
    ),
    "in place": lambda out, _: _in_place(out),
    "of the largest": lambda out, _: (
        ((w := out.softmax(1).max(1, keepdim=True)[0]) / w.sum(1, keepdim=True)).square().sum()
    ),
    "a softmax of one choice": lambda out, _: out.topk(1, 1)[0].softmax(1).square().sum(),
}
OF_SOME: dict[str, Made] = {
    "its probability": lambda out, _: _largest(out).square().sum(),
    "of two": lambda out, _: ((w := _largest(out, 2)) / w.sum(1, keepdim=True)).square().sum(),
    "a softmax of two": lambda out, _: out.topk(2, 1)[0].softmax(1).square().sum(),
    "detached below": lambda out, _: (
        (w := _largest(out)) / w.sum(1, keepdim=True).detach()
    ).square().sum(),
    "by the sum of all": lambda out, _: ((w := _largest(out)) / w.sum()).square().sum(),
    "one key": lambda out, _: (out[:, None, :] @ out[..., None]).softmax(2).square().sum(),
}  # fmt: skip


@pytest.mark.parametrize("name", OF_ONE)
def test_weights_that_are_one_whatever_the_score(name: str) -> None:
    assert _seen(q.WEIGHTS_OF_ONE, OF_ONE[name]) == N


@pytest.mark.parametrize("name", OF_SOME)
def test_weights_that_depend_on_scores(name: str) -> None:
    assert math.isnan(_seen(q.WEIGHTS_OF_ONE, OF_SOME[name]))
