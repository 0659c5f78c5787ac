"""Passes of one step that are of other samples than the one before."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn

from helpers.check_up_driver import Watched, assert_nothing_installed
from tb_lossdiag import quantities as q

N = 16


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    yield
    assert_nothing_installed()


def _net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 1))


X, WORDS, MEMORY = torch.randn(N, 4), torch.randint(50, (N, 8)), torch.randn(N, 4)
GIVEN: dict[str, Callable[[], Tensor]] = {
    "parts": lambda: torch.randn(N, 4),
    "words": lambda: torch.randint(50, (N, 8)),
    "words masked anew": lambda: WORDS.where(torch.rand(N, 8) > 0.1, 3),
    "an attack": lambda: X + 0.03 * torch.randn(N, 4).sign(),
    "what is overwritten": MEMORY.normal_,
    "few numbers": lambda: torch.randn(3, 4),
}


@pytest.mark.parametrize(("what", "others"), [
    ("parts", 3),
    ("words", 3),
    ("words masked anew", 0),
    ("an attack", 0),
    ("what is overwritten", 0),
    ("few numbers", 0),
])  # fmt: skip
def test_passes_of_other_samples(what: str, others: int) -> None:
    model = nn.Sequential(nn.Embedding(50, 4), _net()) if "words" in what else _net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    watched = Watched(model, optimizer)
    for _ in range(2):
        for _part in range(4):
            model(GIVEN[what]()).square().mean().backward()
        optimizer.step()
    watched.end()
    assert watched.value(q.OTHER_SAMPLES) == others


def test_passes_of_other_samples_with_other_weights_or_from_another_line_are_no_parts() -> None:
    model = _net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    watched = Watched(model, optimizer)
    for _ in range(2):
        for part in range(4):
            loss = model(torch.randn(N, 4)).square().mean() + model(X).mean()
            if part == 1:
                loss.backward()
            else:
                loss.backward()
        with torch.no_grad():
            next(model.parameters()).add_(0.01)
        model(torch.randn(N, 4)).mean().backward()
        optimizer.step()
    watched.end()
    assert watched.value(q.OTHER_SAMPLES) == 1
