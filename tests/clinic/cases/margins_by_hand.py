"""Losses with a margin that were written by hand: of triplets, of pairs, of likenesses; one becomes one point, the others learn."""

from __future__ import annotations

from collections.abc import Callable

import torch
from clinic.case import case
from clinic.data import flat_digits
from clinic.nets import mlp
from torch import Tensor
from torch.nn.functional import cosine_similarity, normalize, pairwise_distance, relu
from torch.optim import SGD, Adam, Optimizer

from tb_lossdiag import SummaryWriter

Cost = Callable[[Tensor, Tensor], Tensor]


def _trained(writer: SummaryWriter, cost: Cost, optimizer: Callable[..., Optimizer]) -> None:
    """`cost` is given the embeddings of digits and their classes."""
    data, _ = flat_digits()
    model = mlp(64, 128, 24)
    steps = optimizer(model.parameters())
    writer.watch(model, steps)
    for step, (x, y) in enumerate(data.batches(300, 64)):
        loss = cost(model(x), y)
        steps.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        steps.step()


def _apart(z: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """(distances, bool: the same class), each of all against all."""
    return (z[:, None] - z[None]).square().sum(-1).clamp(min=1e-12).sqrt(), y[:, None] == y


def _semi_hard(z: Tensor, y: Tensor) -> Tensor:
    far, same = _apart(normalize(z, dim=1), y)
    near = far.masked_fill(~same, -1).max(1).values
    beyond = far.masked_fill(same | (far <= near[:, None]), 9).min(1).values
    return (near - beyond + 0.3).clamp(min=0).mean()


def _hardest(z: Tensor, y: Tensor) -> Tensor:
    far, same = _apart(normalize(z, dim=1), y)
    near, beyond = far.masked_fill(~same, -1).max(1).values, far.masked_fill(same, 9).min(1).values
    return relu(near - beyond + 0.5).mean()


def _hardest_of_any_length(z: Tensor, y: Tensor) -> Tensor:
    far, same = _apart(z, y)
    near, beyond = far.masked_fill(~same, -1).max(1).values, far.masked_fill(same, 99).min(1).values
    return relu(1.0 - (beyond - near)).mean()


def _likenesses(z: Tensor, y: Tensor) -> Tensor:
    z = normalize(z, dim=1)
    alike, same = z @ z.T, y[:, None] == y
    near, beyond = (
        alike.masked_fill(~same, 2).min(1).values,
        alike.masked_fill(same, -2).max(1).values,
    )
    return torch.clamp(0.4 + beyond - near, min=0).mean()


def _pairs(z: Tensor, y: Tensor) -> Tensor:
    far = pairwise_distance(z[::2], z[1::2])
    same = (y[::2] == y[1::2]).float()
    return (same * far.square() + (1 - same) * (1 - far).clamp(min=0).square()).mean()


def _angles(z: Tensor, y: Tensor) -> Tensor:
    order = torch.randperm(len(y))
    alike, same = cosine_similarity(z, z[order]), y == y[order]
    cost = torch.where(same, 1 - alike, (alike - 0.2).clamp(min=0))
    return cost[same].sum() / 8 + cost[~same].mean()


def _adam(parameters: object) -> Adam:
    return Adam(parameters, lr=1e-3)  # type: ignore[arg-type]


def _hasty(parameters: object) -> SGD:
    return SGD(parameters, lr=0.5, momentum=0.9)  # type: ignore[arg-type]


@case(family="metric learning")
def semi_hard_negatives_by_hand(writer: SummaryWriter) -> None:
    """Negatives that are farther than the positive; the loss stays near the margin for some time."""
    _trained(writer, _semi_hard, _adam)


@case(family="metric learning")
def the_hardest_of_a_batch_by_hand(writer: SummaryWriter) -> None:
    """The hardest positive and negative by labels, at a rate that is small enough."""
    _trained(writer, _hardest, _adam)


@case(family="metric learning")
def the_hardest_likenesses_by_hand(writer: SummaryWriter) -> None:
    """The same of cosines."""
    _trained(writer, _likenesses, _adam)


@case(family="metric learning")
def the_hardest_of_any_length_by_hand(writer: SummaryWriter) -> None:
    """The same of distances between vectors of any length."""
    _trained(writer, _hardest_of_any_length, _adam)


@case(family="metric learning")
def pairs_that_are_pulled_and_pushed(writer: SummaryWriter) -> None:
    """Hadsell's loss by hand."""
    _trained(writer, _pairs, _adam)


@case(family="metric learning")
def angles_beyond_a_margin(writer: SummaryWriter) -> None:
    """Cosines of pairs, those of others down to 0.2."""
    _trained(writer, _angles, _adam)


@case("LD519", also=("LD104",), family="metric learning")
def the_hardest_likenesses_in_haste(writer: SummaryWriter) -> None:
    """The hardest cosines at a rate at which all embeddings become one."""
    _trained(writer, _likenesses, _hasty)
