"""Losses of preferences: with a reference, with none but the policy, and of one answer twice."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid, softplus

from helpers.check_up_driver import Watched, assert_nothing_installed
from tb_lossdiag import quantities as q

Loss = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
LOSSES: dict[str, Loss] = {
    "DPO": lambda pc, pr, rc, rr: -logsigmoid(0.1 * ((pc - pr) - (rc - rr))).mean(),
    "DPO by answers": lambda pc, pr, rc, rr: -logsigmoid(0.1 * ((pc - rc) - (pr - rr))).mean(),
    "rewards": lambda pc, pr, rc, rr: -logsigmoid(0.1 * (pc - rc) - 0.1 * (pr - rr)).mean(),
    "cDPO": lambda pc, pr, rc, rr: (
        -0.9 * logsigmoid((pc - pr) - (rc - rr)) - 0.1 * logsigmoid(-((pc - pr) - (rc - rr)))
    ).mean(),
    "softplus": lambda pc, pr, rc, rr: softplus(-((pc - pr) - (rc - rr))).mean(),
    "a logarithm": lambda pc, pr, rc, rr: -((pc - pr) - (rc - rr)).sigmoid().log().mean(),
}
OTHERS: dict[str, Loss] = {
    "without a reference": lambda pc, pr, _, __: -logsigmoid(pc - pr).mean(),
    "a policy's ratio of now": lambda pc, pr, rc, _: -((pc - pc.detach()).exp() * rc + pr).mean(),
    "classes": lambda pc, _, rc, __: binary_cross_entropy_with_logits(pc, (rc > 0).float()),
    "squares": lambda pc, pr, rc, rr: ((pc - pr) - (rc - rr) - 5).square().mean(),
}


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    yield
    assert_nothing_installed()


def _seen(loss: Loss, *, own: bool = False, one: bool = False, steps: int = 3) -> float:
    """What the last check-up sees; `own`: the policy is its own reference; `one`: both answers of a pair are the same."""
    torch.manual_seed(0)
    policy = nn.Linear(4, 1)
    reference = policy if own else copy.deepcopy(policy)
    optimizer = torch.optim.SGD(policy.parameters(), lr=0.1)
    watched = Watched(policy, optimizer)
    for _ in range(steps):
        chosen = torch.randn(8, 4)
        rejected = chosen if one else torch.randn(8, 4)
        with torch.no_grad():
            theirs = [reference(x)[:, 0] for x in (chosen, rejected)]
        optimizer.zero_grad()
        loss(policy(chosen)[:, 0], policy(rejected)[:, 0], *theirs).backward()
        # What has no gradient moves all the same, as by a decay.
        with torch.no_grad():
            policy.weight.mul_(1.1)
        optimizer.step()
    watched.end()
    return watched.value(q.PREFERENCE_IDLE, column="")


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_what_is_asked_for(loss: Loss) -> None:
    assert _seen(loss) == 0
    assert _seen(loss, own=True) == 1
    assert _seen(loss, one=True) == 2
    assert _seen(loss, steps=1) == 1, "by design, before the first step"


@pytest.mark.parametrize(
    "loss",
    [
        lambda pc, pr, rc, rr: -logsigmoid(0.0 * ((pc - pr) - (rc - rr))).mean(),
        lambda pc, pr, rc, rr: -logsigmoid(0.0 * (pc - rc) - 0.0 * (pr - rr)).mean(),
    ],
)
def test_a_factor_of_0_makes_no_answers_alike(loss: Loss) -> None:
    assert _seen(loss) == 0


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("loss", OTHERS.values(), ids=OTHERS)
def test_what_is_no_such_loss(loss: Loss, *, own: bool) -> None:
    assert math.isnan(_seen(loss, own=own))
