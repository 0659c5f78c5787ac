from __future__ import annotations

import weakref

import torch
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau

from tb_lossdiag.collect.state.schedulers import SchedulerSearch, scheduler_of


class Mine(LambdaLR):
    """A user's own."""


def sgd() -> torch.optim.Optimizer:
    """With a rate of 1."""
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)


def test_the_scheduler_of_this_optimizer_is_found() -> None:
    ours, theirs = sgd(), sgd()
    mine, other = Mine(ours, lambda _: 1.0), ReduceLROnPlateau(theirs)
    assert (scheduler_of(ours), scheduler_of(theirs)) == ("Mine", "ReduceLROnPlateau")
    assert scheduler_of(sgd()) == ""
    del mine, other


def test_it_is_looked_for_once_there_is_a_sign_of_it_and_never_kept() -> None:
    optimizer = sgd()
    search = SchedulerSearch(optimizer, known=False)
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
    assert SchedulerSearch(optimizer, known=True).found(optimizer) == ""
    del scheduler


def test_a_rate_that_is_set_by_hand_is_looked_at_once() -> None:
    optimizer = sgd()
    search = SchedulerSearch(optimizer, known=False)
    optimizer.param_groups[0]["lr"] = 0.1
    assert search.found(optimizer) == ""
    late = Mine(optimizer, lambda _: 1.0)
    assert search.found(optimizer) == ""
    del late
