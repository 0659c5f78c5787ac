"""What predictions have to do with their own targets, with these turned over, and with both classes of a mixture."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from tb_lossdiag import quantities as q
from tb_lossdiag.collect.check_up.loss.loss_call import LossCall
from tb_lossdiag.collect.check_up.loss.pairing import pairing_facts
from tb_lossdiag.quantities import Quantity

draw = torch.Generator().manual_seed(0)
CLASSES = torch.randint(10, (256,), generator=draw)
VALUES = torch.randn(256, 3, generator=draw)
MASKS = torch.zeros(256, 8, 8, dtype=torch.int64)
MASKS[torch.arange(256), torch.randint(4, (256,), generator=draw)] = 1  # a line in the upper half


def fact(
    said: Tensor, asked: Tensor | None, name: str = "mse_loss", of: Quantity = q.CALL_PAIRED,
    **options: object,
) -> float | None:  # fmt: skip
    facts = pairing_facts(LossCall(name, said, asked, options=options))
    return float(facts[of]) if of in facts else None


def scores(classes: Tensor, sure: float = 20.0) -> Tensor:
    return sure * one_hot(classes, 10).float()


def test_what_is_right_has_all_in_common() -> None:
    assert fact(scores(CLASSES), CLASSES, "cross_entropy") == pytest.approx(1, abs=0.1)
    assert fact(scores(CLASSES).log_softmax(1), CLASSES, "nll_loss") == pytest.approx(1, abs=0.1)
    assert fact(VALUES * 3 + 7, VALUES) == pytest.approx(1, abs=0.1)
    yes = (VALUES > 0).float()
    assert fact(40 * yes - 20, yes, "binary_cross_entropy_with_logits") == pytest.approx(1, abs=0.1)
    soft = scores(CLASSES, 2.0).softmax(1)
    assert fact(soft.log(), soft, "kl_div") == pytest.approx(1, abs=0.1)
    assert fact(soft.log(), soft.log(), "kl_div", log_target=True) == pytest.approx(1, abs=0.1)


def test_what_belongs_to_another_has_nothing() -> None:
    wrong = torch.randperm(256, generator=draw)
    for said, asked, name in (
        (scores(CLASSES)[wrong], CLASSES, "cross_entropy"),
        (VALUES[wrong], VALUES, "mse_loss"),
    ):
        found, error = (fact(said, asked, name, of) for of in (q.CALL_PAIRED, q.CALL_PAIRED_ERROR))
        assert found is not None
        assert error is not None
        assert abs(found) < 3 * error < 0.25


def test_what_counts_for_nothing_is_left_out() -> None:
    ignored = CLASSES.clone()
    ignored[::2] = -100
    said = scores(CLASSES)
    assert fact(said, ignored, "cross_entropy") == pytest.approx(1, abs=0.15)
    said[::2] = scores(CLASSES.flip(0))[::2]
    assert fact(said, ignored, "cross_entropy") == pytest.approx(1, abs=0.15)


def test_where_targets_count_is_nothing_that_the_model_said() -> None:
    hardly = 0.01 * torch.randn(256, 10, generator=draw)
    only = torch.where(CLASSES < 5, -100, 1)
    assert fact(scores(torch.ones_like(CLASSES), 2.0) + hardly, only, "cross_entropy") is None
    places = torch.randint(10, (256, 12), generator=draw)
    masked = places.masked_fill(torch.rand(256, 12, generator=draw) < 0.7, -100)
    guess = (0.3 * torch.randn(256, 12, 10, generator=draw)).movedim(2, 1)
    found, error = (
        fact(guess, masked, "cross_entropy", of) for of in (q.CALL_PAIRED, q.CALL_PAIRED_ERROR)
    )
    assert found is not None
    assert error is not None
    assert abs(found) < 3 * error < 0.3
    known = (20 * one_hot(places, 10).float()).movedim(2, 1)
    assert fact(known, masked, "cross_entropy") == pytest.approx(1, abs=0.15)


def test_one_target_that_counts_tells_nothing_apart() -> None:
    alone = torch.full_like(CLASSES, -100)
    alone[5] = 3
    assert fact(scores(CLASSES), alone, "cross_entropy") is None


@pytest.mark.parametrize(
    ("said", "asked", "name"),
    [
        (VALUES, None, "mse_loss"),
        (VALUES[:7], VALUES[:7], "mse_loss"),  # too few
        (VALUES, VALUES[:, :1], "mse_loss"),
        (VALUES, VALUES[:9], "mse_loss"),
        (torch.ones(256, 3), VALUES, "mse_loss"),  # one answer for all
        (VALUES, torch.ones(256, 3), "mse_loss"),  # as of a judge of forgeries
        (torch.tensor(1.0), torch.tensor(1.0), "mse_loss"),
        (VALUES.to(torch.complex64), VALUES, "mse_loss"),
        (VALUES, VALUES.to(torch.complex64), "mse_loss"),
        (VALUES[:, 0], CLASSES, "cross_entropy"),
        (VALUES, VALUES, "ctc_loss"),
        (VALUES * torch.nan, VALUES, "mse_loss"),
    ],
)
def test_where_nothing_can_be_said(said: Tensor, asked: Tensor | None, name: str) -> None:
    assert fact(said, asked, name) is None


def test_a_picture_that_is_found_is_not_found_turned_over() -> None:
    found = 20 * one_hot(MASKS, 2).movedim(-1, 1).float()
    either = (found + found.flip(2)) / 2
    for said, least, most in ((found, 0.7, 1.1), (either, -0.1, 0.1)):
        turned = fact(said, MASKS, "cross_entropy", q.CALL_TURNED)
        assert turned is not None
        assert least < turned < most
        assert (fact(said, MASKS, "cross_entropy") or 0) > 0.4
    values = MASKS[:, None].float()
    assert (fact(values, values, "mse_loss", q.CALL_TURNED) or 0) > 0.7


@pytest.mark.parametrize(("labelled", "told"), [(0.03, False), (0.8, True)])
def test_of_few_labelled_pixels_none_lies_opposite_another(labelled: float, *, told: bool) -> None:
    """Scribbles tell nothing of turns, whether or not they are found; a border that is left out does no harm."""
    some = torch.rand(MASKS.shape, generator=draw) < labelled
    asked = MASKS.masked_fill(~some, 255)
    found = 20 * one_hot(MASKS, 2).movedim(-1, 1).float()
    either = (found + found.flip(2)) / 2
    for said, least in ((found, 0.7), (either, -0.1)):
        turned = fact(said, asked, "cross_entropy", q.CALL_TURNED, ignore_index=255)
        assert (turned is not None) is told
        assert turned is None or least < turned < least + 0.4
    assert (
        fact(found, asked, "cross_entropy", q.CALL_TURNED, ignore_index=255) is not None
    ) is told


def test_which_pictures_are_told_turned() -> None:
    corners = torch.randint(4, (2, 256), generator=draw)
    asked = torch.zeros(256, 1, 8, 8)
    asked[torch.arange(256), 0, corners[0], corners[1]] = 1
    said = asked.clone()
    said[::4] = said[::4].flip(3)
    mirrored, upright = (
        fact(said, asked, "mse_loss", quantity)
        for quantity in (q.CALL_MIRRORED, q.CALL_UPSIDE_DOWN)
    )
    assert mirrored == pytest.approx(0.25, abs=0.02)
    assert upright is not None
    assert upright < 0.02
    blind = torch.randn(said.shape, generator=draw)
    assert (fact(blind, asked, "mse_loss", q.CALL_MIRRORED) or 0) < 0.1


@pytest.mark.parametrize("common", [0.0, 3.0, 30.0])
def test_what_all_targets_have_in_common_tells_nothing_of_turns(common: float) -> None:
    """The ground is always below: it is no target's own, however far it lies from the sky."""
    ground = common * torch.arange(8.0)[:, None].expand(8, 8)
    own = torch.randn(256, 1, 8, 8, generator=draw)
    asked, noisy = ground + own, ground + own + torch.randn(own.shape, generator=draw)
    assert (fact(noisy, asked, "mse_loss", q.CALL_TURNED) or 0) == pytest.approx(0.7, abs=0.1)
    either = ground + (own + own.flip(2)) / 2
    assert abs(fact(either, asked, "mse_loss", q.CALL_TURNED) or 1) < 0.1


def test_what_is_the_same_turned_over_is_not_compared() -> None:
    column = torch.zeros(256, 1, 8, 8)
    column[:, :, :, 3:5] = VALUES[:, :1, None, None]
    assert fact(column, column, "mse_loss", q.CALL_TURNED) is None
    small = torch.randn(256, 1, 3, 3, generator=draw)
    assert fact(small, small, "mse_loss", q.CALL_TURNED) is None


def mixed(share: float, order: Tensor) -> Tensor:
    ones = one_hot(CLASSES, 10).float()
    return share * ones + (1 - share) * ones[order]


@pytest.mark.parametrize("share", [0.3, 0.7])
def test_of_a_mixture_both_classes_are_said_or_one_is_not(share: float) -> None:
    order, other = (torch.randperm(256, generator=draw) for _ in range(2))
    for said, least, most in ((order, 0.7, 1.2), (other, -0.15, 0.15)):
        logits = mixed(share, said).clamp_min(1e-4).log()
        half = fact(logits, mixed(share, order), "cross_entropy", q.CALL_LESSER)
        assert half is not None
        assert least < half < most


@pytest.mark.parametrize(
    "asked",
    [
        one_hot(CLASSES, 10).float(),
        0.9 * one_hot(CLASSES, 10) + 0.01,  # smoothed
        mixed(0.95, torch.randperm(256, generator=draw)),  # hardly mixed
        VALUES.repeat(1, 4)[:, :10],
    ],
)
def test_what_is_no_mixture_is_not_halved(asked: Tensor) -> None:
    assert fact(scores(CLASSES), asked, "cross_entropy", q.CALL_LESSER) is None


def test_one_value_a_sample_needs_no_second_axis() -> None:
    """What an agent's network says of the actions that were taken, and what followed: (N,) and (N,)."""
    values = VALUES[:, 0]
    for name in ("mse_loss", "smooth_l1_loss"):
        assert fact(values * 3 + 7, values, name) == pytest.approx(1, abs=0.1)
    assert fact(values.roll(1), values) == pytest.approx(0, abs=0.2)
