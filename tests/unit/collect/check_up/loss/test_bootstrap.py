"""Targets that are made by the parameters they train, in real graphs."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, l1_loss, mse_loss, smooth_l1_loss

from helpers.check_up_driver import Watched
from tb_lossdiag import quantities as q
from tb_lossdiag.collect.check_up.loss.bootstrap import bootstrap_facts
from tb_lossdiag.collect.check_up.loss.loss_call import LossCall

NET = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 3))
OTHER = deepcopy(NET)
BEFORE, AFTER, REWARD = torch.randn(8, 4), torch.randn(8, 4), torch.randn(8)
ACTION = torch.randint(0, 3, (8,))
Made = Callable[[], Tensor]


def chosen() -> Tensor:
    picked: Tensor = NET(BEFORE).gather(1, ACTION[:, None])[:, 0]
    return picked


def of(made: Tensor, target: Tensor, name: str = "mse_loss") -> bool:
    return bool(bootstrap_facts(LossCall(name, made, target, made=made.grad_fn)))


@pytest.mark.parametrize(
    "target",
    [
        lambda: REWARD + 0.9 * NET(AFTER).gather(1, ACTION[:, None])[:, 0],
        lambda: REWARD + 0.9 * NET(AFTER).amax(1) * (REWARD > 0),
        lambda: 0.9 * NET(AFTER).max(1).values + REWARD,
        lambda: (REWARD[:, None] + 0.9 * NET(AFTER)[:, :1]).squeeze(1),
    ],
)
def test_a_target_of_the_same_parameters(target: Made) -> None:
    assert of(chosen(), target())
    assert of(target(), chosen())
    assert of(NET(BEFORE)[torch.arange(8), ACTION], target(), "smooth_l1_loss")
    assert not of(chosen(), target().detach())
    assert not of(chosen(), target(), "cross_entropy")


@pytest.mark.parametrize(
    ("made", "target"),
    [
        (chosen, lambda: REWARD + 0.9 * OTHER(AFTER).amax(1)),
        (chosen, lambda: REWARD),
        (lambda: NET(BEFORE), lambda: NET(AFTER)),  # two views
        (lambda: NET(BEFORE), lambda: NET(AFTER) + NET(BEFORE)),
        (lambda: NET(BEFORE), lambda: NET(AFTER) + 1),  # nothing is discounted
        (lambda: NET(BEFORE).tanh().sum(1), lambda: REWARD + 0.9 * NET(AFTER).amax(1)),
        (lambda: REWARD.clone().requires_grad_(), lambda: REWARD + 0.9 * NET(AFTER).amax(1)),
        (lambda: 2 * NET(BEFORE), lambda: REWARD[:, None] * NET(AFTER)),
    ],
)
def test_what_is_compared_otherwise(made: Made, target: Made) -> None:
    assert not of(made(), target())


def test_an_equation_of_derivatives() -> None:
    """Both sides of it belong to the network."""
    time = torch.rand(8, 4, requires_grad=True)
    value = NET(time)
    (slope,) = torch.autograd.grad(value.sum(), time, create_graph=True)
    assert not of(slope, 1 + 0.5 * NET(time)[:, :1].expand(8, 4))


@pytest.mark.parametrize(
    "loss",
    [mse_loss, smooth_l1_loss, l1_loss, lambda one, two: mse_loss(two, one)],
)
@pytest.mark.parametrize("stopped", [False, True])
def test_in_a_training(loss: Callable[[Tensor, Tensor], Tensor], *, stopped: bool) -> None:
    net = deepcopy(NET)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    watched = Watched(net, optimizer)
    for _ in range(2):
        optimizer.zero_grad()
        later = net(AFTER).amax(1)
        wanted = REWARD + 0.9 * (later.detach() if stopped else later)
        loss(net(BEFORE).gather(1, ACTION[:, None])[:, 0], wanted).backward()
        optimizer.step()
    watched.end()
    seen = watched.steps[-1].get(q.CALL_OWN_TARGET.name, {})
    assert list(seen.values()) == ([] if stopped else [1.0])


def test_losses_that_are_no_distances_are_left_alone() -> None:
    net = deepcopy(NET)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    watched = Watched(net, optimizer)
    (1 - cosine_similarity(net(BEFORE), net(AFTER))).mean().backward()
    optimizer.step()
    watched.end()
    assert q.CALL_OWN_TARGET.name not in watched.steps[-1]
