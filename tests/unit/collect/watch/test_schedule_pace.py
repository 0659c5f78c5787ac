"""How far a schedule has come is noted after ever more steps, for those that know where they end."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler as schedulers

from tb_lossdiag.collect.watch.schedule_pace import SchedulePace, length_of

_ENDLESS: Any = float("inf")


def optimizer() -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.zeros(1)], lr=1.0)


def _linear(step: int, *, num_training_steps: int) -> float:
    return 1 - step / num_training_steps


def test_it_is_looked_at_after_twice_as_many_steps_each_time() -> None:
    one = schedulers.CosineAnnealingLR(optimizer(), T_max=90)
    pace = SchedulePace("net", lambda: one)
    seen = []
    for taken in range(0, 200, 20):
        if news := pace.news(taken):
            seen.append(taken)
            assert [r.quantity.name for r in news] == [
                "schedule_length",
                "schedule_calls",
                "schedule_steps",
            ]
            assert [float(r.values[0]) for r in news] == [90, 0, taken]
            assert {r.columns for r in news} == {("net",)}
    assert seen == [0, 20, 40, 80, 160]


@pytest.mark.parametrize("one", [None, SimpleNamespace(last_epoch=3), "no scheduler"])
def test_nothing_where_nothing_is_known(one: Any) -> None:
    assert SchedulePace("", lambda: one).news(0) == []


def test_what_accelerate_puts_around_a_schedule_is_looked_through() -> None:
    inner = schedulers.CosineAnnealingLR(optimizer(), T_max=90)
    assert SchedulePace("", lambda: SimpleNamespace(scheduler=inner)).news(0)


@pytest.mark.parametrize(
    ("make", "length"),
    [
        (lambda o: schedulers.CosineAnnealingLR(o, T_max=90), 90),
        (lambda o: schedulers.CosineAnnealingLR(o, T_max=_ENDLESS), 0),
        (lambda o: schedulers.LinearLR(o, 1.0, 0.1, total_iters=50), 50),
        (lambda o: schedulers.LinearLR(o, 0.1, 1.0, total_iters=50), 0),
        (lambda o: schedulers.PolynomialLR(o, total_iters=70), 70),
        (lambda o: schedulers.OneCycleLR(o, 1.0, total_steps=60), 60),
        (lambda o: schedulers.StepLR(o, 30), 0),
        (lambda o: schedulers.CosineAnnealingWarmRestarts(o, 30), 0),
        (lambda o: schedulers.LambdaLR(o, partial(_linear, num_training_steps=80)), 80),
        (lambda o: schedulers.LambdaLR(o, lambda step: 1 / (1 + step)), 0),
    ],
)
def test_how_long_a_plan_is(make: Any, length: int) -> None:
    assert length_of(make(optimizer())) == length


@pytest.mark.parametrize("end", [True, False])
def test_a_sequence_ends_with_its_last_part(end: bool) -> None:
    one = optimizer()
    rise = schedulers.LinearLR(one, 0.1, 1.0, total_iters=10)
    last = schedulers.CosineAnnealingLR(one, 90) if end else schedulers.ConstantLR(one, 1.0)
    assert length_of(schedulers.SequentialLR(one, [rise, last], [10])) == (100 if end else 0)
