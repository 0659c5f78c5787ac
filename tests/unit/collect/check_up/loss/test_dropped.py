"""Answers that dropout made 0, and what looks like it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from tb_lossdiag.collect.check_up.loss.dropped import dropped_facts
from tb_lossdiag.collect.check_up.loss.loss_call import loss_call

ROWS = 64


def _answers(outputs: int) -> Tensor:
    torch.manual_seed(1)
    return torch.randn(ROWS, outputs, requires_grad=True) * 1 @ torch.eye(outputs)


def share(function: Callable[..., Tensor], answers: Tensor, target: Tensor) -> float:
    """What is told of a call."""
    value = function(answers, target)
    call = loss_call(function.__name__, function, (answers, target), {}, value)
    assert call is not None
    found = dropped_facts(call)
    return next((float(value) for value in found.values()), float("nan"))


def test_dropout_behind_the_last_layer_is_seen() -> None:
    target = torch.randn(ROWS, 1)
    assert share(
        functional.mse_loss, functional.dropout(_answers(1), 0.3), target
    ) == pytest.approx(0.3, abs=0.15)
    classes = torch.randint(0, 5, (ROWS,))
    assert share(
        functional.cross_entropy, functional.dropout(_answers(5), 0.5), classes
    ) == pytest.approx(0.5, abs=0.1)
    flat = functional.dropout(_answers(1), 0.3).squeeze(-1)
    assert share(functional.l1_loss, flat, target.squeeze(-1)) == pytest.approx(0.3, abs=0.15)


def test_answers_as_the_last_layer_makes_them_are_not() -> None:
    target = torch.randn(ROWS, 4)
    assert share(functional.mse_loss, _answers(4), target) == 0
    assert share(functional.mse_loss, _answers(4).relu(), target) == 0
    assert (
        share(functional.mse_loss, functional.dropout(_answers(4), 0.5, training=False), target)
        == 0
    )
    assert share(functional.mse_loss, _answers(4) * 0.1, target) == 0


def test_masks_are_not() -> None:
    padding = (torch.arange(ROWS) < 40).float().unsqueeze(1)
    shut = torch.tensor([1.0, 1, 0, 1, 0])
    target = torch.randn(ROWS, 5)
    some = (torch.rand(ROWS, 5) < 0.7).float()
    assert share(functional.mse_loss, _answers(5) * padding, target) == 0
    assert share(functional.mse_loss, _answers(5) * some, target * some) == 0
    classes = torch.randint(0, 2, (ROWS,))
    assert share(functional.cross_entropy, _answers(5) * shut, classes) == 0
    # Actions that each state of its own shuts out, and a gate that makes most of a count 0.
    assert share(functional.cross_entropy, _answers(5) * some, classes) == 0
    gate = (_answers(5) + 0.5).relu()
    assert share(functional.mse_loss, _answers(5) * gate, target) == 0
    assert share(functional.mse_loss, _answers(5) * (2 * gate.detach()), target) == 0


def test_answers_of_one_sign_are_known_by_their_layer() -> None:
    far = torch.nn.Linear(5, 1)
    torch.nn.init.constant_(far.bias, 50.0)
    found = share(
        functional.mse_loss, functional.dropout(far(_answers(5)), 0.3), torch.randn(ROWS, 1)
    )
    assert found == pytest.approx(0.3, abs=0.15)
    assert share(functional.mse_loss, _answers(5).relu() * 2, torch.randn(ROWS, 5)) == 0


def test_values_of_one_sign_and_probabilities_are_not() -> None:
    positive = functional.dropout(_answers(3).exp(), 0.5)
    assert share(functional.mse_loss, positive, torch.randn(ROWS, 3)) == 0
    answers = torch.sigmoid(_answers(3))
    found = share(functional.binary_cross_entropy, answers, torch.rand(ROWS, 3))
    assert found != found  # noqa: PLR0124  (not asked for)


def test_a_few_numbers_tell_nothing() -> None:
    found = share(functional.mse_loss, functional.dropout(_answers(1)[:4], 0.5), torch.randn(4, 1))
    assert found != found  # noqa: PLR0124
