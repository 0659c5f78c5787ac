"""Sixty-four ranks, simulated: who is apart is named, and nobody where all are alike."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from tb_lossdiag import quantities as q
from tb_lossdiag.collect.ranks.gathered import gathered
from tb_lossdiag.collect.ranks.share import SIZE, Losses, Share

RANKS = 64


def shares(**changed: dict[int, float]) -> list[Share]:
    """Of 64 ranks that see other batches of the same data; some have other numbers."""
    rng = np.random.default_rng(0)
    own = [
        Share(
            steps=64.0,
            loss=1.0 + 0.01 * rng.standard_normal(),
            std=0.1,
            wait=0.01,
            forward=0.2 + 0.001 * rng.random(),
            batch=rng.standard_normal(),
            fresh=1.0,
            scored=512.0,
            troubles=0.0,
        )
        for _ in range(RANKS)
    ]
    for field, news in changed.items():
        for rank, value in news.items():
            own[rank] = own[rank]._replace(**{field: value})
    return own


def test_alike() -> None:
    found = gathered(shares())
    assert found[q.RANK_COUNT] == RANKS
    assert found[q.RANK_LOSS_OTHERS] == pytest.approx(1.0, abs=0.01)
    assert abs(found[q.RANK_LOSS_WORST] - 1) < 0.05
    assert found[q.RANK_EQUAL_BATCHES] == found[q.RANK_BROKEN] == found[q.RANK_TROUBLED] == 0
    assert found[q.RANK_FRESH_BATCHES] == 1
    absent = {q.RANK_BROKEN_FIRST, q.RANK_EQUAL_RANK, q.RANK_TROUBLED_FIRST}
    assert not absent & set(found)


def test_the_one_that_is_apart_is_named() -> None:
    found = gathered(
        shares(
            loss={17: 0.2},
            forward={40: 0.5},
            wait={40: 0.3},
            scored={9: 3.0},
            broken={22: 5.0, 23: 4.0},
            batch={30: 7.0, 11: 7.0},
            troubles={63: 2.0},
        )
    )
    assert found[q.RANK_LOSS_WORST_RANK] == 17
    assert (found[q.RANK_LOSS_WORST], found[q.RANK_SCORED_WORST]) == (0.2, 3.0)
    assert found[q.RANK_SECONDS_WORST_RANK] == 40
    assert found[q.RANK_SECONDS_WORST] == pytest.approx(0.8)
    assert found[q.RANK_WAIT_EXCESS] == pytest.approx(0.29)
    assert found[q.RANK_SCORED_WORST_RANK] == 9
    assert (found[q.RANK_BROKEN], found[q.RANK_BROKEN_FIRST]) == (2, 22)
    assert (found[q.RANK_EQUAL_BATCHES], found[q.RANK_EQUAL_RANK]) == (2 / RANKS, 30)
    assert (found[q.RANK_TROUBLED], found[q.RANK_TROUBLED_FIRST]) == (1, 63)


def test_who_broke_at_once_is_nobody() -> None:
    found = gathered(shares(broken=dict.fromkeys(range(RANKS), 5.0)))
    assert found[q.RANK_BROKEN] == RANKS
    assert q.RANK_BROKEN_FIRST not in found


def test_a_sharded_rank_waits_in_its_forward_pass() -> None:
    found = gathered(shares(forward={40: 9.0}, wait={8: 0.02}), sharded=True)
    assert (found[q.RANK_SECONDS_WORST_RANK], found[q.RANK_SECONDS_WORST]) == (8, 0.02)


def test_of_two_the_other_one_is_the_measure() -> None:
    found = gathered([Share(loss=3.0), Share(loss=1.0)])
    assert (found[q.RANK_LOSS_WORST], found[q.RANK_LOSS_WORST_RANK]) == (3, 0)
    assert (found[q.RANK_LOSS_OTHERS], found[q.RANK_LOSS_SPREAD]) == (1, 0)


def test_what_one_rank_alone_knows_is_no_comparison() -> None:
    only = Share(loss=1.0, wait=1.0, forward=1.0, batch=1.0, scored=1.0)
    found = gathered([only, Share()])
    assert set(found) == {q.RANK_COUNT, q.RANK_BROKEN, q.RANK_TROUBLED}
    assert set(gathered([Share(), Share()])) == {q.RANK_COUNT, q.RANK_TROUBLED}


def test_batches_of_the_first_comparison_may_be_old_or_new() -> None:
    assert q.RANK_FRESH_BATCHES not in gathered([Share(batch=1.0), Share(batch=2.0)])


def test_a_share_travels_as_bytes() -> None:
    share = shares()[3]
    assert len(share.packed()) == SIZE
    np.testing.assert_array_equal(Share.unpacked(share.packed()), share)


def test_losses_of_host_and_device_are_one_series() -> None:
    losses = Losses()
    for loss in (1.0, torch.tensor(3.0), math.nan, torch.tensor(5.0), math.inf):
        losses.put(loss)
    assert losses.take() == (3.0, float(np.std([1, 3, 5])), 3.0)
    assert all(map(math.isnan, losses.take()))
    losses.put(math.nan)
    mean, std, broken = losses.take()
    assert math.isnan(mean + std)
    assert broken == 1
