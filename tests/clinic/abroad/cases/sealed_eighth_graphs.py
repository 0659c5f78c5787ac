"""The eighth lot: PyTorch Geometric."""

from __future__ import annotations

from typing import Any

import torch
from clinic.abroad import patient
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.optim import Adam
from torch_geometric.data import Data
from torch_geometric.nn import GATv2Conv, GCNConv
from torch_geometric.nn.models import DeepGraphInfomax
from torch_geometric.utils import dropout_edge, to_undirected

from tb_lossdiag import SummaryWriter


def _communities(nodes: int = 300, groups: int = 5) -> Data:
    """Nodes that know most of their own group, with noisy features of it."""
    group = torch.randint(groups, (nodes,))
    odds = torch.where(group[:, None] == group[None], 0.12, 0.006)
    edges = to_undirected((torch.rand(nodes, nodes) < odds).triu(1).nonzero().T)
    centres = torch.randn(groups, 16)
    return Data(x=centres[group] + 2.0 * torch.randn(nodes, 16), edge_index=edges, y=group)


class _Encoder(nn.Module):
    """Two rounds of messages."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.conv1, self.conv2 = GCNConv(16, 48), GCNConv(48, width)

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        h: Tensor = self.conv2(self.conv1(x, edge_index).relu(), edge_index)
        return h


class SelfSupervLoss(nn.Module):
    """Neighbours are to be alike, and others are not."""

    def __init__(self, *, fixed: bool) -> None:
        super().__init__()
        self.fixed = fixed

    def forward(self, h: Tensor, edges: Tensor) -> Tensor:
        near = (h[edges[0]] * h[edges[1]]).sum(1)
        far = (h[edges[0]] * h[edges[1].roll(137)]).sum(1)
        if not self.fixed:
            near = near.detach().clone().requires_grad_(True)
            far = far.detach().clone().requires_grad_(True)
        return -(F.logsigmoid(near).mean() + F.logsigmoid(-far).mean())


def _probe(h: Tensor, y: Tensor) -> float:
    """Share of nodes whose nearest other node is of the same group."""
    h = F.normalize(h, dim=1)
    near = (h @ h.T - 2 * torch.eye(len(y))).argmax(1)
    return float((y[near] == y).float().mean())


def _embed(writer: SummaryWriter, *, fixed: bool = False) -> float:
    data = _communities()
    model, criterion = _Encoder(), SelfSupervLoss(fixed=fixed)
    optimizer = Adam(model.parameters(), lr=0.01, weight_decay=5e-4)
    writer.watch(model, optimizer)
    for step in range(120):
        optimizer.zero_grad()
        loss = criterion(model(data.x, data.edge_index), data.edge_index)
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
    with torch.no_grad():
        return _probe(model(data.x, data.edge_index), data.y)


@patient(
    "LD208",
    "LD204",
    "LD605",
    family="graphs",
    source="https://github.com/pyg-team/pytorch_geometric/issues/3009",
)
def eighth_likenesses_that_ask_for_gradients(writer: SummaryWriter) -> None:
    """Products of neighbours are detached, cloned and told to require a gradient: `backward()` is content, and nothing reaches the net."""
    _embed(writer)


def _corrupt(x: Tensor, edge_index: Tensor) -> tuple[Tensor, Tensor]:
    return x[torch.randperm(len(x))], edge_index


def _infomax(writer: SummaryWriter) -> float:
    """Share of nodes whose nearest is of their group."""
    data = _communities()
    model: Any = DeepGraphInfomax(
        32, _Encoder(), summary=lambda z, *_, **__: z.mean(0).sigmoid(), corruption=_corrupt
    )
    optimizer = Adam(model.parameters(), lr=3e-3)
    writer.watch(model, optimizer)
    for step in range(200):
        optimizer.zero_grad()
        loss = model.loss(*model(data.x, data.edge_index))
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
    with torch.no_grad():
        return _probe(model.encoder(data.x, data.edge_index), data.y)


@patient(family="graphs")
def eighth_a_graph_against_its_shuffled_self(writer: SummaryWriter) -> None:
    """Deep Graph Infomax: each step has the same graph, and the same with its nodes exchanged; begins at 2 ln 2; no label is seen."""
    _infomax(writer)


class _Attentive(nn.Module):
    """GATv2 with much dropout, of edges as well."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = GATv2Conv(16, 8, heads=4, dropout=0.4)
        self.conv2 = GATv2Conv(32, 5, heads=1, dropout=0.4)

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        edges, _ = dropout_edge(edges, p=0.3, training=self.training)
        x = F.elu(self.conv1(F.dropout(x, 0.5, self.training), edges))
        logits: Tensor = self.conv2(F.dropout(x, 0.5, self.training), edges)
        return logits


def _attentive(writer: SummaryWriter) -> float:
    """Accuracy on nodes whose label was hidden."""
    data = _communities()
    known = torch.arange(300) < 60
    wrong = torch.rand(300) < 0.1
    labels = torch.where(wrong, torch.randint(5, (300,)), data.y)
    model = _Attentive()
    optimizer = Adam(model.parameters(), lr=0.01, weight_decay=1e-3)
    writer.watch(model, optimizer)
    for step in range(200):
        model.train()
        optimizer.zero_grad()
        loss = F.cross_entropy(model(data.x, data.edge_index)[known], labels[known])
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
    model.eval()
    with torch.no_grad():
        right = model(data.x, data.edge_index).argmax(1) == data.y
    return float(right[~known].float().mean())


@patient(family="graphs")
def eighth_sixty_names_of_which_some_are_wrong(writer: SummaryWriter) -> None:
    """GATv2 with half of its features and a third of its edges left out, on sixty labels of which a tenth is wrong: the loss stays noisy and high."""
    _attentive(writer)
