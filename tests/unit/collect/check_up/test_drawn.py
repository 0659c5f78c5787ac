"""Weights as they were drawn, and weights that have learned."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import nn
from torch.nn import init
from torch.nn.functional import cross_entropy

from helpers.check_up_driver import Watched, assert_nothing_installed
from tb_lossdiag import quantities as q
from tb_lossdiag.demo.digits import digits


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    yield
    assert_nothing_installed()


def _mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))


def _convolutions() -> nn.Module:
    return nn.Sequential(
        nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 32, 3), nn.ReLU(),
        nn.Flatten(), nn.Linear(512, 10),
    )  # fmt: skip


def _normalised() -> nn.Module:
    return nn.Sequential(nn.Linear(64, 128), nn.LayerNorm(128), nn.ReLU(), nn.Linear(128, 10))


MADE = [_mlp, _convolutions, _normalised]


def _train(model: nn.Module, optimizer: torch.optim.Optimizer, count: int) -> None:
    training, _ = digits()
    for images, labels in training.batches(count, 64):
        optimizer.zero_grad()
        cross_entropy(model(images.flatten(1)), labels).backward()
        optimizer.step()


def _first(model: nn.Module) -> float:
    """What the first of two check-ups says."""
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    watched = Watched(model, optimizer)
    _train(model, optimizer, 2)
    watched.end()
    assert math.isnan(watched.value(q.LEARNED_BEFORE, 1)), "it is looked at once"
    return watched.value(q.LEARNED_BEFORE, 0)


@pytest.mark.parametrize("make", MADE)
def test_a_model_that_has_learned(make: Callable[[], nn.Module]) -> None:
    torch.manual_seed(0)
    model = make()
    _train(model, torch.optim.Adam(model.parameters(), lr=2e-3), 400)
    assert _first(model) == 1
    last = [m for m in model.modules() if isinstance(m, nn.Linear)][-1]
    last.reset_parameters()
    assert _first(model) == 0, "its head is new"


DRAWS: list[Callable[[torch.Tensor], object]] = [
    lambda _: None,
    init.normal_,
    lambda w: init.normal_(w, std=10),
    init.xavier_uniform_,
    init.kaiming_normal_,
    init.orthogonal_,
    init.trunc_normal_,
    init.zeros_,
    init.ones_,
    lambda w: init.sparse_(w, 0.5) if w.dim() == 2 else None,
]


@pytest.mark.parametrize("draw", DRAWS)
@pytest.mark.parametrize("make", MADE)
def test_a_model_as_it_was_drawn(
    make: Callable[[], nn.Module], draw: Callable[[torch.Tensor], object]
) -> None:
    torch.manual_seed(0)
    model = make()
    for parameter in model.parameters():
        if parameter.dim() > 1:
            draw(parameter.data)
    assert _first(model) == 0


def test_tables_and_single_answers_say_nothing() -> None:
    model = nn.Sequential(nn.Linear(64, 1))
    training, _ = digits()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    watched = Watched(model, optimizer)
    for images, _ in training.batches(1, 64):
        model(images.flatten(1)).mean().backward()
        optimizer.step()
    watched.end()
    assert math.isnan(watched.value(q.LEARNED_BEFORE, 0))
