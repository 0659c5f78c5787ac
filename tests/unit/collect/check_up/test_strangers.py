"""Parameters that a forward pass uses and nobody holds."""

from __future__ import annotations

import math
from collections.abc import Iterator

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
