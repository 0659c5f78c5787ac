"""What a step throws away, in which mode it is validated, and columns that meet rows on the way to the loss."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Categorical
from torch.nn.functional import mse_loss

from helpers.check_up_driver import Watched, assert_nothing_installed
from tb_lossdiag import quantities as q

N = 16


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    yield
    assert_nothing_installed()


def _net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.1), nn.Linear(8, 1))


def _loss(model: nn.Module) -> Tensor:
    return mse_loss(model(torch.randn(N, 4)), torch.randn(N, 1))


@pytest.mark.parametrize(("to_none", "where", "thrown"), [
    (True, "part", 3),
    (False, "part", 3),
    (True, "step", 0),
    (False, "step", 0),
    (True, "third", 2),
])  # fmt: skip
def test_passes_whose_gradients_are_reset(to_none: bool, where: str, thrown: int) -> None:
    model = _net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    watched = Watched(model, optimizer)
    for _ in range(2):
        optimizer.zero_grad()
        for part in range(4):
            if where == "part" or (where == "third" and part == 2):
                optimizer.zero_grad(set_to_none=to_none)
            _loss(model).backward()
        optimizer.step()
    watched.end()
    assert watched.value(q.THROWN_PASSES) == thrown


def test_a_pass_for_another_model_loses_nothing() -> None:
    model, other = _net(), _net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    watched = Watched(model, optimizer)
    for _ in range(2):
        optimizer.zero_grad()
        _loss(other).backward()
        _loss(model).backward()
        optimizer.step()
    watched.end()
    assert watched.value(q.THROWN_PASSES) == 0


@pytest.mark.parametrize(
    ("modes", "expected"), [((True,), 1), ((False,), 0), ((True, False), 0), ((), math.nan)]
)
def test_modes_without_gradients(modes: tuple[bool, ...], expected: float) -> None:
    model = _net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    watched = Watched(model, optimizer)
    with torch.no_grad():
        for training in modes:
            model.train(training)(torch.randn(N, 4))
    _loss(model.train()).backward()
    optimizer.step()
    watched.end()
    assert watched.value(q.EVALUATED_TRAINING) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize(
    ("woken", "expected"),
    [
        ((1, 4), 0),  # the doubts of Gal and Ghahramani: dropout alone goes on
        ((1, 2), 1),  # normalisation learns from what is validated
        ((0, 1), 1),  # a part was put into train() whole
    ],
)
def test_dropout_that_was_put_back_into_train(woken: tuple[int, ...], expected: float) -> None:
    model = nn.Sequential(
        nn.Linear(4, 8), nn.Dropout(0.1), nn.BatchNorm1d(8), nn.Linear(8, 8), nn.Dropout(0.1),
        nn.Linear(8, 1),
    )  # fmt: skip
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    watched = Watched(model, optimizer)
    model.eval()
    for index in woken:
        model[index].train()
    with torch.no_grad():
        model(torch.randn(N, 4))
    _loss(model.train()).backward()
    optimizer.step()
    watched.end()
    assert watched.value(q.EVALUATED_TRAINING) == expected


Made = Callable[[Tensor, Tensor], Tensor]
CROSSED: dict[str, Made] = {
    "a column minus a row": lambda out, y: (out - y).abs().mean(),
    "a row minus a column": lambda out, y: (y - out).exp().mean(),
    "an advantage that knows no gradient": lambda out, y: ((y - out.detach()) * out).mean(),
    "a ratio": lambda out, y: (out / (y.abs() + 1)).mean() + 0.1 * out.square().mean(),
    "weights with an axis more": lambda out, _: (
        torch.rand(N, 1, 1) * out.expand(N, 3).square()
    ).mean(),
}
APART: dict[str, Made] = {
    "of one shape": lambda out, y: ((out.squeeze(1) - y) ** 2).mean(),
    "asked for by another dimension": lambda out, y: (y[:, None] - out.squeeze(1)).exp().mean(),
    "pairs of one tensor": lambda out, _: (out - out.squeeze(1)).abs().mean(),
    "distances of all to all": lambda out, y: (out + y).exp().mean(),
    "looked at and not used": lambda out, y: out.mean() + 0 * float((out - y).detach().abs().max()),
    "weights of as many axes": lambda out, _: (torch.rand(N, 1) * out.expand(N, 3).square()).mean(),
    "slopes of as many heads as there are places": lambda out, _: (
        torch.rand(N, 1, 1) * torch.rand(N, 3) + out
    ).mean(),
    "weights of one another": lambda out, y: (y[:, None, None] * out.expand(N, 3).square()).mean(),
}


def _crossed(loss: Made) -> float:
    model = _net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    watched = Watched(model, optimizer)
    for _ in range(2):
        optimizer.zero_grad()
        loss(model(torch.randn(N, 4)), torch.randn(N)).backward()
        optimizer.step()
    watched.end()
    return watched.value(q.ALL_AGAINST_ALL, column="")


@pytest.mark.parametrize("loss", CROSSED.values(), ids=CROSSED)
def test_all_against_all(loss: Made) -> None:
    assert _crossed(loss) == N


@pytest.mark.parametrize("loss", APART.values(), ids=APART)
def test_apart(loss: Made) -> None:
    assert math.isnan(_crossed(loss))


TWICE: dict[str, Made] = {
    "a distribution of probabilities taken for scores": lambda out, y: (
        -(Categorical(logits=out.softmax(1)).log_prob(y) * y).mean()
    ),
    "by hand": lambda out, y: -(out.softmax(-1).log_softmax(-1)[range(N), y] * y).mean(),
    "through a clamp": lambda out, y: (
        -(out.softmax(1).clamp_min(1e-6).log_softmax(1)[range(N), y] * y).mean()
    ),
}
ONCE: dict[str, Made] = {
    "a distribution of scores": lambda out, y: -(Categorical(logits=out).log_prob(y) * y).mean(),
    "a distribution of probabilities": lambda out, y: (
        -(Categorical(probs=out.softmax(1)).log_prob(y) * y).mean()
    ),
    "a temperature is another question": lambda out, y: (
        -((out.softmax(1) / 0.1).log_softmax(1)[range(N), y] * y).mean()
    ),
    "over another dimension": lambda out, y: (
        -(out.softmax(0).log_softmax(1)[range(N), y] * y).mean()
    ),
    "looked at and not used": lambda out, y: (
        -(out.log_softmax(1)[range(N), y] * y).mean()
        + 0 * float(out.softmax(1).logsumexp(1).detach().sum())
    ),
}


def _twice(loss: Made) -> float:
    model = nn.Linear(4, 5)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    watched = Watched(model, optimizer)
    loss(model(torch.randn(N, 4)), torch.randint(0, 5, (N,))).backward()
    optimizer.step()
    watched.end()
    return watched.value(q.SOFTMAX_TWICE, column="")


@pytest.mark.parametrize("loss", TWICE.values(), ids=TWICE)
def test_a_softmax_of_a_softmax(loss: Made) -> None:
    assert _twice(loss) == 5


@pytest.mark.parametrize("loss", ONCE.values(), ids=ONCE)
def test_a_softmax_alone(loss: Made) -> None:
    assert math.isnan(_twice(loss))
