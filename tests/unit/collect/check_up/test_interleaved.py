"""Whether colours lie in turn along the rows of pictures."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from helpers.check_up_driver import Watched
from tb_lossdiag import quantities as q
from tb_lossdiag.collect.check_up.model.interleaved import interleaved_facts

draw = torch.Generator().manual_seed(0)


def smooth(channels: int = 3, size: int = 16) -> Tensor:
    """Pictures in order, float32[64, channels, size, size]: neighbours are alike, colours somewhat."""
    coarse = torch.rand(64, channels, 5, 5, generator=draw) + torch.rand(
        64, 1, 5, 5, generator=draw
    )
    return interpolate(coarse, size=size, mode="bilinear") + 0.01 * torch.randn(
        64, channels, size, size, generator=draw
    )


def reshaped(pictures: Tensor) -> Tensor:
    """The same with channels last, given the old shape."""
    return pictures.permute(0, 2, 3, 1).reshape(pictures.shape)


def ahead(pictures: Tensor) -> float | None:
    facts = interleaved_facts(pictures)
    return float(facts[q.INPUT_INTERLEAVED]) if facts else None


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("size", [16, 300])
def test_pictures_in_order_and_reshaped(channels: int, size: int) -> None:
    pictures = smooth(channels, size)[:32]
    assert (ahead(pictures) or 0) < -0.01
    assert (ahead(reshaped(pictures)) or 0) > 0.1
    assert (ahead(reshaped(pictures).bfloat16()) or 0) > 0.1


def test_what_has_no_order_and_what_is_grey() -> None:
    noise = torch.randn(64, 3, 16, 16, generator=draw)
    assert abs(ahead(noise) or 0) < 0.03
    grey = smooth(1).expand(-1, 3, -1, -1)
    assert (ahead(grey) or 0) < 0
    assert (ahead(reshaped(grey)) or 0) < 0.03  # nothing is torn that anyone could see
    stripes = (torch.arange(15) % 3 == 0).float().expand(8, 3, 15, 15)
    assert (ahead(stripes) or 0) <= 0


@pytest.mark.parametrize("shape", [(8, 3, 64), (8, 2, 16, 16), (8, 5, 16, 16), (8, 3, 7, 9)])
def test_what_is_no_picture(shape: tuple[int, ...]) -> None:
    assert ahead(torch.rand(shape, generator=draw)) is None


def test_one_colour_says_nothing() -> None:
    flat = ahead(torch.ones(8, 3, 16, 16))
    assert flat is None or flat != flat  # noqa: PLR0124  (NaN is not itself)


@pytest.mark.parametrize("wrong", [False, True])
def test_a_step_tells_it(wrong: bool) -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 14 * 14, 2))
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    watched = Watched(model, optimizer)
    pictures = smooth()
    model(reshaped(pictures) if wrong else pictures).square().mean().backward()
    optimizer.step()
    watched.end()
    assert (watched.value(q.INPUT_INTERLEAVED) > 0) is wrong
