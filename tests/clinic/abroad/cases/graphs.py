"""PyTorch Geometric: nodes of one graph, and many small graphs."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from clinic.abroad import patient
from clinic.abroad.loops import train
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, dropout, mse_loss
from torch.optim import Adam
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader
from torch_geometric.nn import GATConv, GCNConv, GINConv, global_add_pool, global_mean_pool
from torch_geometric.utils import stochastic_blockmodel_graph

from tb_lossdiag import SummaryWriter

CLASSES = 4


def communities(size: int = 60) -> Data:
    """Four communities, with features that hint at them, and few labels."""
    torch.manual_seed(torch.initial_seed())
    odds = torch.full((CLASSES, CLASSES), 0.01) + 0.09 * torch.eye(CLASSES)
    edges = stochastic_blockmodel_graph([size] * CLASSES, odds)
    y = torch.arange(CLASSES).repeat_interleave(size)
    x = torch.randn(len(y), 16) + 0.7 * torch.nn.functional.one_hot(y, 16)
    labelled = torch.rand(len(y)) < 0.3
    return Data(x=x, edge_index=edges, y=y, labelled=labelled)


class Convolutions(nn.Module):
    """So many graph convolutions with ReLU and dropout between."""

    def __init__(
        self, depth: int = 2, kind: Any = GCNConv, width: int = 32, *, told: bool = True
    ) -> None:
        super().__init__()
        self.told = told
        sizes = [16, *[width] * (depth - 1), CLASSES]
        self.layers = nn.ModuleList(kind(before, after) for before, after in pairwise(sizes))

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        for layer in self.layers[:-1]:
            x = layer(x, edges).relu()
            x = dropout(x, 0.3, training=self.training) if self.told else dropout(x, 0.3)
        answer: Tensor = self.layers[-1](x, edges)
        return answer


def classify_nodes(writer: SummaryWriter, model: nn.Module, steps: int = 200) -> None:
    """The whole graph at each step, and a validation on the nodes without a label."""
    graph = communities()

    def loss(nodes: Tensor) -> Tensor:
        return cross_entropy(model(graph.x, graph.edge_index)[nodes], graph.y[nodes])

    optimizer = Adam(model.parameters(), lr=1e-2, weight_decay=5e-4)
    train(
        writer,
        model,
        optimizer,
        lambda: loss(graph.labelled),
        steps,
        validate=lambda: loss(~graph.labelled),
    )


@patient(family="PyTorch Geometric")
def two_convolutions_over_communities(writer: SummaryWriter) -> None:
    """Full-batch training: the same input at each step."""
    classify_nodes(writer, Convolutions(), steps=120)


@patient(
    "LD719",
    family="PyTorch Geometric",
    source="deepchem/deepchem issue 5092, facebookresearch/DME issue 3",
)
def communities_that_are_dropped_for_ever(writer: SummaryWriter) -> None:
    """Dropout as a function that is not told the mode; an epoch is a step, and there are 200."""
    classify_nodes(writer, Convolutions(told=False))


@patient(family="PyTorch Geometric")
def communities_that_are_dropped_in_training(writer: SummaryWriter) -> None:
    """The same, told."""
    classify_nodes(writer, Convolutions())


@patient(family="PyTorch Geometric")
def attention_over_communities(writer: SummaryWriter) -> None:
    """GAT instead of GCN."""
    classify_nodes(writer, Convolutions(kind=GATConv), steps=80)


@patient(
    "LD201",
    "LD705",
    "LD707",
    family="PyTorch Geometric",
    source="DropEdge/DropEdge issue 8, arXiv 1801.07606",
)
def sixteen_convolutions_over_communities(writer: SummaryWriter) -> None:
    """So many averages over neighbours that all nodes look alike."""
    classify_nodes(writer, Convolutions(depth=16))


def small_graphs(count: int = 600) -> list[Data]:
    """Rings of five to twelve nodes with marks; the target is the share of marked nodes."""
    draw = torch.Generator().manual_seed(0)
    graphs = []
    for _ in range(count):
        size = int(torch.randint(5, 13, (1,), generator=draw))
        marked = (torch.rand(size, generator=draw) < torch.rand(1, generator=draw)).float()
        there = torch.arange(size)
        onward = torch.stack([there, (there + 1) % size])
        edges = torch.cat([onward, onward.flip(0)], 1)
        x = torch.stack([marked, torch.ones(size)], 1)
        y = 2 * marked.mean().view(1, 1) - 1
        kind = (marked.sum() * 2 > size).long().view(1)
        graphs.append(Data(x=x, edge_index=edges, y=y, kind=kind))
    return graphs


class Rings(nn.Module):
    """Two GIN layers and a pool; without the nodes' graphs it pools over the whole batch."""

    def __init__(self, outputs: int, pool: Any = global_mean_pool) -> None:
        super().__init__()
        self.first = GINConv(nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 32)))
        self.second = GINConv(nn.Sequential(nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 32)))
        self.head = nn.Linear(32, outputs)
        self.pool = pool

    def forward(self, x: Tensor, edges: Tensor, batch: Tensor | None) -> Tensor:
        x = self.second(self.first(x, edges).relu(), edges).relu()
        answer: Tensor = self.head(self.pool(x, batch))
        return answer


def fit_rings(
    writer: SummaryWriter, model: Rings, loss: Any, *, pooled: bool = True, steps: int = 250
) -> None:
    """Batches of 32 graphs."""
    loader = DataLoader(small_graphs(), batch_size=32, shuffle=True)
    batches = (batch for _ in range(steps) for batch in loader)

    def of() -> Tensor:
        batch = next(batches)
        answer = model(batch.x, batch.edge_index, batch.batch if pooled else None)
        value: Tensor = loss(answer, batch)
        return value

    train(writer, model, Adam(model.parameters(), lr=3e-3), of, steps)


@patient(family="PyTorch Geometric")
def rings_are_measured(writer: SummaryWriter) -> None:
    """Regression of a property of each graph."""
    fit_rings(writer, Rings(1), lambda answer, batch: mse_loss(answer, batch.y))


@patient(family="PyTorch Geometric")
def rings_are_classified(writer: SummaryWriter) -> None:
    """Graph classification with a sum over nodes."""
    model = Rings(2, global_add_pool)
    fit_rings(writer, model, lambda answer, batch: cross_entropy(answer, batch.kind))


@patient(
    "LD504",
    "LD705",
    family="PyTorch Geometric",
    source="pyg-team/pytorch_geometric issues 258, 915",
)
def rings_of_a_batch_pooled_together(writer: SummaryWriter) -> None:
    """The batch vector is forgotten: one answer for all graphs of the batch."""
    loss = lambda answer, batch: mse_loss(answer, batch.y)  # noqa: E731
    fit_rings(writer, Rings(1), loss, pooled=False)


@patient("LD718", "LD503", family="PyTorch Geometric", source="fxia22/pointnet.pytorch issue 27")
def likelihoods_over_the_batch(writer: SummaryWriter) -> None:
    """`log_softmax` runs over the graphs of the batch instead of the classes."""

    def loss(answer: Tensor, batch: Any) -> Tensor:
        return torch.nn.functional.nll_loss(answer.log_softmax(0), batch.kind)

    fit_rings(writer, Rings(2), loss)
