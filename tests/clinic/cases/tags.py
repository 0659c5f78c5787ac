"""Several tags at once, each with a yes or no of its own, and weights for rare ones."""

from __future__ import annotations

from typing import Any

import torch
from clinic.case import case
from clinic.data import Samples
from clinic.loops import fit
from clinic.nets import mlp
from torch import Tensor
from torch.nn.functional import binary_cross_entropy, binary_cross_entropy_with_logits
from torch.optim import Adam

from tb_lossdiag import SummaryWriter


def _tagged(shares: Tensor) -> Samples:
    """Samples and tags that so many have."""
    x = torch.randn(4000, 16)
    score = x @ torch.randn(16, len(shares)) + 2 * torch.randn(4000, len(shares))
    bounds = [score[:, tag].quantile(1 - float(share)) for tag, share in enumerate(shares)]
    return Samples(x, (score > torch.stack(bounds)).float())


def _learn(writer: SummaryWriter, data: Samples, **given: Any) -> None:
    model = mlp(16, 64, data.y.shape[1])

    def loss(logits: Tensor, y: Tensor) -> Tensor:
        return binary_cross_entropy_with_logits(logits, y, **given)

    fit(writer, model, Adam(model.parameters(), lr=2e-3), data.batches(400), loss)


def _odds(data: Samples) -> Tensor:
    """Negative targets for each positive one."""
    return (1 - data.y.mean(0)) / data.y.mean(0)


@case("LD522", family="MLP", source="https://github.com/open-mmlab/mmpretrain/issues/434")
def odds_of_each_tag_are_given_as_its_weight(writer: SummaryWriter) -> None:
    data = _tagged(torch.tensor([0.02, 0.03, 0.05, 0.08, 0.1]))
    _learn(writer, data, weight=_odds(data))


@case("LD522", family="MLP", source="https://github.com/open-mmlab/mmpretrain/issues/434")
def odds_of_rare_tags_behind_a_sigmoid(writer: SummaryWriter) -> None:
    data = _tagged(torch.full((8,), 0.04))
    model, odds = mlp(16, 64, 8), _odds(data)

    def loss(logits: Tensor, y: Tensor) -> Tensor:
        return binary_cross_entropy(logits.sigmoid(), y, weight=odds)

    fit(writer, model, Adam(model.parameters(), lr=2e-3), data.batches(400), loss)


@case(family="MLP")
def odds_of_each_tag_are_given_for_its_positive_targets(writer: SummaryWriter) -> None:
    data = _tagged(torch.tensor([0.02, 0.03, 0.05, 0.08, 0.1]))
    _learn(writer, data, pos_weight=_odds(data))


@case(family="MLP")
def some_tags_matter_more_than_others(writer: SummaryWriter) -> None:
    data = _tagged(torch.tensor([0.1, 0.1, 0.2, 0.3, 0.4]))
    _learn(writer, data, weight=torch.tensor([3.0, 5.0, 1.0, 1.0, 0.5]))


@case(family="MLP")
def rare_tags_count_more_and_all_together_as_before(writer: SummaryWriter) -> None:
    data = _tagged(torch.tensor([0.05, 0.1, 0.2, 0.3]))
    inverse = 1 / data.y.mean(0)
    _learn(writer, data, weight=inverse / inverse.mean())


@case(family="MLP")
def each_sample_and_tag_has_a_weight_of_its_own(writer: SummaryWriter) -> None:
    data = _tagged(torch.full((6,), 0.1))
    model, odds = mlp(16, 64, 6), _odds(data)

    def loss(logits: Tensor, y: Tensor) -> Tensor:
        return binary_cross_entropy_with_logits(logits, y, weight=1 + (odds - 1) * y)

    fit(writer, model, Adam(model.parameters(), lr=2e-3), data.batches(400), loss)
