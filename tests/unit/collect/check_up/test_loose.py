"""Tensors that get gradients and belong to nobody."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn

from helpers.check_up_driver import Watched, assert_nothing_installed
from tb_lossdiag import quantities as q
from tb_lossdiag.collect.check_up import loose
from tb_lossdiag.collect.state.alive import alive


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    yield
    assert_nothing_installed()


Loss = Callable[[nn.Module], Tensor]


def _seen(loss_of: Loss, after: Callable[[], object] = lambda: None, *held: Tensor) -> float:
    """How many at the fifth of five steps."""
    model = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 1))
    optimizer = torch.optim.SGD([*model.parameters(), *held], lr=0.01)
    watched = Watched(model, optimizer)
    for _ in range(5):
        optimizer.zero_grad()
        loss_of(model).backward()
        optimizer.step()
        after()
    watched.end()
    return watched.value(q.LOOSE)


def _coefficient(value: float = 2.0, size: int = 1) -> Tensor:
    return torch.full((size,), value, requires_grad=True)


def _weighed(by: Tensor) -> Loss:
    return lambda model: (model(torch.ones(8, 4)) - by.sum()).square().mean()


def test_a_coefficient_beside_the_model_is_trained_by_nobody() -> None:
    assert _seen(_weighed(_coefficient())) == 1


def test_what_is_computed_of_a_parameter_is_none() -> None:
    scale = nn.Parameter(torch.ones(64, dtype=torch.float64)).float()
    assert _seen(_weighed(scale)) == 1


def test_what_the_optimizer_holds_is_trained() -> None:
    held = _coefficient()
    assert math.isnan(_seen(_weighed(held), lambda: None, held))


def test_what_another_optimizer_or_module_holds_is_theirs() -> None:
    held = _coefficient()
    other = torch.optim.SGD([held], lr=0.1)
    assert math.isnan(_seen(_weighed(held)))
    assert other.param_groups
    judge = nn.Linear(1, 1)
    assert math.isnan(_seen(lambda model: judge(model(torch.ones(8, 4))).mean()))


def test_all_objects_are_looked_at_once_for_what_is_anothers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As the judge of a generator: its parameters are in every pass."""
    looks = 0
    plain = alive

    def counted(kinds: tuple[type[object], ...]) -> Iterator[object]:
        nonlocal looks
        looks += 1
        return plain(kinds)

    monkeypatch.setattr(loose, "alive", counted)
    judge = nn.Linear(1, 1)
    assert math.isnan(_seen(lambda model: judge(model(torch.ones(8, 4))).mean()))
    assert looks == 1


def test_what_is_changed_by_hand_is_trained() -> None:
    by = _coefficient()

    def step() -> None:
        with torch.no_grad():
            by.sub_(0.01)

    assert _seen(_weighed(by), step) == 0


def test_points_at_which_slopes_are_asked_are_data() -> None:
    at = torch.rand(4, 4, requires_grad=True)

    def equation(model: nn.Module) -> Tensor:
        u = model(2 * at - 1)
        slope = torch.autograd.grad(u.sum(), at, create_graph=True)[0]
        return (slope.sum(1) + at[:, 0]).square().mean()

    assert math.isnan(_seen(equation))


@pytest.mark.parametrize(
    "beside", [_coefficient(0.0), _coefficient(size=17), torch.full((1,), 2.0)]
)
def test_sums_that_begin_at_0_data_and_numbers_are_not_to_be_learned(beside: Tensor) -> None:
    assert math.isnan(_seen(_weighed(beside)))
