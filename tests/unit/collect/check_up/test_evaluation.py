"""What the model is given in eval(), seen where it comes before a step that is looked at."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from helpers.check_up_driver import Watched
from tb_lossdiag import quantities as q

_FACTS = (q.EVAL_INPUT_MEAN, q.EVAL_INPUT_STD, q.EVAL_INPUT_MAX)


def _validated(x: torch.Tensor, *, training: bool = False) -> list[float]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    watched = Watched(model, optimizer)
    with torch.no_grad():
        model.train(training)(x)
        model(100 * x)  # the first batch is enough
    model.train()
    model(torch.randn(16, 4)).square().mean().backward()
    optimizer.step()
    watched.end()
    return [watched.value(quantity) for quantity in _FACTS]


def test_mean_spread_and_extreme_of_the_first_batch() -> None:
    x = 3 * torch.randn(64, 4) + 5
    expected = [float(x.mean()), float(x.std(correction=0)), float(x.abs().max())]
    assert _validated(x) == pytest.approx(expected, rel=1e-5)


def test_a_pass_without_gradients_in_train_is_no_validation() -> None:
    assert all(map(math.isnan, _validated(torch.ones(4, 4), training=True)))


def _compared(
    *, swapped: bool = False, evaluates: bool = True, kind: str = "mse_loss"
) -> list[float]:
    """A validation whose targets are 3 times as wide, about 5; on either side of the distance."""
    torch.manual_seed(0)
    model = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    watched = Watched(model, optimizer)

    def distance(x: torch.Tensor, y: torch.Tensor, name: str = "mse_loss") -> torch.Tensor:
        sides = (y, model(x)) if swapped else (model(x), y)
        made: torch.Tensor = getattr(nn.functional, name)(*sides)
        return made

    with torch.no_grad():
        model.train(not evaluates)
        distance(torch.randn(64, 4), torch.tensor([2.0, 8.0]).repeat(32)[:, None], kind)
        distance(torch.randn(64, 4), torch.zeros(64, 1), kind)  # the first batch is enough
    model.train()
    distance(torch.randn(16, 4), torch.randn(16, 1)).backward()
    optimizer.step()
    watched.end()
    return [watched.value(each) for each in (q.EVAL_TARGET_MEAN, q.EVAL_TARGET_STD)]


@pytest.mark.parametrize("swapped", [False, True])
def test_targets_of_the_first_batch(*, swapped: bool) -> None:
    assert _compared(swapped=swapped) == pytest.approx([5, 3])


def test_targets_of_another_distance_or_of_no_validation() -> None:
    assert all(map(math.isnan, _compared(kind="l1_loss")))
    assert all(map(math.isnan, _compared(evaluates=False)))
    assert all(map(math.isnan, _validated(torch.ones(4, 4))[3:]))
