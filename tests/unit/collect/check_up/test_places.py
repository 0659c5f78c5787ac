"""Places that are cast to half precision within the forward pass."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn

from helpers.check_up_driver import Watched, assert_nothing_installed
from tb_lossdiag.quantities import PLACES_MERGED

Cast = Callable[[Tensor], Tensor]


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    yield
    assert_nothing_installed()


class Placed(nn.Module):
    """Adds a number to its answers, made of what was cast."""

    def __init__(self, cast: Cast) -> None:
        super().__init__()
        self.cast, self.layer = cast, nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.layer(x) + self.cast(x).float().cos().mean()
        return answer


def _merged(cast: Cast) -> float:
    torch.manual_seed(0)
    model = Placed(cast)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    watched = Watched(model, optimizer)
    model(torch.randn(8, 4)).square().sum().backward()
    optimizer.step()
    watched.end()
    return watched.value(PLACES_MERGED, column="")


HALF = torch.zeros(1, dtype=torch.bfloat16)


@pytest.mark.parametrize(
    ("cast", "share"),
    [
        (lambda _: torch.arange(512, 1024).bfloat16(), 0.75),
        (lambda _: torch.arange(512, 1024).type_as(HALF), 0.75),
        (lambda _: torch.arange(512.0, 1024.0).to(torch.bfloat16), 0.75),
        (lambda _: torch.arange(512, 1024).expand(3, 512).to(dtype=torch.bfloat16), 0.75),
        (lambda _: torch.arange(4096, 8192).half(), 0.75),
        (lambda _: (torch.arange(16).bfloat16(), torch.arange(512, 1024).bfloat16())[0], 0.75),
        (lambda _: torch.arange(256).bfloat16(), 0.0),
        (lambda _: torch.arange(2048).half(), 0.0),
    ],
)
def test_places_that_a_format_cannot_tell_apart(cast: Cast, share: float) -> None:
    assert _merged(cast) == pytest.approx(share, abs=0.01)


@pytest.mark.parametrize(
    "cast",
    [
        lambda _: torch.arange(512, 1024).float(),
        lambda _: torch.arange(512, 1024).cos().bfloat16(),
        lambda _: torch.arange(0, 2048, 2).bfloat16(),  # numbers of another kind
        lambda _: torch.arange(1000, 1007).bfloat16(),
        lambda _: torch.randint(1000, (64,)).bfloat16(),
        lambda _: (torch.arange(512, 1024) > 600).bfloat16(),
        lambda x: x.bfloat16(),
    ],
)
def test_other_numbers_are_no_places(cast: Cast) -> None:
    assert math.isnan(_merged(cast))
