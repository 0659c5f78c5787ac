from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from tb_lossdiag.collect.check_up.rounding import Rounding
from tb_lossdiag.collect.check_up.subject import Subject
from tb_lossdiag.quantities import STUCK_SHARE


def stuck(dtype: torch.dtype, by: float, steps: int = 1, *, held: bool = True) -> float | None:
    """The share after some steps that each take `by` from weights of 1; None where nothing is told."""
    model = nn.Linear(8, 8).to(dtype)
    nn.init.ones_(model.weight)
    model.bias.requires_grad = False
    parameters = list(model.parameters() if held else nn.Linear(1, 1).parameters())
    optimizer = torch.optim.SGD(parameters, lr=by)
    rounding = Rounding(Subject("", model, optimizer))
    rounding.before_step()
    for _ in range(steps):
        model.weight.grad = torch.ones_like(model.weight)
        optimizer.step()
    found = rounding.facts().get(STUCK_SHARE)
    return None if found is None else float(found)


@pytest.mark.parametrize(("by", "share"), [(1e-3, 1.0), (8e-3, 0.0)])
def test_steps_below_half_of_the_spacing_are_lost(by: float, share: float) -> None:
    assert stuck(torch.bfloat16, by) == share
    assert stuck(torch.bfloat16, by, steps=100) == share


def test_float16_is_finer() -> None:
    assert stuck(torch.float16, 1e-3) == 0
    assert stuck(torch.float16, 1e-4) == 1


def test_nothing_is_said_of_single_precision_or_of_what_no_optimizer_holds() -> None:
    assert stuck(torch.float32, 1e-9) is None
    assert stuck(torch.bfloat16, 1e-3, held=False) is None


def test_elements_without_a_gradient_do_not_count() -> None:
    model = nn.Linear(4, 4, bias=False).to(torch.bfloat16)
    nn.init.ones_(model.weight)
    rounding = Rounding(Subject("", model, torch.optim.SGD(model.parameters(), lr=1.0)))
    rounding.before_step()
    model.weight.grad = torch.zeros_like(model.weight)
    assert math.isnan(float(rounding.facts()[STUCK_SHARE]))
    model.weight.grad[0, 0] = 1
    with torch.no_grad():
        model.weight[0, 0] = 2
    assert float(rounding.facts()[STUCK_SHARE]) == 0
    model.float()
    assert rounding.facts() == {}
