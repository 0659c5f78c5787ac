"""Whether one of the numbers that a model is given is the answer."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from helpers.check_up_driver import Watched
from tb_lossdiag import quantities as q
from tb_lossdiag.collect.check_up.loss.loss_call import LossCall
from tb_lossdiag.collect.check_up.loss.told import told_facts

draw = torch.Generator().manual_seed(0)
NUMBERS = torch.randn(64, 12, generator=draw)


def asked(
    target: Tensor, *given: Tensor, name: str = "mse_loss", **options: object
) -> float | None:
    """What is left untold of a target; None where nothing can be said."""
    call = LossCall(name, torch.zeros(64, 1), target, options=options)
    facts = told_facts(call, given or (NUMBERS,))
    return float(facts[q.CALL_UNTOLD]) if facts else None


def place(target: Tensor, *given: Tensor) -> float:
    """Of the number that tells most."""
    call = LossCall("mse_loss", torch.zeros(64, 1), target)
    return float(told_facts(call, given or (NUMBERS,))[q.CALL_TOLD_BY])


@pytest.mark.parametrize(
    "target",
    [
        NUMBERS[:, 7],
        NUMBERS[:, 7:8],
        3 - 250 * NUMBERS[:, 7],
        NUMBERS[:, 7].double() / 7,
        (NUMBERS[:, 7] + 1) * 0.1 - 0.1,
    ],
)
def test_a_number_that_is_the_answer(target: Tensor) -> None:
    assert asked(target) == pytest.approx(0, abs=1e-11)
    assert place(target) == 7


def test_how_targets_follow_their_place() -> None:
    halves = (torch.arange(64) >= 32).float()
    given = torch.cat([NUMBERS, 0.3 * halves[:, None]], 1)
    facts = told_facts(LossCall("mse_loss", torch.zeros(64, 1), halves), (given,))
    assert float(facts[q.CALL_TOLD_BY]) == 12
    assert float(facts[q.CALL_BY_PLACE]) == pytest.approx(0.866, abs=1e-3)
    facts = told_facts(LossCall("mse_loss", torch.zeros(64, 1), NUMBERS[:, 3]), (NUMBERS,))
    assert abs(float(facts[q.CALL_BY_PLACE])) < 0.4


def test_numbers_that_are_no_answer() -> None:
    near = NUMBERS[:, 7] + 1e-3 * torch.randn(64, generator=draw)
    assert 1e-7 < (asked(near) or 0) < 1e-5
    assert (asked(NUMBERS.sum(1)) or 0) > 0.5
    assert (asked(NUMBERS[:, 7].abs()) or 0) > 0.5


def test_all_targets_of_a_sample_must_be_told() -> None:
    """A decoder is given the answers before the last one."""
    assert asked(NUMBERS[:, 3:6]) == pytest.approx(0, abs=1e-11)
    beyond = torch.cat([NUMBERS[:, 3:5], torch.randn(64, 1, generator=draw)], 1)
    assert (asked(beyond) or 0) > 0.5


def test_class_indices_and_several_inputs() -> None:
    classes = torch.randint(3, (64,), generator=draw)
    with_class = torch.cat([NUMBERS, classes[:, None] * 2.0], 1)
    assert (asked(classes, name="cross_entropy") or 0) > 0.5
    assert asked(classes, with_class, name="cross_entropy") == pytest.approx(0, abs=1e-11)
    assert asked(classes, NUMBERS[:, :5], with_class[:, 5:]) == pytest.approx(0, abs=1e-11)
    ignored = classes.clone()
    ignored[0] = -100
    assert asked(ignored, with_class, name="cross_entropy") is None
    assert asked(ignored, with_class, name="cross_entropy", ignore_index=-1) is not None


def test_a_series_of_vectors_is_looked_at_number_by_number() -> None:
    series = torch.randn(64, 8, 3, generator=draw)
    assert place(series[:, -1, 1], series) == 22


@pytest.mark.parametrize(
    ("target", "given"),
    [
        (NUMBERS[:, 0], NUMBERS[:, :1]),  # a line through one number may be the task
        (NUMBERS[:, 0], torch.cat([NUMBERS[:, :1], torch.ones(64, 3)], 1)),
        (NUMBERS[:, :4], NUMBERS[:, :4]),  # an autoencoder
        (NUMBERS[:, 0], NUMBERS[:, 0]),  # a label that the model is given
        (NUMBERS[:, :5], NUMBERS),
        (torch.ones(64), NUMBERS),
        (NUMBERS[:15, 0], NUMBERS[:15]),
        (NUMBERS[:, 0], NUMBERS[:32]),
        (NUMBERS[:, 0], torch.zeros(64, 5000)),
        (torch.tensor(1.0), NUMBERS),
        (NUMBERS[:, 0].to(torch.complex64), NUMBERS),
    ],
)
def test_where_nothing_can_be_said(target: Tensor, given: Tensor) -> None:
    assert asked(target, given) is None


def test_what_cannot_be_counted_tells_nothing() -> None:
    holes = NUMBERS.clone()
    holes[3, 7] = torch.nan
    assert asked(holes[:, 7], holes) is None
    assert (asked(NUMBERS[:, 7], holes) or 0) > 0.5
    assert asked(NUMBERS[:, 2], holes) == pytest.approx(0, abs=1e-11)


class Named(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(12, 1)

    def forward(self, numbers: Tensor) -> Tensor:
        said: Tensor = self.layer(numbers)
        return said


@pytest.mark.parametrize("by_name", [False, True])
def test_a_model_is_given_numbers_by_place_or_by_name(by_name: bool) -> None:
    model = Named()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    watched = Watched(model, optimizer)
    said = model(numbers=NUMBERS) if by_name else model(NUMBERS)
    functional.mse_loss(said[:, 0], 2 * NUMBERS[:, 4]).backward()
    optimizer.step()
    watched.end()
    assert watched.value(q.CALL_UNTOLD, column="mse_loss") == pytest.approx(0, abs=1e-11)
    assert watched.value(q.CALL_TOLD_BY, column="mse_loss") == 4
