"""What is known of a loss by its value alone: which elements count, what one of each is asked for, and what a policy's advantages must not be taken for."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from helpers.check_up_driver import facts_of_calls

_CHANCE = torch.Generator().manual_seed(4)
_X = torch.randn(60, 4, generator=_CHANCE).requires_grad_()
_Y = torch.randint(0, 4, (60,), generator=_CHANCE)
_MASK = torch.rand(60, generator=_CHANCE) < 0.7
_PRICE = torch.rand(4, generator=_CHANCE) + 0.5
_VALUES = torch.randn(60, 4, generator=_CHANCE) * 2 + 5
_YES = (_VALUES > 5).float()
_GAIN = torch.rand(60, generator=_CHANCE) + 0.1
"""Of a policy; each is above 0."""


def _each(x: Tensor) -> Tensor:
    return -x.log_softmax(1).gather(1, _Y[:, None]).squeeze(1)


@pytest.mark.parametrize(
    "written",
    [
        lambda x: (_each(x) * _MASK.float()).sum() / _MASK.sum(),
        lambda x: _each(x)[_MASK].mean(),
        lambda x: _each(x).masked_select(_MASK).mean(),
        lambda x: _each(x).masked_fill(~_MASK, 0.0).sum() / (_MASK.sum() + 1e-8),
        lambda x: torch.where(_MASK, _each(x), torch.zeros(60)).sum() / _MASK.sum(),
        lambda x: (_each(x) * (_MASK.float() / _MASK.float().mean())).mean(),
    ],
)
def test_what_a_mask_leaves_out_is_ignored(written: Callable[[Tensor], Tensor]) -> None:
    asked = torch.where(_MASK, _Y, -100)
    by_torch = facts_of_calls(lambda: functional.cross_entropy(_X * 1, asked))["cross_entropy"]
    by_hand = facts_of_calls(lambda: written(_X * 1))["cross_entropy"]
    for fact in ("call_value", "call_baseline", "call_ignored", "call_accuracy"):
        assert by_hand[fact] == pytest.approx(by_torch[fact], rel=1e-4), fact


def test_prices_of_classes_are_those_of_the_function() -> None:
    def written() -> Tensor:
        w = _PRICE[_Y]
        return (w * _each(_X * 1)).sum() / w.sum()

    by_torch = facts_of_calls(lambda: functional.cross_entropy(_X * 1, _Y, _PRICE))["cross_entropy"]
    by_hand = facts_of_calls(written)["cross_entropy"]
    assert by_hand["call_weighted"] == 1
    assert by_hand["call_baseline"] == pytest.approx(by_torch["call_baseline"], rel=1e-4)


@pytest.mark.parametrize(
    "policy",
    [
        lambda x: (_each(x) * _GAIN).mean(),
        lambda x: (_each(x) * _GAIN).sum() / _GAIN.sum(),
        lambda x: (_each(x) * _MASK.float()).mean(),  # rewards of 0 and 1
        lambda x: (_each(x) * _MASK.float()).sum(),
        lambda x: (_each(x) * _PRICE[_Y]).mean(),  # of a bandit
        lambda x: (_each(x) * (_GAIN - 0.6)).mean(),
        lambda x: (torch.min(_each(x).neg().exp() * _GAIN, _GAIN) * _MASK).sum() / _MASK.sum(),
        lambda x: (x.softmax(1) * x.log_softmax(1)).sum(1).mean(),  # an entropy
    ],
)
def test_a_policy_is_no_classifier(policy: Callable[[Tensor], Tensor]) -> None:
    assert not facts_of_calls(lambda: policy(_X * 1))


@pytest.mark.parametrize(
    ("written", "weighted"),
    [
        (lambda x: (((x - _VALUES) ** 2).mean(1) * _MASK).sum() / _MASK.sum(), 0),
        (lambda x: ((x - _VALUES) ** 2)[_MASK].mean(), 0),
        (lambda x: (((x - _VALUES) ** 2) * _YES).sum() / _YES.sum(), 0),
        (lambda x: (((x - _VALUES) ** 2) * _YES).mean(), 1),
        (lambda x: (_GAIN[:, None] * (x - _VALUES) ** 2).mean(), 1),
    ],
)
def test_values_of_which_some_count(written: Callable[[Tensor], Tensor], weighted: int) -> None:
    ((name, facts),) = facts_of_calls(lambda: written(_X * 1)).items()
    assert (name, facts["call_weighted"]) == ("mse_loss", weighted)
    assert math.isnan(facts["call_baseline"]) == bool(weighted)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        (lambda x: -torch.log(torch.where(_YES == 1, x.sigmoid(), 1 - x.sigmoid())), "binary_cross_entropy"),
        (lambda x: torch.where(_YES > 0, -x.sigmoid().log(), -(1 - x.sigmoid()).log()), "binary_cross_entropy"),
        (lambda x: -functional.logsigmoid((2 * _YES - 1) * x), "binary_cross_entropy_with_logits"),
        (lambda x: torch.log(1 + torch.exp(-(2 * _YES - 1) * x)), "binary_cross_entropy_with_logits"),
        (lambda x: -functional.logsigmoid(x[:, 0] - x[:, 1]), "soft_margin_loss"),
        (functional.softplus, "soft_margin_loss"),
        (lambda x: functional.softplus(x) ** 2, ""),
        (lambda x: -functional.logsigmoid(x) * _GAIN[:, None], ""),
        (lambda x: torch.log(1 + x**2), ""),
    ],
)  # fmt: skip
def test_yes_or_no(written: Callable[[Tensor], Tensor], name: str) -> None:
    assert "".join(facts_of_calls(lambda: written(_X * 1).mean())) == name


@pytest.mark.parametrize(
    "written",
    [
        lambda x, y: functional.softplus(x) - x * y,
        lambda x, y: y * functional.softplus(-x) + (1 - y) * functional.softplus(x),
        lambda x, y: -(y * x.sigmoid().log() + (1 - y) * (1 - x.sigmoid()).log()),
    ],
)
def test_signs_where_yes_and_no_are_asked_for(written: Callable[[Tensor, Tensor], Tensor]) -> None:
    ((_, wrong),) = facts_of_calls(lambda: written(_X * 1, 2 * _YES - 1).mean()).items()
    assert wrong["call_invalid"] > 0
    ((_, right),) = facts_of_calls(lambda: written(_X * 1, _YES).mean()).items()
    assert right["call_invalid"] == 0
    signed = facts_of_calls(lambda: functional.softplus(-(2 * _YES - 1) * (_X * 1)).mean())
    assert signed["binary_cross_entropy_with_logits"]["call_invalid"] == 0


@pytest.mark.parametrize(
    ("written", "name"),
    [
        (lambda x: ((x - _VALUES) / _VALUES).abs(), "mape_loss"),
        (lambda x: (x - _VALUES).abs() / (x.abs() + _VALUES.abs()), "smape_loss"),
        (lambda x: functional.pairwise_distance(x, _VALUES), "norm_loss"),
        (lambda x: 1 - functional.cosine_similarity(x, _VALUES), "cosine_loss"),
        (lambda x: (x - _VALUES).abs() / (1 + x**2), ""),
        (lambda x: functional.cosine_similarity(x, _VALUES) ** 3, ""),
    ],
)
def test_relative_and_angular(written: Callable[[Tensor], Tensor], name: str) -> None:
    assert "".join(facts_of_calls(lambda: written(_X * 1).mean())) == name


def test_what_is_compared_with_itself_is_left_out() -> None:
    """Two views of 30 samples stand below each other: each is asked for its pair among 59."""

    def loss() -> Tensor:
        z = functional.normalize(_X * 1, dim=1)
        scores = (z @ z.t() / 0.2).masked_fill(torch.eye(60, dtype=torch.bool), float("-inf"))
        near = torch.cat([torch.diag(scores, 30), torch.diag(scores, -30)])
        return (scores.logsumexp(1) - near).mean()

    facts = facts_of_calls(loss)["cross_entropy"]
    assert (facts["call_samples"], facts["call_outputs"]) == (60, 59)
    assert facts["call_input_min"] >= -5.01


def test_products_of_layers_are_no_part_of_a_loss() -> None:
    weight = torch.randn(4, 4).requires_grad_()
    scores = torch.softmax(_X @ weight, 1) @ weight
    assert "cross_entropy" in facts_of_calls(
        lambda: -(functional.one_hot(_Y, 4) * scores.log_softmax(1)).sum(1).mean()
    )
