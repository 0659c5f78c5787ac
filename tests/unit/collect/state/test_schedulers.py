from __future__ import annotations

import weakref

import torch
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau

from tb_lossdiag.collect.state.schedulers import SchedulerSearch, scheduler_of
from tb_lossdiag.quantities import MOVES


class Mine(LambdaLR):
    """A user's own."""


def sgd() -> torch.optim.Optimizer:
    """With a rate of 1."""
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)


def test_the_scheduler_of_this_optimizer_is_found() -> None:
    ours, theirs = sgd(), sgd()
    mine, other = Mine(ours, lambda _: 1.0), ReduceLROnPlateau(theirs)
    assert (scheduler_of(ours), scheduler_of(theirs)) == (mine, other)
    assert scheduler_of(sgd()) is None


def test_it_is_looked_for_once_there_is_a_sign_of_it_and_never_kept() -> None:
    optimizer = sgd()
    search = SchedulerSearch(optimizer)
    plateau = ReduceLROnPlateau(optimizer)
    assert search.found(optimizer) == ""  # nothing shows yet
    optimizer.param_groups[0]["lr"] = 0.1
    assert search.found(optimizer) == "ReduceLROnPlateau"
    assert search.found(optimizer) == ""
    gone = weakref.ref(plateau)
    del plateau
    assert gone() is None


def test_a_named_one_is_not_looked_for() -> None:
    optimizer = sgd()
    scheduler = Mine(optimizer, lambda step: 1 / (1 + step))
    assert SchedulerSearch(optimizer, scheduler).found(optimizer) == ""
    del scheduler


def test_a_rate_that_is_set_by_hand_is_looked_at_once() -> None:
    optimizer = sgd()
    search = SchedulerSearch(optimizer)
    optimizer.param_groups[0]["lr"] = 0.1
    assert search.found(optimizer) == ""
    late = Mine(optimizer, lambda _: 1.0)
    assert search.found(optimizer) == ""
    del late


def test_whether_it_ever_moves_is_said_once_and_again_when_it_does() -> None:
    optimizer = sgd()
    assert SchedulerSearch(optimizer).moves() == {}
    scheduler = Mine(optimizer, lambda step: 1 / (1 + step))
    search = SchedulerSearch(optimizer, scheduler)
    assert search.moves() == {MOVES: "never"}
    assert search.moves() == {}
    optimizer.step()
    scheduler.step()
    assert search.moves() == {MOVES: "yes"}
    assert search.moves() == {}


def test_one_that_was_found_is_followed_as_long_as_it_lives() -> None:
    optimizer = sgd()
    search = SchedulerSearch(optimizer)
    scheduler = Mine(optimizer, lambda _: 1.0)
    assert search.found(optimizer) == "Mine"
    assert search.moves() == {MOVES: "never"}
    optimizer.step()
    scheduler.step()
    del scheduler
    assert search.moves() == {}


def test_one_inside_of_a_frameworks() -> None:
    optimizer = sgd()
    outer = Outer(optimizer)
    assert SchedulerSearch(optimizer, outer).moves() == {MOVES: "never"}


class Outer:
    """As Accelerate has one."""

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self.scheduler = ReduceLROnPlateau(optimizer)
