"""A graph as a whole, at every step: all nodes are one batch, and an axis that is mistaken makes small numbers of all."""

from __future__ import annotations

import torch
from clinic.abroad import patient
from clinic.abroad.loops import train
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import Adam

from tb_lossdiag import SummaryWriter

_NODES, _KINDS, _WORDS = 600, 7, 120


def _graph() -> tuple[Tensor, Tensor, Tensor]:
    """(words of each node, normalised neighbours, classes): those of a class share words and are neighbours more often."""
    y = torch.randint(_KINDS, (_NODES,))
    usual = torch.rand(_KINDS, _WORDS) < 0.1
    x = (torch.rand(_NODES, _WORDS) < torch.where(usual[y], 0.3, 0.02)).float()
    near = torch.rand(_NODES, _NODES) < torch.where(y[:, None] == y, 0.03, 0.002)
    both = (near | near.T).float() + torch.eye(_NODES)
    degree = both.sum(1).rsqrt()
    return x, degree[:, None] * both * degree, y


class _Net(nn.Module):
    """Two layers that mix neighbours."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(_WORDS, 16), nn.Linear(16, _KINDS)

    def forward(self, x: Tensor, near: Tensor) -> Tensor:
        """Scores of each node."""
        hidden = torch.dropout(near @ self.first(x), 0.5, self.training).relu()
        scores: Tensor = near @ self.second(hidden)
        return scores


def _learn(writer: SummaryWriter, axis: int | None) -> None:
    x, near, y = _graph()
    model, known = _Net(), torch.arange(140)

    def loss() -> Tensor:
        scores = model(x, near)
        said = scores if axis is None else scores.softmax(axis)
        return cross_entropy(said[known], y[known])

    train(writer, model, Adam(model.parameters(), 0.01, weight_decay=5e-4), loss, 200)


@patient("LD501", family="GNN", source="pyg-team/pytorch_geometric, examples/gcn.py with a softmax")
def nodes_by_their_share_of_a_class(writer: SummaryWriter) -> None:
    """A softmax over the nodes, before a loss that takes one over the classes: hardly a gradient is left, and decay is."""
    _learn(writer, axis=0)


@patient(family="GNN")
def nodes_by_their_scores(writer: SummaryWriter) -> None:
    """As it should be."""
    _learn(writer, axis=None)
