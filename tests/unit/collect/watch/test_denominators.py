from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, NAdam, Optimizer, RMSprop

from tb_lossdiag.collect.state.transfer import gather
from tb_lossdiag.collect.watch.denominators import denominators
from tb_lossdiag.quantities import EPSILON, SECOND_MOMENT_ROOT


def seen(optimizer: Optimizer, model: nn.Module) -> dict[str, list[float]]:
    """What is recorded of each parameter, by quantity; nothing where nothing is."""
    named = dict(model.named_parameters())
    sample = denominators(optimizer, tuple(named), tuple(named.values()))
    if sample is None:
        return {}
    records = sample.finish(gather(sample.tensors))
    return {record.quantity.name: np.asarray(record.values).tolist() for record in records}


def stepped(optimizer: Optimizer, gradient: float, steps: int = 1) -> None:
    for _ in range(steps):
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad = torch.full_like(parameter, gradient)
        optimizer.step()


@pytest.mark.parametrize("kind", [Adam, AdamW, NAdam])
@pytest.mark.parametrize("steps", [1, 30])
def test_the_root_of_a_constant_gradient_is_that_gradient(kind: type[Adam], steps: int) -> None:
    model = nn.Linear(40, 30)
    optimizer = kind(model.parameters(), lr=1e-3, eps=1e-6)
    stepped(optimizer, -3e-5, steps)
    root, bias = seen(optimizer, model)[SECOND_MOMENT_ROOT.name]
    assert root == pytest.approx(3e-5, rel=1e-4)
    assert math.isnan(bias)
    assert seen(optimizer, model)[EPSILON.name][0] == pytest.approx(1e-6)


def test_amsgrad_divides_by_the_largest() -> None:
    model = nn.Linear(4, 3, bias=False)
    optimizer = Adam(model.parameters(), lr=1e-3, betas=(0.9, 0.5), amsgrad=True)
    stepped(optimizer, 1.0, 20)
    stepped(optimizer, 1e-3, 20)
    assert seen(optimizer, model)[SECOND_MOMENT_ROOT.name][0] == pytest.approx(1.0, rel=1e-3)


def test_rmsprop_corrects_nothing() -> None:
    model = nn.Linear(4, 3, bias=False)
    optimizer = RMSprop(model.parameters(), lr=1e-3, alpha=0.99)
    stepped(optimizer, 1.0)
    assert seen(optimizer, model)[SECOND_MOMENT_ROOT.name][0] == pytest.approx(0.1, rel=1e-3)


def test_elements_without_a_gradient_do_not_count() -> None:
    model = nn.Linear(4, 4, bias=False)
    optimizer = Adam(model.parameters())
    model.weight.grad = torch.zeros(4, 4)
    model.weight.grad[0] = 2.0
    optimizer.step()
    assert seen(optimizer, model)[SECOND_MOMENT_ROOT.name][0] == pytest.approx(2.0, rel=1e-4)
    idle = nn.Linear(4, 4, bias=False)
    optimizer = Adam(idle.parameters())
    stepped(optimizer, 0.0)
    assert math.isnan(seen(optimizer, idle)[SECOND_MOMENT_ROOT.name][0])


def test_nothing_where_there_are_no_moments_that_are_known() -> None:
    model = nn.Linear(4, 3)
    assert not seen(Adam(model.parameters()), model)  # no step yet
    descent = SGD(model.parameters(), lr=0.1, momentum=0.9)
    stepped(descent, 1.0)
    assert not seen(descent, model)
    centred = RMSprop(model.parameters(), centered=True)
    stepped(centred, 1.0)
    assert not seen(centred, model)


def test_moments_of_another_form_are_left_out() -> None:
    model = nn.Linear(4, 3, bias=False)
    optimizer = Adam(model.parameters())
    stepped(optimizer, 1.0)
    optimizer.state[model.weight]["exp_avg_sq"] = torch.ones(4)
    assert not seen(optimizer, model)
    optimizer.state[model.weight]["exp_avg_sq"] = torch.ones(3, 4)
    optimizer.param_groups[0]["betas"] = None
    assert not seen(optimizer, model)
    optimizer.param_groups[0]["eps"] = (1e-30, 1e-3)
    assert not seen(optimizer, model)


def test_frozen_parameters_are_left_out() -> None:
    model = nn.Sequential(nn.Linear(4, 3, bias=False), nn.Linear(3, 3, bias=False))
    optimizer = Adam(model.parameters())
    stepped(optimizer, 1.0)
    model[0].requires_grad_(False)
    assert math.isnan(seen(optimizer, model)[SECOND_MOMENT_ROOT.name][0])
    assert seen(optimizer, model)[SECOND_MOMENT_ROOT.name][1] == pytest.approx(1.0, rel=1e-4)
