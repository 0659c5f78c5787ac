"""What a judge beside the model is given."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from helpers.check_up_driver import Watched, assert_nothing_installed
from tb_lossdiag import quantities as q
from tb_lossdiag.quantities import Quantity, Source

Shown = Callable[[Tensor], Tensor]
HALF = torch.linspace(0, 1, 64).view(16, 4)


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    yield
    assert_nothing_installed()


def _same(x: Tensor) -> Tensor:
    return x


def _game(
    last: nn.Module, real: Tensor, *, apart: bool = True, shown: Shown = _same, own: Shown = _same
) -> Callable[[Quantity], float]:
    """A step of both players: the judge is shown real ones and what was made, apart or in one batch, as `shown` has it, or `own` in its turn alone."""
    torch.manual_seed(0)
    maker = nn.Sequential(nn.Linear(4, 4), last)
    judge = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
    optimizer = torch.optim.SGD(maker.parameters(), lr=0.1)
    watched = Watched(maker, optimizer)
    for _ in range(2):
        made = maker(torch.randn(16, 4))
        if apart:
            judge(own(real)).mean().backward()
            judge(own(shown(made.detach()))).mean().backward()
        else:
            judge(torch.cat([real, made.detach()])).mean().backward()
        optimizer.zero_grad()
        judge(shown(made)).mean().backward()
        optimizer.step()
    watched.end()
    return watched.value


def test_real_ones_of_another_range() -> None:
    value = _game(nn.Tanh(), HALF)
    assert value(q.MADE_SOURCE) == Source.TANH
    assert (value(q.REAL_LOW), value(q.REAL_HIGH)) == (0, 1)
    assert value(q.REAL_UNREACHED) == 0
    assert 0.2 < value(q.MADE_ASTRAY) < 0.8


def test_real_ones_that_cannot_be_made() -> None:
    value = _game(nn.Sigmoid(), 2 * HALF - 1)
    assert value(q.REAL_UNREACHED) == pytest.approx(30 / 64, abs=0.02)
    assert value(q.MADE_ASTRAY) == 0


def test_real_ones_of_the_same_range() -> None:
    value = _game(nn.Tanh(), 2 * HALF - 1)
    assert (value(q.REAL_UNREACHED), value(q.MADE_ASTRAY)) == (0, 0)


def test_real_ones_that_a_penalty_asks_a_gradient_of() -> None:
    assert _game(nn.Tanh(), HALF.clone().requires_grad_())(q.REAL_HIGH) == 1


def _noisy(x: Tensor) -> Tensor:
    return x + 0.1 * torch.randn_like(x)


@pytest.mark.parametrize(
    ("last", "real", "options"),
    [
        (nn.Identity(), HALF, {}),
        (nn.Tanh(), HALF, {"shown": _noisy}),
        (nn.Tanh(), HALF, {"own": _noisy}),
        (nn.Tanh(), HALF, {"apart": False}),
        (nn.Tanh(), HALF[:2], {}),
    ],
    ids=["no bounds", "noise on both", "noise in the judge's turn", "one batch", "few numbers"],
)
def test_what_is_not_shown_as_it_was_made_is_not_looked_at(
    last: nn.Module, real: Tensor, options: dict[str, Any]
) -> None:
    assert math.isnan(_game(last, real, **options)(q.MADE_ASTRAY))
