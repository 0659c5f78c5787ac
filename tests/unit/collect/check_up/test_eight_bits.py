"""What casts to 8 bits lose, as a check-up sees it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from helpers.check_up_driver import Seen, Watched

E4M3, E5M2 = torch.float8_e4m3fn, torch.float8_e5m2
Cast = Callable[[Tensor], Tensor]
ROW = torch.tensor([[1.0, 2.0, 1000.0, 500.0], [3.0, -460.0, 0.0, -600.0]])
"""Of eight numbers, two lie beyond 1.15 times 448."""


class _Casting(nn.Module):
    """Casts what it is given, in a module of its own; what comes out is trained."""

    def __init__(self, cast: Cast) -> None:
        super().__init__()
        self.inner = nn.Identity()
        self.last, self.cast = nn.Linear(4, 1), cast

    def forward(self, x: Tensor) -> Tensor:
        made = self.cast(x).float()
        result: Tensor = self.last(torch.nan_to_num(made, posinf=0.0, neginf=0.0))
        return result


def seen(cast: Cast, x: Tensor = ROW, *, backward: bool = True) -> Seen:
    """What a step tells of one."""
    model = _Casting(cast)
    optimizer = torch.optim.SGD(model.parameters(), 1e-9)
    watched = Watched(model, optimizer)
    loss = model(x).sum()
    if backward:
        loss.backward()
    optimizer.step()
    watched.end()
    return watched.steps[-1]


def _in_place(x: Tensor) -> Tensor:
    return x.clone().clamp_(-448, 448).to(E4M3)


@pytest.mark.parametrize(
    "cast",
    [
        lambda x: x.clamp(-448.0, 448.0).to(E4M3),
        lambda x: torch.clamp(x, min=-448, max=448).to(dtype=E4M3),
        lambda x: x.clip(-448.0, 448.0).type(E4M3),
        lambda x: x.to(E4M3),
        lambda x: x.to(torch.zeros(1, dtype=E4M3)),
        _in_place,
    ],
)
def test_what_a_clamp_cuts_off_counts_as_what_a_cast_does(cast: Cast) -> None:
    facts = seen(cast)
    (column,) = facts["fp8_clipped"]
    assert column.split(" ")[0] in {"to()", "type()"}
    assert facts["fp8_clipped"][column] == 0.25
    assert facts["fp8_limit"][column] == 448
    assert facts["fp8_flushed"][column] == 0


@pytest.mark.parametrize(
    "cast",
    [
        lambda x: x.clamp(-600.0, 600.0).clamp(-448.0, 448.0).to(E5M2),  # another format's limit
        lambda x: (x.clamp(-448.0, 448.0) / 2).to(E4M3),  # what is cast is no longer what was cut
        lambda x: x.clamp(max=448.0).clamp(min=0.0).to(E4M3),
        lambda x: x.relu().clamp(0.0, 448.0).to(E4M3),
    ],
)
def test_other_clamps_hide_nothing_and_tell_nothing(cast: Cast) -> None:
    assert set(seen(cast)["fp8_clipped"].values()) == {0.0}


def test_small_numbers_count_by_their_size() -> None:
    """A thousand small ones beside a large one are a hundredth of all there is."""
    x = torch.full((2, 4), 1e-4)
    assert seen(lambda x: x.to(E4M3), x)["fp8_flushed"]["to()"] == 1
    x[0, 0] = 1.0
    share = seen(lambda x: x.to(E4M3), x)["fp8_flushed"]["to()"]
    assert share == pytest.approx(7e-4 / (1 + 7e-4), rel=1e-3)
    assert math.isnan(seen(lambda x: x.to(E4M3), torch.zeros(2, 4))["fp8_flushed"]["to()"])


def test_what_breaks_is_told_from_what_was_broken() -> None:
    large = 200 * ROW
    assert seen(lambda x: x.to(E5M2), large)["fp8_broken"]["to()"] == 1
    assert seen(lambda x: x.clamp(-57344, 57344).to(E5M2), large)["fp8_broken"]["to()"] == 0
    broken = large.clone()
    broken[0, 0] = math.nan
    assert math.isnan(seen(lambda x: x.to(E5M2), broken)["fp8_broken"]["to()"])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_any_precision_is_cast(dtype: torch.dtype) -> None:
    facts = seen(lambda x: (x / 10).to(dtype).mul(10).to(E4M3))
    assert facts["fp8_clipped"]["to()"] == 0.25
    assert facts["fp8_broken"]["to()"] in {0.0, 1.0}  # by the version of torch


def test_each_cast_of_a_module_is_one_and_there_is_an_end() -> None:
    def twelve(x: Tensor) -> Tensor:
        return torch.stack([(x + i).to(E4M3).float() for i in range(12)]).sum(0)

    columns = list(seen(twelve)["fp8_clipped"])
    assert columns == ["to()", *(f"to() {count}" for count in range(2, 9))]


def test_no_cast_is_none() -> None:
    facts = seen(lambda x: x.clamp(-448, 448).to(torch.bfloat16))
    assert not [name for name in facts if name.startswith("fp8")]


@pytest.mark.parametrize("grad", [True, False])
def test_the_training_pass_alone_counts(grad: bool) -> None:
    model = _Casting(lambda x: x.to(E4M3))
    optimizer = torch.optim.SGD(model.parameters(), 1e-9)
    watched = Watched(model, optimizer)
    with torch.set_grad_enabled(grad):
        model(1000 * ROW.abs() + 1000)  # an evaluation, or a pass that nothing is trained by
    model(ROW).sum().backward()
    optimizer.step()
    watched.end()
    assert watched.steps[-1]["fp8_clipped"] == {"to()": 0.25}


def test_a_training_is_the_same_with_and_without() -> None:
    def trained(*, looked: bool) -> list[Any]:
        torch.manual_seed(0)
        model = _Casting(_in_place)
        optimizer = torch.optim.SGD(model.parameters(), 1e-6)
        watched = Watched(model, optimizer) if looked else None
        for _ in range(3):
            optimizer.zero_grad()
            model(ROW).square().sum().backward()
            optimizer.step()
        if watched is not None:
            watched.end()
        return [p.tolist() for p in model.parameters()]

    assert trained(looked=True) == trained(looked=False)
