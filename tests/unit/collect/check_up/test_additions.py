"""What an addition says of a layer's output; and what is none."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from helpers.check_up_driver import Watched
from tb_lossdiag.collect.check_up.functions import Kind
from tb_lossdiag.collect.check_up.mode import FunctionCall
from tb_lossdiag.collect.check_up.model.additions import Maker, added
from tb_lossdiag.quantities import ADDED_SHARE

STREAM = torch.full((3, 4), 2.0, requires_grad=True)
OUTPUT = torch.full((3, 4), 0.5, requires_grad=True)


def call(name: str, *args: object, **kwargs: object) -> FunctionCall:
    made = FunctionCall(Kind.PLAIN, name, torch.add, args, kwargs)
    made.result = torch.add(*args, **kwargs)  # type: ignore[call-overload]
    return made


def maker(tensor: object, /, *, writes: int = 0) -> int | None:
    return 7 if tensor is OUTPUT and not writes else None


def both(tensor: object, /, *, writes: int = 0) -> int | None:
    return 3 if writes or tensor is STREAM else 7


def said(done: FunctionCall, known: Maker = maker) -> list[tuple[int, float]]:
    return [(found.column, float(found.share)) for found in added(done, known)]


@pytest.mark.parametrize("pair", [(STREAM, OUTPUT), (OUTPUT, STREAM)])
def test_a_layers_output_over_what_it_is_added_to(pair: tuple[Tensor, Tensor]) -> None:
    assert said(call("__add__", *pair)) == [(7, 0.25)]


def test_of_two_layers_each_is_compared_with_the_other() -> None:
    assert said(call("add", STREAM, OUTPUT), both) == [(3, 4.0), (7, 0.25)]


def test_in_place_the_summand_is_what_it_was_before() -> None:
    done = call("__iadd__", STREAM, OUTPUT)
    done.args = (done.result, OUTPUT)
    assert said(done, both) == [(3, 4.0), (7, 0.25)]


@pytest.mark.parametrize(
    "done",
    [
        call("add", OUTPUT, 1.0),
        call("add", OUTPUT, torch.ones(4)),
        call("add", OUTPUT, STREAM, alpha=2),
        call("add", OUTPUT[0], STREAM[0]),
        call("add", OUTPUT.detach(), STREAM.detach()),
        call("add", STREAM, STREAM),
    ],
)
def test_other_additions_say_nothing(done: FunctionCall) -> None:
    assert said(done) == []


class Pair(nn.Module):
    """A block whose shortcut is a layer, and whose sum is made in place, as in torchvision's residual networks."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.norm, self.shortcut = (
            nn.Linear(4, 4),
            nn.BatchNorm1d(4),
            nn.Linear(4, 4),
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.norm(self.inner(x))
        out += self.shortcut(x)
        return out.relu()


def test_a_sum_in_place_is_of_both() -> None:
    model = nn.Sequential(Pair(), nn.Linear(4, 2))
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    watched = Watched(model, optimizer, activations=True)
    model(torch.randn(8, 4)).square().mean().backward()
    optimizer.step()
    watched.end()
    shares = watched.steps[-1][ADDED_SHARE.name]
    assert set(shares) == {"0.norm", "0.shortcut"}
    assert shares["0.norm"] * shares["0.shortcut"] == pytest.approx(1)


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.outer(self.inner(x).relu())
        x = x + out
        again: Tensor = self.outer(x)
        return x + again


def test_a_check_up_records_the_first_addition_of_each_layer() -> None:
    silent = Block()
    nn.init.zeros_(silent.outer.weight)
    nn.init.zeros_(silent.outer.bias)
    model = nn.Sequential(nn.Linear(4, 4), Block(), silent)
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    watched = Watched(model, optimizer, activations=True)
    model(torch.randn(8, 4)).square().mean().backward()
    optimizer.step()
    watched.end()
    shares = watched.steps[-1][ADDED_SHARE.name]
    assert set(shares) == {"0", "1.outer", "2.outer"}
    assert shares["1.outer"] > 0.01
    assert shares["2.outer"] == 0
