"""Which experts a router chooses, as a check-up sees it; and what is no router."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from helpers.check_up_driver import Watched
from tb_lossdiag.collect.check_up.functions import Kind
from tb_lossdiag.collect.check_up.mode import FunctionCall
from tb_lossdiag.collect.check_up.model.routers import load_facts, router_facts
from tb_lossdiag.quantities import (
    ROUTER_ENTROPY,
    ROUTER_EXPERTS,
    ROUTER_IDLE,
    ROUTER_MOST,
    ROUTER_PER_EXPERT,
)

SCORES = torch.randn(40, 8, generator=torch.Generator().manual_seed(0))
EXPERTS = nn.Module()
EXPERTS.register_parameter("up", nn.Parameter(torch.zeros(8, 3, 2)))
LIST = nn.Module()
LIST.add_module("experts", nn.ModuleList(nn.Linear(2, 2) for _ in range(8)))


def call(*args: Any, **kwargs: Any) -> FunctionCall:
    made = FunctionCall(Kind.ROUTER, "topk", torch.topk, args, kwargs)
    made.result = torch.topk(*args, **kwargs)
    return made


def test_of_numbers_of_tokens() -> None:
    facts = load_facts([30, 10, 0, 0])
    assert facts[ROUTER_EXPERTS] == 4
    assert facts[ROUTER_PER_EXPERT] == 10
    assert facts[ROUTER_MOST] == 3
    assert facts[ROUTER_IDLE] == 0.5
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25)) / math.log(4)
    assert facts[ROUTER_ENTROPY] == pytest.approx(entropy)


@pytest.mark.parametrize("counts", [[1, 2, 3], [0, 0, 0, 0], [1, -1, 3, 4], [math.nan] * 4])
def test_what_is_no_load(counts: list[float]) -> None:
    assert not load_facts(counts)


@pytest.mark.parametrize("near", [[EXPERTS], [LIST], [nn.Linear(8, 8), EXPERTS], [EXPERTS, LIST]])
def test_a_router_stands_beside_its_experts(near: list[nn.Module]) -> None:
    facts = router_facts(call(SCORES, 2), near)
    counts = SCORES.topk(2).indices.flatten().bincount(minlength=8)
    assert facts[ROUTER_MOST] == pytest.approx(float(counts.max()) / 10)
    assert router_facts(call(SCORES.view(4, 10, 8), 2, dim=-1), near) == facts
    assert router_facts(call(SCORES, 2, 1), near) == facts


@pytest.mark.parametrize(
    "given",
    [
        (call(SCORES, 2), [nn.Linear(2, 8)]),  # an accuracy of the best two, or neighbours
        (call(SCORES, 8), [EXPERTS]),  # all of them: sorted
        (call(SCORES.T, 2, 0), [EXPERTS]),  # experts choose tokens
        (call(SCORES[0], 2), [EXPERTS]),
        (call(SCORES[:, :3], 2), [EXPERTS]),
        (call(SCORES.view(2, 2, 10, 8), 2), [EXPERTS]),
        (call(SCORES.round().long(), 2), [EXPERTS]),
    ],
)
def test_what_is_no_router(given: Any) -> None:
    assert not router_facts(*given)


def best(scores: Tensor, *args: Any, **kwargs: Any) -> FunctionCall:
    made = FunctionCall(Kind.PLAIN, "max", torch.max, (scores, *args), kwargs)
    made.result = torch.max(scores, *args, **kwargs)
    return made


SHARES = SCORES.softmax(-1).requires_grad_()


def test_a_router_may_take_the_best_alone() -> None:
    counts = SHARES.argmax(-1).bincount(minlength=8)
    for made in (best(SHARES, -1), best(SHARES, dim=1), best(SHARES.view(4, 10, 8), -1)):
        facts = router_facts(made, [nn.Linear(8, 8), LIST])
        assert facts[ROUTER_MOST] == pytest.approx(float(counts.max()) / 5)
        assert facts[ROUTER_PER_EXPERT] == 5


@pytest.mark.parametrize(
    "given",
    [
        (best(SHARES.detach(), -1), [LIST]),  # how sure it is, looked at
        (best(SCORES.clone().requires_grad_(), -1), [LIST]),  # of any numbers
        (best(SHARES, 0), [LIST]),
        (best(SHARES), [LIST]),
        (best(SHARES, -1), [LIST, nn.Linear(8, 8)]),  # a head of eight classes in a model of eight layers
        (best(SHARES, -1), [nn.Linear(8, 8)]),
        (best(SHARES, -1), [nn.Sequential(nn.Conv2d(1, 8, 5))]),  # as many channels as classes
    ],
)  # fmt: skip
def test_the_best_of_other_things_is_no_router(given: Any) -> None:
    assert not router_facts(*given)


class Switch(nn.Module):
    """One of eight experts for each token, as in Switch Transformers."""

    def __init__(self) -> None:
        super().__init__()
        self.router = nn.Linear(6, 8)
        self.experts = nn.ModuleList(nn.Linear(6, 6) for _ in range(8))

    def forward(self, x: Tensor) -> Tensor:
        weight, chosen = self.router(x).softmax(-1).max(dim=-1)
        outputs = torch.stack([expert(x) for expert in self.experts], 1)
        made: Tensor = weight[:, None] * outputs[torch.arange(len(x)), chosen]
        return made


def test_a_check_up_records_the_best_alone() -> None:
    model = nn.Sequential(Switch(), nn.Linear(6, 5))
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    watched = Watched(model, optimizer, activations=True)
    model(torch.randn(64, 6)).sum().backward()
    optimizer.step()
    watched.end()
    assert watched.steps[-1]["router_per_expert"] == {"0.max()": 8}


class Sure(nn.Module):
    """Eight layers, eight classes, and how sure it is of the best."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(8, 8) for _ in range(8))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = x + layer(x).relu()
        sure: Tensor = x.softmax(-1).max(dim=-1).values
        return sure


def test_an_answer_behind_as_many_layers_is_no_choice_of_experts() -> None:
    model = Sure()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    watched = Watched(model, optimizer, activations=True)
    model(torch.randn(64, 8)).sum().backward()
    optimizer.step()
    watched.end()
    assert "router_most" not in watched.steps[-1]


class Mixture(nn.Module):
    """Two of eight experts for each token."""

    def __init__(self) -> None:
        super().__init__()
        self.router = nn.Linear(6, 8)
        self.experts = nn.ModuleList(nn.Linear(6, 6) for _ in range(8))

    def forward(self, x: Tensor) -> Tensor:
        weights, chosen = self.router(x).softmax(-1).topk(2)
        out = torch.zeros_like(x)
        for index, expert in enumerate(self.experts):
            weight = (weights * (chosen == index)).sum(-1, keepdim=True)
            out = out + weight * expert(x)
        return out


def test_a_check_up_records_it() -> None:
    model = nn.Sequential(Mixture(), nn.Linear(6, 5))
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    watched = Watched(model, optimizer, activations=True)
    model(torch.randn(64, 6)).topk(2).values.sum().backward()
    optimizer.step()
    watched.end()
    seen = watched.steps[-1]
    assert set(seen["router_most"]) == {"0.topk()"}
    assert seen["router_per_expert"] == {"0.topk()": 16}
