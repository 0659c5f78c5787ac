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


class _Proxies(nn.Module):
    """A criterion with weights of its own, and perhaps another layer."""

    def __init__(self, *, layer: bool = False) -> None:
        super().__init__()
        self.proxies = nn.Parameter(torch.randn(3, 4))
        self.layer = nn.Linear(4, 4) if layer else nn.Identity()

    def forward(self, made: Tensor) -> Tensor:
        loss: Tensor = torch.cdist(self.layer(made), self.proxies).logsumexp(1).mean()
        return loss


def _beside(criterion: nn.Module, *, stepped: bool = False, raw: bool = False) -> float:
    """What nobody trains of a criterion that is called beside the model, or on raw numbers."""
    torch.manual_seed(0)
    model = nn.Linear(4, 4)
    own = torch.optim.SGD(model.parameters(), lr=0.1)
    other = torch.optim.SGD([*criterion.parameters()] or [torch.zeros(1)], lr=0.1)
    watched = Watched(model, own)
    for _ in range(3):
        x = torch.randn(8, 4)
        made = model(x)
        loss = criterion(x).mean() + made.mean() if raw else criterion(made).mean()
        loss.backward()
        if stepped:
            other.step()
        own.step()
    watched.end()
    return watched.value(q.UNHELD)


def test_a_criterion_with_weights_that_nobody_holds() -> None:
    assert _beside(_Proxies()) == 1
    assert _beside(nn.Linear(4, 2)) == 2


def test_what_another_optimizer_changes_is_trained() -> None:
    assert _beside(_Proxies(), stepped=True) == 0


def _learned() -> nn.Linear:
    """A layer whose rows differ as training makes them."""
    layer = nn.Linear(4, 64)
    with torch.no_grad():
        layer.weight.mul_(torch.linspace(0.01, 3, 64)[:, None])
    return layer


@pytest.mark.parametrize(
    "judge",
    [
        nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 1)),
        _Proxies(layer=True),
        _learned(),
        nn.Linear(4, 2).requires_grad_(requires_grad=False),
        nn.LayerNorm(4),
        nn.Softplus(),
    ],
)
def test_what_judges_has_learned_is_frozen_or_holds_no_matrix_is_none(judge: nn.Module) -> None:
    assert math.isnan(_beside(judge))


def test_what_works_on_raw_numbers_is_none() -> None:
    assert math.isnan(_beside(nn.Linear(4, 2), raw=True))
