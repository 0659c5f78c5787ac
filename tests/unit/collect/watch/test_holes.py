"""When a good part of a matrix became 0."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tb_lossdiag.collect.watch.holes import Holes

SIZE = 40


def _told(*weights: Tensor, step: int = 20) -> list[tuple[int, int]]:
    told: list[tuple[int, int]] = []
    holes = Holes(lambda before, after: told.append((before, after)))
    for number, weight in enumerate(weights):
        holes.count(["w", "b"], [weight.requires_grad_(), torch.zeros(3, requires_grad=True)])
        seen = holes.counted(step * number)
        assert seen.finish([tensor.reshape(1).numpy() for tensor in seen.tensors]) == []
    return told


def _cut(share: float) -> Tensor:
    """A matrix of which the first elements are 0."""
    weight = torch.ones(SIZE, SIZE)
    weight.view(-1)[: int(share * SIZE**2)] = 0
    return weight


@pytest.mark.parametrize(
    ("shares", "told"),
    [
        ((0.0, 0.25, 0.25), [(0, 20)]),
        ((0.0, 0.15, 0.15), []),
        ((0.5, 0.75, 0.875), [(0, 20), (20, 40)]),  # half of what was left, each time
        ((0.9, 0.9, 0.0), []),  # began with zeros, as an adapter does
        ((1.0, 0.5, 0.55), []),
        ((0.0, 1.0, 1.0), []),  # a layer that is lost was not pruned
    ],
    ids=["a quarter", "less than a fifth", "again", "fewer", "begins at 0", "all of it"],
)
def test_told_where_a_fifth_became_0(
    shares: tuple[float, ...], told: list[tuple[int, int]]
) -> None:
    assert _told(*(_cut(share) for share in shares)) == told


def test_columns_of_a_wide_matrix_are_met() -> None:
    """As where inputs are cut away; a stride of their number would meet one of them only."""
    weight = torch.ones(64, 64)
    weight[:, ::3] = 0
    assert _told(torch.ones(64, 64), weight) == [(0, 20)]


def test_other_parameters_are_left_out() -> None:
    assert _told(torch.ones(SIZE), torch.zeros(SIZE)) == []
    frozen = torch.ones(SIZE, SIZE)
    holes = Holes(lambda _before, _after: pytest.fail("told"))
    holes.count(["w"], [frozen])
    assert not holes.counted(0).tensors
