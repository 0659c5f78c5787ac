"""PyTorch Geometric: graphs of a batch, flattened into one by hand."""

from __future__ import annotations

import torch
from clinic.abroad import patient
from clinic.abroad.loops import train
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import Adam
from torch_geometric.nn import GCNConv

from tb_lossdiag import SummaryWriter

NODES, GRAPHS = 24, 8


class Rings(nn.Module):
    """Two convolutions over a batch of graphs; `pace` is how far the next graph's nodes are counted on."""

    def __init__(self, pace: int) -> None:
        super().__init__()
        self.pace = pace
        self.first, self.second = GCNConv(8, 32), GCNConv(32, 32)
        self.kind = nn.Linear(32, 4)

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        """x float32[graphs, nodes, 8]; edges int64[edges, 3]: graph, from, to."""
        flat = x.flatten(0, 1)
        index = torch.stack([edges[:, 0] * self.pace + edges[:, side] for side in (1, 2)])
        h = self.first(flat, index).relu()
        h = self.second(h, index).relu()
        kinds: Tensor = self.kind(h)
        return kinds


def _batch() -> tuple[Tensor, Tensor, Tensor]:
    """Random graphs of four communities of six nodes each; what a node is, its neighbours know better than itself."""
    y = torch.arange(NODES) // 6
    order = torch.stack([torch.randperm(NODES) for _ in range(GRAPHS)])
    kinds = y[order]
    same = kinds[:, :, None] == kinds[:, None]
    odds = torch.where(same, 0.7, 0.03) * (1 - torch.eye(NODES))
    edges = (torch.rand(odds.shape) < odds).triu(1)
    edges = (edges | edges.transpose(1, 2)).nonzero()
    x = torch.randn(GRAPHS, NODES, 8) + 1.2 * torch.nn.functional.one_hot(kinds, 8)
    return x, edges, kinds.flatten()


def _classify(writer: SummaryWriter, pace: int) -> None:
    model = Rings(pace)

    def loss() -> Tensor:
        x, edges, kinds = _batch()
        return cross_entropy(model(x, edges), kinds)

    train(writer, model, Adam(model.parameters(), 5e-3), loss, 250)


@patient("LD718", family="PyTorch Geometric", source="phlippe/uvadlc_notebooks issue 5")
def edges_that_lead_into_other_graphs(writer: SummaryWriter) -> None:
    """`edges[:, 0] * batch_size + edges[:, 1]`: nodes are counted on by graphs instead of by nodes."""
    _classify(writer, GRAPHS)


@patient(family="PyTorch Geometric")
def edges_that_stay_in_their_graph(writer: SummaryWriter) -> None:
    """`edges[:, 0] * num_nodes + edges[:, 1]`."""
    _classify(writer, NODES)
