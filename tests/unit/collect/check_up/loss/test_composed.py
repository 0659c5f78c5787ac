"""What losses of one's own are made of, seen in the operations that lead to them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn
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
