"""The gradient on both sides of custom autograd functions."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from helpers.check_up_driver import Watched, assert_nothing_installed
from tb_lossdiag import quantities as q


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    yield
    assert_nothing_installed()


class Scaled(torch.autograd.Function):
    """The same value; a gradient so many times as large."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: float | None) -> Tensor:
        ctx.factor = factor
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        return None if ctx.factor is None else gradient * ctx.factor, None


class Net(nn.Module):
    """A body, and heads of which some see it through the function."""

    def __init__(self, factor: float | None, *, times: int = 1, direct: bool = False) -> None:
        super().__init__()
        self.body, self.one, self.two = nn.Linear(4, 8), nn.Linear(8, 1), nn.Linear(8, 1)
        self.factor, self.times, self.direct = factor, times, direct

    def forward(self, x: Tensor) -> Tensor:
        seen = through = self.body(x).tanh()
        for _ in range(self.times):
            through = Scaled.apply(through, self.factor)  # type: ignore[no-untyped-call]
        out: Tensor = self.one(through)
        return out + self.two(seen) if self.direct else out


def _watched(model: nn.Module, steps: int = 2) -> Watched:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    watched = Watched(model, optimizer)
    for _ in range(steps):
        optimizer.zero_grad()
        (model(torch.randn(16, 4)) - 1).square().mean().backward()
        optimizer.step()
    watched.end()
    return watched


def _seen(watched: Watched) -> tuple[float, ...]:
    quantities = (q.CUSTOM_AGREEMENT, q.CUSTOM_PASSED, q.CUSTOM_ONLY, q.CUSTOM_NESTED)
    return tuple(watched.value(each, column="Scaled") for each in quantities)


@pytest.mark.parametrize(("factor", "sign"), [(1.0, 1), (-0.5, -1), (30.0, 1)])
def test_what_is_handed_on(factor: float, sign: int) -> None:
    assert _seen(_watched(Net(factor))) == pytest.approx((sign, abs(factor), 1, 1), rel=1e-5)


def test_calls_on_one_way_are_counted() -> None:
    assert _seen(_watched(Net(-1.0, times=2)))[3] == 2


def test_another_way_to_the_parameters() -> None:
    assert _seen(_watched(Net(-1.0, direct=True)))[2] == 0


@pytest.mark.parametrize("factor", [0.0, None])
def test_nothing_comes_through(factor: float | None) -> None:
    agreement, passed, *_ = _seen(_watched(Net(factor)))
    assert passed == 0
    assert math.isnan(agreement)


def test_finite_gradients_that_break() -> None:
    assert _watched(Net(math.inf), 1).value(q.CUSTOM_BROKEN, column="Scaled") == 1
    assert _watched(Net(1.0)).value(q.CUSTOM_BROKEN, column="Scaled") == 0


def test_a_model_without_such_a_function_records_nothing() -> None:
    watched = _watched(nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 1)))
    assert q.CUSTOM_PASSED.name not in watched.steps[-1]


def test_the_gradients_are_those_without_us() -> None:
    def trained(observed: bool) -> list[Tensor]:
        torch.manual_seed(0)
        model = Net(-0.5, times=2, direct=True)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        watched = Watched(model, optimizer) if observed else None
        for _ in range(3):
            optimizer.zero_grad()
            model(torch.randn(16, 4)).square().mean().backward()
            optimizer.step()
        if watched is not None:
            watched.end()
        return [p.detach().clone() for p in model.parameters()]

    assert all(map(torch.equal, trained(observed=True), trained(observed=False)))
