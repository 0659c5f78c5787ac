"""Parameters that belong to no layer, as a check-up sees them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn

from helpers.check_up_driver import Watched, assert_nothing_installed
from tb_lossdiag import quantities as q

Weigh = Callable[[Tensor, Tensor], Tensor]


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    yield
    assert_nothing_installed()


class _Tasks(nn.Module):
    def __init__(self, numbers: int = 2) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 2)
        self.weights = nn.Parameter(torch.linspace(0.5, 1.5, numbers))


def _seen(weigh: Weigh, passes: int = 1) -> tuple[float, float]:
    """Deviation and kind of a loss of two tasks that is weighed so."""
    torch.manual_seed(0)
    model = _Tasks()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    watched = Watched(model, optimizer)
    for _ in range(passes):
        out = model.layer(torch.randn(16, 4))
        weigh(
            model.weights, torch.stack([out[:, 0].square().mean(), out[:, 1].abs().mean()])
        ).backward()
    optimizer.step()
    watched.end()
    return watched.value(q.FREE_DEVIATION, column="weights"), watched.value(
        q.FREE_KIND, column="weights"
    )


@pytest.mark.parametrize(
    ("weigh", "kind"),
    [
        (lambda p, terms: ((-p).exp() * terms).sum(), 0),
        (lambda p, terms: (terms / (2 * (2 * p).exp())).sum(), 1),
        (lambda p, terms: (p * terms).sum(), 2),
        (lambda p, terms: (terms / p).mean(), 3),
        (lambda p, terms: 7 * (terms / p**2).sum(), 4),
    ],
)
def test_a_multiple_of_what_it_says(weigh: Weigh, kind: int) -> None:
    deviation, seen = _seen(weigh)
    assert deviation < 1e-5
    assert seen == kind


@pytest.mark.parametrize(
    "weigh",
    [
        lambda p, terms: ((-p).exp() * terms + p).sum(),
        lambda p, terms: (terms / p + 0.1 * (1 + p).log()).sum(),
        lambda p, terms: (p.softmax(0) * terms).sum(),
        lambda p, terms: (p[0] * terms[0] + terms[1]).sum(),
    ],
)
def test_a_price_or_another_term(weigh: Weigh) -> None:
    assert _seen(weigh)[0] > 1e-2


def test_below_zero_and_of_several_passes_nothing_is_known() -> None:
    assert math.isnan(_seen(lambda p, terms: -((-p).exp() * terms).sum())[0])
    assert math.isnan(_seen(lambda p, terms: ((-p).exp() * terms).sum(), passes=2)[0])


class _Held(nn.Module):
    """Numbers in a list, many of them, and those of a layer."""

    def __init__(self) -> None:
        super().__init__()
        self.many, self.norm = _Tasks(17), nn.LayerNorm(4)
        self.list = nn.ParameterList([torch.ones(2)])

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.norm(self.many.layer(x).repeat(1, 2)).square().mean()
        scale: Tensor = self.many.weights.sum() + self.list[0].sum()
        return scale * out


def test_layers_and_long_parameters_are_left_alone() -> None:
    model = _Held()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    watched = Watched(model, optimizer)
    model(torch.randn(8, 4)).backward()
    optimizer.step()
    watched.end()
    assert set(watched.steps[-1][q.FREE_DEVIATION.name]) == {"list.0"}
