"""How much of what samples cost the number that comes with each decides."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, mse_loss

from tb_lossdiag.collect.check_up.loss.dials import dial_facts
from tb_lossdiag.collect.check_up.loss.loss_call import LossCall
from tb_lossdiag.collect.check_up.model.inputs import dials
from tb_lossdiag.quantities import CALL_DIAL_LEVEL, CALL_DIAL_RATIO, CALL_DIAL_SHARE

SIZE = 64
noise = torch.randn(SIZE, 3, 4, 4, generator=torch.Generator().manual_seed(0))
times = torch.randint(0, 1000, (SIZE,), generator=torch.Generator().manual_seed(1))


def told(answer: Tensor, dial: Tensor = times, target: Tensor = noise) -> dict[str, float]:
    call = LossCall("mse_loss", answer, target, function=mse_loss)
    facts = dial_facts(call, dials((answer, dial)))
    return {q.name: float(value) for q, value in facts.items()}


def test_errors_that_follow_the_time() -> None:
    far = 1 - times[:, None, None, None] / 1000
    facts = told(noise * (1 - far))
    assert facts[CALL_DIAL_SHARE.name] > 0.6
    assert facts[CALL_DIAL_RATIO.name] > 5
    assert 0.2 < facts[CALL_DIAL_LEVEL.name] < 0.5


def test_errors_that_are_the_same_at_all_times() -> None:
    facts = told(torch.randn(noise.shape, generator=torch.Generator().manual_seed(2)))
    assert facts[CALL_DIAL_SHARE.name] < 0.15
    assert facts[CALL_DIAL_LEVEL.name] > 1.5


@pytest.mark.parametrize(
    ("answer", "dial"),
    [
        (noise * 0.5, times % 4),  # classes
        (noise * 0.5, times[:8]),  # of others
        (noise, times),  # no error at all
        (noise[:8], times[:8]),  # too few
    ],
)
def test_what_tells_nothing(answer: Tensor, dial: Tensor) -> None:
    assert told(answer, dial, noise[: len(answer)]) == {}


def test_only_losses_of_numbers() -> None:
    call = LossCall("cross_entropy", noise.flatten(1), times % 4, function=cross_entropy)
    assert dial_facts(call, dials((noise.flatten(1), times))) == {}
    assert told(noise * 0.5, times, torch.ones_like(noise)) == {}
