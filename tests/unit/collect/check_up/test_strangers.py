"""Parameters that a forward pass uses and nobody holds."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn

from helpers.check_up_driver import Watched, assert_nothing_installed
from tb_lossdiag import quantities as q


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    yield
    assert_nothing_installed()


class _Net(nn.Module):
    """A module in a plain list; `frozen`: without gradient."""

    def __init__(self, *, frozen: bool = False) -> None:
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.hidden = [nn.Linear(4, 4).requires_grad_(requires_grad=not frozen)]

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.hidden[0](self.first(x))
        return made


class _Maker(nn.Module):
    """Makes a module at each call."""

    def __init__(self, make: Callable[[nn.Module], nn.Module]) -> None:
        super().__init__()
        self.first, self.make = nn.Linear(4, 4), make

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.make(self.first)(self.first(x))
        return made


def _redrawn(make: Callable[[nn.Module], nn.Module]) -> float:
    return _redrawn_by(_Maker(make))


def _redrawn_by(model: nn.Module) -> float:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    watched = Watched(model, optimizer)
    for _ in range(3):
        optimizer.zero_grad()
        loss = model(torch.randn(8, 4)).square().mean()
        loss.backward()
        optimizer.step()
    watched.end()
    return watched.value(q.REDRAWN)


def _learner(first: nn.Module) -> nn.Module:
    """A copy that takes a step of its own."""
    copied = copy.deepcopy(first)
    copied(torch.ones(2, 4)).sum().backward()
    return copied


KEPT = nn.Linear(4, 4)


def test_a_layer_made_in_the_forward_pass_is_drawn_anew() -> None:
    assert _redrawn(lambda _: nn.Linear(4, 4)) == 2
    assert _redrawn(lambda _: nn.Linear(4, 4, bias=False)) == 1


class _Augmented(nn.Module):
    """Draws a convolution of its input."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.first(nn.Linear(4, 4)(x))
        return made


def test_what_is_drawn_for_the_input_augments_it() -> None:
    assert math.isnan(_redrawn_by(_Augmented()))


@pytest.mark.parametrize(
    "make",
    [
        lambda _: nn.LayerNorm(4),
        lambda _: nn.Linear(4, 4).requires_grad_(requires_grad=False),
        lambda _: nn.ReLU(),
        lambda _: KEPT,
        copy.deepcopy,
        _learner,
    ],
)
def test_what_begins_alike_is_frozen_kept_or_a_copy_is_not(
    make: Callable[[nn.Module], nn.Module],
) -> None:
    assert math.isnan(_redrawn(make))


def _seen(
    model: _Net, *optimizers: torch.optim.Optimizer, beside: nn.Module | None = None
) -> float:
    first, *others = optimizers or (torch.optim.SGD(model.parameters(), lr=0.1),)
    watched = Watched(model, first)
    for _ in range(3):
        made = model(torch.randn(8, 4))
        made = made if beside is None else beside(made)
        made.square().mean().backward()
        for optimizer in others:
            optimizer.step()
        first.step()
    watched.end()
    return watched.value(q.UNREGISTERED)


def test_a_module_in_a_plain_list_is_trained_by_nobody() -> None:
    assert _seen(_Net()) == 2


def test_nothing_is_said_of_frozen_ones_and_of_those_beside_the_model() -> None:
    frozen = _Net(frozen=True)
    assert math.isnan(_seen(frozen))
    assert math.isnan(_seen(frozen, beside=nn.Linear(4, 1)))


def test_what_the_optimizer_holds_or_another_one_changes_is_trained() -> None:
    model = _Net()
    both = torch.optim.SGD([*model.parameters(), *model.hidden[0].parameters()], lr=0.1)
    assert math.isnan(_seen(model, both))
    model = _Net()
    own, other = (torch.optim.SGD(m.parameters(), lr=0.1) for m in (model, model.hidden[0]))
    assert _seen(model, own, other) == 0
