"""How far apart what a loss' hinges compare is, in their margin, however they are written."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, normalize, pairwise_distance, relu

from helpers.check_up_driver import Watched, assert_nothing_installed
from tb_lossdiag import quantities as q

N = 30
Made = Callable[[Tensor, Tensor, Tensor], Tensor]


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    yield
    assert_nothing_installed()


def _seen(loss: Made, size: float) -> float:
    """What is seen of a loss of three samples' embeddings that are about so far apart."""
    torch.manual_seed(0)
    model = nn.Linear(6, 8)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    watched = Watched(model, optimizer)
    first, second, third = model(size * torch.randn(N, 6)).chunk(3)
    loss(first, second, third).backward()
    optimizer.step()
    watched.end()
    return watched.value(q.COMPARED_IN_MARGINS, column="")


def _distances(z: Tensor, other: Tensor) -> Tensor:
    return torch.cdist(z, other).diagonal()


def _in_place(a: Tensor, p: Tensor, n: Tensor) -> Tensor:
    margin = torch.tensor(0.5)
    return torch.maximum(torch.zeros(len(a)), margin + _distances(a, p) - _distances(a, n)).mean()


ASKED: dict[str, Made] = {
    "of triplets": lambda a, p, n: relu(_distances(a, p) - _distances(a, n) + 0.5).mean(),
    "the margin first": lambda a, p, n: (0.5 - (_distances(a, n) - _distances(a, p))).clamp(min=0).sum() / 10,
    "the margin taken off": lambda a, p, n: (_distances(a, p) - (_distances(a, n) - 0.5)).relu().mean(),
    "the margin as a tensor": _in_place,
    "squares": lambda a, p, n: ((a - p).pow(2).sum(1) - (a - n).pow(2).sum(1) + 0.5).clamp(min=0).mean(),
    "of pairs": lambda a, p, n: (a - p).pow(2).sum(1).mean() + (0.5 - pairwise_distance(a, n)).relu().pow(2).mean(),
    "of lengths": lambda a, _, n: (0.5 - (a - n).norm(dim=1)).clamp(min=0).mean(),
    "beside another term": lambda a, p, n: 0.1 * a.square().mean() + relu(_distances(a, p) - _distances(a, n) + 0.5).mean(),
}  # fmt: skip
OTHERS: dict[str, Made] = {
    "a critic's hinge": lambda a, *_: (0.5 - a[:, 0]).relu().mean(),
    "no margin": lambda a, p, n: relu(_distances(a, p) - _distances(a, n)).mean(),
    "a margin that is let alone": lambda a, _, n: (cosine_similarity(a, n) - 0.2).relu().mean(),
    "the answer's own activation": lambda a, *_: relu(a + 0.5).square().mean(),
    "a ceiling as well": lambda a, p, n: (_distances(a, p) - _distances(a, n) + 0.5).clamp(0, 1).mean(),
    "a length of one": lambda a, *_: (0.5 - a.norm(dim=1)).relu().mean(),
    "behind a logarithm": lambda a, p, n: (1 + relu(_distances(a, p) - _distances(a, n) + 0.5)).log().mean(),
}  # fmt: skip


@pytest.mark.parametrize("name", ASKED)
def test_what_differs_is_seen_and_what_does_not(name: str) -> None:
    assert _seen(ASKED[name], 3.0) > 0.5
    assert _seen(ASKED[name], 1e-4) < 0.01


def test_it_is_in_margins() -> None:
    torch.manual_seed(0)
    a, p, n = nn.Linear(6, 8)(3.0 * torch.randn(N, 6)).chunk(3)
    near, far = _distances(a, p), _distances(a, n)
    expected = float((near - far).detach().abs().mean() / 0.5)
    assert _seen(ASKED["of triplets"], 3.0) == pytest.approx(expected, rel=1e-4)


def test_likenesses_of_unit_vectors() -> None:
    def loss(a: Tensor, p: Tensor, n: Tensor) -> Tensor:
        a, p, n = (normalize(each, dim=1) for each in (a, p, n))
        return torch.clamp(0.4 + (a * n).sum(1) - (a * p).sum(1), min=0).mean()

    assert _seen(loss, 3.0) > 0.5


@pytest.mark.parametrize("name", OTHERS)
def test_others_are_not(name: str) -> None:
    assert math.isnan(_seen(OTHERS[name], 3.0))
