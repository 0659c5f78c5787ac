"""Second networks beside the watched one, and how far they are from it."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn

from helpers.check_up_driver import Watched, assert_nothing_installed
from tb_lossdiag import quantities as q

Update = Callable[[nn.Module, nn.Module], None]


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    yield
    assert_nothing_installed()


def _net(width: int = 8) -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, width), nn.Tanh(), nn.Linear(width, 1))


def _trained(model: nn.Module, second: nn.Module, update: Update, column: str = "") -> list[float]:
    """(distance, how far the copy moved, how far the trained one moved) in the last of three steps."""
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.5)
    watched = Watched(model, optimizer)
    for _ in range(3):
        x = torch.randn(16, 4)
        with torch.no_grad():
            wanted = second(x) + 1
        optimizer.zero_grad()
        (model(x) - wanted).square().mean().backward()
        optimizer.step()
        update(second, model)
    watched.end()
    quantities = (q.COPY_DISTANCE, q.COPY_MOVED, q.ORIGINAL_MOVED)
    return [watched.value(quantity, column=column) for quantity in quantities]


def _flat(model: nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def _stay(*_: nn.Module) -> None: ...


def _follow(second: nn.Module, model: nn.Module) -> None:
    second.load_state_dict(model.state_dict())


def test_a_copy_that_stays() -> None:
    torch.manual_seed(0)
    model = _net()
    second = copy.deepcopy(model)
    distance, moved, gone = _trained(model, second, _stay)
    assert moved == 0
    assert distance > 0.01
    # Both are measured over their own size, which has hardly changed.
    assert gone == pytest.approx(distance, rel=0.5)


def test_a_copy_that_follows_at_once() -> None:
    torch.manual_seed(0)
    model = _net()
    distance, moved, gone = _trained(model, copy.deepcopy(model), _follow)
    assert distance == 0
    assert moved == pytest.approx(gone)
    assert gone > 0.01


def test_a_frozen_teacher_is_seen_with_gradients_on_as_well() -> None:
    torch.manual_seed(0)
    model, teacher = _net(), _net().requires_grad_(requires_grad=False)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    watched = Watched(model, optimizer)
    x = torch.randn(16, 4)
    (model(x) - teacher(x)).square().mean().backward()
    optimizer.step()
    watched.end()
    expected = (_flat(teacher) - _flat(model)).norm() / _flat(model).norm()
    assert watched.value(q.COPY_DISTANCE) == pytest.approx(float(expected), rel=0.2)


class _Both(nn.Module):
    """A momentum encoder inside of the model."""

    def __init__(self) -> None:
        super().__init__()
        self.fast = _net()
        self.slow = copy.deepcopy(self.fast).requires_grad_(requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.fast(x)
        return made


def test_a_copy_inside_of_the_model_is_that_parts() -> None:
    torch.manual_seed(0)
    model = _Both()
    distance, moved, _ = _trained(model, model.slow, _stay, "fast")
    assert (moved, distance > 0.01) == (0, True)


def test_of_several_alike_the_nearest_is_the_original() -> None:
    torch.manual_seed(0)
    model = nn.ModuleDict({"one": _net(), "two": _net()})
    second = copy.deepcopy(model["two"])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    watched = Watched(model, optimizer)
    x = torch.randn(16, 4)
    with torch.no_grad():
        wanted = second(x) + 1
    (model["one"](x) + model["two"](x) - wanted).square().mean().backward()
    optimizer.step()
    watched.end()
    assert watched.value(q.COPY_DISTANCE, column="two") == 0
    assert math.isnan(watched.value(q.COPY_DISTANCE, column="one"))


@pytest.mark.parametrize("second", [_net(9), nn.Linear(4, 1)])
def test_other_shapes_and_single_layers_are_no_copies(second: nn.Module) -> None:
    assert math.isnan(_trained(_net(), second, _stay)[0])


def test_a_copy_that_is_called_late_is_known_by_the_beginning() -> None:
    torch.manual_seed(0)
    model = _net()
    second = copy.deepcopy(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    watched = Watched(model, optimizer)
    for step in range(4):
        optimizer.zero_grad()
        model(torch.randn(16, 4)).square().mean().backward()
        if step == 3:
            second(torch.randn(16, 4))
        optimizer.step()
    watched.end()
    assert watched.value(q.COPY_BEGAN) == 0
    assert watched.value(q.COPY_DISTANCE) > 0.01


def _load_itself(second: nn.Module, _: nn.Module) -> None:
    second.load_state_dict(second.state_dict())


def _write_some(second: nn.Module, _: nn.Module) -> None:
    with torch.no_grad():
        next(second.parameters()).mul_(1)


def _go_and_return(second: nn.Module, _: nn.Module) -> None:
    second.double().float().requires_grad_(requires_grad=False).eval()


def _through_data(second: nn.Module, model: nn.Module) -> None:
    for slow, fast in zip(second.parameters(), model.parameters(), strict=True):
        slow.data.copy_(fast.data)


@pytest.mark.parametrize(
    ("update", "times"),
    [
        (_load_itself, 2),
        (_follow, 2),
        (_stay, 0),
        (_write_some, 0),  # an embedding with a largest norm writes its own weight
        (_go_and_return, 0),  # from one device to another
        (_through_data, 0),  # nobody counts it, and it moves
    ],
)
def test_what_is_written_to_a_copy_is_counted(update: Update, times: int) -> None:
    torch.manual_seed(0)
    model, second = _net(), _net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    watched = Watched(model, optimizer)
    for _ in range(3):
        with torch.no_grad():
            wanted = second(torch.ones(16, 4))
        optimizer.zero_grad()
        (model(torch.ones(16, 4)) - wanted).square().mean().backward()
        optimizer.step()
        update(second, model)
    watched.end()
    assert watched.value(q.COPY_WRITTEN) == times


def test_what_is_made_in_inference_mode_has_no_count() -> None:
    with torch.inference_mode():
        second = _net()
    distance, moved, _ = _trained(_net(), second, _stay)
    assert (distance > 0, moved) == (True, 0)


def _normed() -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 1))


def _averaged(second: nn.Module, model: nn.Module) -> None:
    """As `parameters()` gives it."""
    with torch.no_grad():
        for slow, fast in zip(second.parameters(), model.parameters(), strict=True):
            slow.lerp_(fast, 0.5)


def _averaged_with_buffers(second: nn.Module, model: nn.Module) -> None:
    _averaged(second, model)
    for slow, fast in zip(second.buffers(), model.buffers(), strict=True):
        slow.copy_(fast)


def _remembered(second: nn.Module, model: nn.Module, update: Update) -> tuple[float, float]:
    """(how far what the copy remembers is from the trained one's, whether it has moved)."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    watched = Watched(model, optimizer)
    for _ in range(3):
        x = 2 + torch.randn(64, 4)
        with torch.no_grad():
            wanted = second(x)
        optimizer.zero_grad()
        (model(x) - wanted).square().mean().backward()
        optimizer.step()
        update(second, model)
    watched.end()
    asked = (q.COPY_STATISTICS, q.COPY_STATISTICS_MOVED)
    apart, moved = (watched.value(quantity, column="") for quantity in asked)
    return apart, moved


def test_what_a_copy_remembers_stays_where_only_parameters_follow() -> None:
    torch.manual_seed(0)
    model = _normed()
    apart, moved = _remembered(copy.deepcopy(model).eval(), model, _averaged)
    assert moved == 0
    assert apart > 0.1


def test_what_a_copy_remembers_follows_with_buffers() -> None:
    torch.manual_seed(0)
    model = _normed()
    apart, moved = _remembered(copy.deepcopy(model).eval(), model, _averaged_with_buffers)
    assert moved == 1
    # The newest batch alone has moved the trained one's since.
    assert apart < 0.3


def test_of_what_takes_the_batchs_own_statistics_or_has_none_nothing_is_said() -> None:
    torch.manual_seed(0)
    for model, second in ((m := _normed(), copy.deepcopy(m)), (n := _net(), copy.deepcopy(n))):
        assert all(map(math.isnan, _remembered(second, model, _averaged)))
