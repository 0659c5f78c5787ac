"""Two schedules of one optimizer: which of them counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.optim.lr_scheduler import (
    ChainedScheduler,
    CosineAnnealingLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiStepLR,
    SequentialLR,
)

from tb_lossdiag.collect.state.schedulers import schedulers_of
from tb_lossdiag.collect.state.two_schedules import TwoSchedules
from tb_lossdiag.quantities import OVERWRITTEN


def _rise(step: int) -> float:
    return min(1.0, (step + 1) / 10)


def _said(make: Callable[[Any], list[Any]], steps: int = 100, until: int = 10**6) -> str:
    """What is said of schedules that are stepped together; the last one only `until` some step."""
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
    made = make(optimizer)
    two = TwoSchedules(optimizer)
    two.know(schedulers_of(optimizer))
    said = ""
    for step in range(steps):
        optimizer.step()
        for each in made if step < until else made[:-1]:
            each.step()
        if step % 5 == 0:
            said = two.words().get(OVERWRITTEN, said)
    return said


def _apart(optimizer: Any) -> list[Any]:
    return [MultiStepLR(optimizer, [50]), LambdaLR(optimizer, _rise)]


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (_apart, "MultiStepLR"),
        (lambda o: list(reversed(_apart(o))), "MultiStepLR"),
        (lambda o: [LambdaLR(o, _rise), CosineAnnealingLR(o, 100)], "CosineAnnealingLR"),
        (
            lambda o: [ChainedScheduler([LambdaLR(o, _rise), ExponentialLR(o, 0.99)])],
            "ExponentialLR",
        ),
    ],
)
def test_who_makes_each_rate_of_the_first_writes_over_the_other(
    make: Callable[[Any], list[Any]], name: str
) -> None:
    assert _said(make) == f"LambdaLR {name}"


def _one_after_the_other(optimizer: Any) -> list[Any]:
    parts = [LambdaLR(optimizer, _rise), MultiStepLR(optimizer, [30])]
    return [SequentialLR(optimizer, parts, [10])]


@pytest.mark.parametrize(
    "make",
    [
        _one_after_the_other,
        lambda o: [LinearLR(o, 0.1, total_iters=10), MultiStepLR(o, [50])],
        lambda o: [ChainedScheduler([LinearLR(o, 0.1), ExponentialLR(o, 0.99)])],
        lambda o: [MultiStepLR(o, [500]), LambdaLR(o, _rise)],
        lambda o: [LambdaLR(o, _rise)],
    ],
)
def test_what_multiplies_comes_one_after_the_other_or_has_nothing_to_do_is_sound(
    make: Callable[[Any], list[Any]],
) -> None:
    assert not _said(make)


def test_a_warm_up_that_ends_is_sound() -> None:
    assert not _said(_apart, until=10)
