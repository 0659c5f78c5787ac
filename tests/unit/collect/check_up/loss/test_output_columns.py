"""What is learned of outputs of very different sizes."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from helpers.check_up_driver import Watched
from tb_lossdiag import quantities as q

_SIZES = (1.0, 1.0, 1000.0)


def _left(sizes: tuple[float, ...], off: tuple[float, ...], rows: int = 64) -> tuple[float, float]:
    """Shares left of the best small output and of the largest, with predictions that are off by so many deviations."""
    model = nn.Linear(2, len(sizes))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    watched = Watched(model, optimizer)
    asked = torch.randn(rows, len(sizes))
    asked = (asked - asked.mean(0)) / asked.std(0, correction=0) * torch.tensor(sizes)
    said: Tensor = asked + torch.tensor(off) * torch.tensor(sizes)
    nn.functional.mse_loss(said + 0 * model(torch.randn(rows, 2)), asked).backward()
    optimizer.step()
    watched.end()
    small, large = (
        watched.value(each, column="mse_loss") for each in (q.CALL_SMALL_LEFT, q.CALL_LARGE_LEFT)
    )
    return small, large


def test_the_best_of_the_small_ones_counts() -> None:
    small, large = _left(_SIZES, (1.0, 0.5, 0.1))
    assert small == pytest.approx(0.25, rel=1e-3)
    assert large == pytest.approx(0.01, rel=1e-3)


@pytest.mark.parametrize(
    ("sizes", "rows"),
    [((1.0, 1.0, 90.0), 64), ((0.0, 1.0, 90.0), 64), (_SIZES, 4), ((1.0,) * 17, 64)],
)
def test_outputs_of_one_size_constants_few_samples_and_pictures_say_nothing(
    sizes: tuple[float, ...], rows: int
) -> None:
    assert all(math.isnan(each) for each in _left(sizes, (0.5,) * len(sizes), rows))
