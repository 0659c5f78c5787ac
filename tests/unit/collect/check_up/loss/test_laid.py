"""How maps that a loss asks for lie beside the pictures that the model was given."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tb_lossdiag import quantities as q
from tb_lossdiag.collect.check_up.loss.laid import laid_facts
from tb_lossdiag.collect.check_up.loss.loss_call import LossCall

draw = torch.Generator().manual_seed(0)
MASKS = torch.zeros(32, 16, 16, dtype=torch.int64)
for row, (top, left) in enumerate(torch.randint(0, 9, (32, 2), generator=draw).tolist()):
    MASKS[row, top : top + 3, left : left + 7] = 1
PICTURES = MASKS[:, None] + 0.2 * torch.randn(32, 1, 16, 16, generator=draw)
SCORES = torch.randn(32, 2, 16, 16, generator=draw)


def _seen(
    asked: Tensor | None, *given: Tensor, said: Tensor = SCORES, name: str = "mse_loss"
) -> tuple[float, float] | None:
    facts = laid_facts(LossCall(name, said, asked), given)
    return (float(facts[q.CALL_UPRIGHT]), float(facts[q.CALL_ACROSS])) if facts else None


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        (MASKS, "cross_entropy"),
        (MASKS[:, None].float(), "binary_cross_entropy"),
        (1 - MASKS[:, None].float(), "mse_loss"),
        (torch.cat([MASKS[:, None].float(), PICTURES], 1), "mse_loss"),
    ],
)
def test_maps_of_any_kind(asked: Tensor, name: str) -> None:
    for maps, upright in ((asked, True), (asked.mT, False)):
        found = _seen(maps, torch.randn(32, 5), PICTURES, name=name)
        assert found is not None
        this, other = found if upright else found[::-1]
        assert this > 0.6
        assert abs(other) < 0.1


def test_what_is_neither_bright_nor_dark() -> None:
    middle = torch.where(MASKS > 0, 0.5, (MASKS.roll(5, 1) > 0).float())[:, None]
    found = _seen(MASKS.mT, middle, name="cross_entropy")
    assert found is not None
    assert found[1] > 0.9
    assert found[0] < 0.1


def test_smaller_maps_and_places_without_a_class() -> None:
    small = torch.nn.functional.avg_pool2d(PICTURES, 4)
    found = _seen(small.mT, PICTURES)
    assert found is not None
    assert found[1] > 0.9
    ignored = MASKS.masked_fill(torch.rand(MASKS.shape, generator=draw) < 0.3, 255)
    found = _seen(ignored.mT, PICTURES, name="cross_entropy")
    assert found is not None
    assert found[1] > 3 * abs(found[0])


def test_large_maps_are_made_smaller() -> None:
    large = torch.nn.functional.interpolate(PICTURES, (160, 160))
    found = _seen(large.mT, large)
    assert found is not None
    assert found[1] > 0.9


def test_what_others_pictures_tell_is_no_sign() -> None:
    noise = torch.randn(32, 1, 16, 16, generator=draw)
    found = _seen(MASKS[:, None].float(), noise)
    assert found is not None
    assert max(map(abs, found)) < 0.05


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        (None, PICTURES),
        (PICTURES[:7], PICTURES[:7]),  # too few
        (PICTURES[:, :, :8], PICTURES),
        (PICTURES, PICTURES[:, :, :8]),
        (PICTURES[:, :, :3, :3], PICTURES),
        (PICTURES.to(torch.complex64), PICTURES),
        (PICTURES[:, 0], PICTURES),  # no channels: perhaps no maps
        (PICTURES.expand(-1, 40, -1, -1), PICTURES),
        (PICTURES, PICTURES.expand(-1, 40, -1, -1)),
        (PICTURES, PICTURES[:16]),
        (torch.ones_like(PICTURES), PICTURES),
        (PICTURES, torch.ones_like(PICTURES)),
        (torch.randint(5, (32,)), PICTURES),
    ],
)
def test_where_nothing_can_be_said(asked: Tensor | None, given: Tensor) -> None:
    assert _seen(asked, given) is None


@pytest.mark.parametrize("said", [SCORES[..., 0], torch.randn(32, 2, 16, 16, 1)])
def test_classes_of_what_is_no_picture(said: Tensor) -> None:
    assert _seen(MASKS, PICTURES, said=said, name="cross_entropy") is None
