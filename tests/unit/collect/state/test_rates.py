"""Rates step by step are those of the groups, whatever becomes of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from tb_lossdiag.collect.state.rates import StepRates, rates

Change = Callable[[list[dict[str, Any]]], object]


def adam() -> Any:
    weights = [torch.zeros(2, requires_grad=True) for _ in range(2)]
    groups: list[dict[str, Any]] = [{"params": weights[:1]}, {"params": weights[1:], "lr": 0.5}]
    return torch.optim.AdamW(groups, lr=0.25)


def each(found: list[Any]) -> list[tuple[float, ...]]:
    return [tuple(-1.0 if math.isnan(rate) else rate for rate in group) for group in found]


def now(optimizer: Any) -> list[tuple[float, ...]]:
    return each(list(rates(optimizer, "").values()))


CHANGES: dict[str, Change] = {
    "a rate": lambda groups: groups[1].update(lr=0.125),
    "betas": lambda groups: groups[0].update(betas=(0.5, 0.75)),
    "a decay": lambda groups: groups[0].update(weight_decay=2.0),
    "a group more": lambda groups: groups.append({**groups[0], "lr": 4.0}),
    "a group less": lambda groups: groups.pop(),
    "no rate": lambda groups: groups[0].pop("lr"),
    "a tensor": lambda groups: groups[0].update(lr=torch.tensor(2.0)),
    "nothing": list,
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_changes_is_seen_at_the_next_step(change: str) -> None:
    optimizer = adam()
    found = StepRates(optimizer)
    for _ in range(2):
        assert each(found.now()) == now(optimizer)
    CHANGES[change](optimizer.param_groups)
    for _ in range(2):
        assert each(found.now()) == now(optimizer)


def test_a_tensor_that_is_changed_in_place_is_seen() -> None:
    optimizer = adam()
    optimizer.param_groups[0]["lr"] = rate = torch.tensor(2.0)
    found = StepRates(optimizer)
    found.now()
    rate.fill_(1.0)
    assert found.now()[0][0] == 1.0


def test_a_rate_that_no_group_had_is_seen_now_and_then() -> None:
    optimizer = adam()
    found = StepRates(optimizer)
    found.now()
    for group in optimizer.param_groups:
        group["momentum"] = 0.5
    found.forget()
    assert each(found.now()) == now(optimizer)


def test_what_stays_is_the_same_list() -> None:
    found = StepRates(adam())
    assert found.now() is found.now()
