"""The seventh lot: PyTorch Geometric."""

from __future__ import annotations

import torch
from clinic.abroad import patient
from torch import Tensor, nn
from torch.optim import Adam
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader
from torch_geometric.nn import GCNConv, SAGEConv, global_add_pool, global_mean_pool
from torch_geometric.utils import negative_sampling, to_undirected

from tb_lossdiag import SummaryWriter


def _crystals(count: int) -> list[Data]:
    """Rings and chains of atoms of four kinds; their energy, and whether they are closed."""
    worth = torch.tensor([1.0, -1.0, 0.5, 2.0])
    graphs = []
    for place in range(count):
        atoms, closed = int(torch.randint(5, 10, ())), place % 2
        kind = torch.randint(4, (atoms,))
        chain = torch.stack([torch.arange(atoms - 1), torch.arange(1, atoms)])
        if closed:
            chain = torch.cat([chain, torch.tensor([[atoms - 1], [0]])], 1)
        energy = (worth[kind[chain[0]]] * worth[kind[chain[1]]]).mean() + worth[kind].mean()
        x = nn.functional.one_hot(kind, 4).float()
        edges = to_undirected(chain)
        graphs.append(Data(x=x, edge_index=edges, y=energy.view(1, 1), kind=torch.tensor([closed])))
    return graphs


class _Energy(nn.Module):
    """Two rounds of messages, a mean over the crystal, one number for it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = GCNConv(4, 48), GCNConv(48, 48)
        self.lin = nn.Linear(48, 1)

    def forward(self, data: Data) -> Tensor:
        x = self.conv1(data.x, data.edge_index).relu()
        x = self.conv2(x, data.edge_index).relu()
        energy: Tensor = self.lin(global_mean_pool(x, data.batch)).squeeze(-1)
        return energy


def _energies(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Squared error on new crystals against the variance."""
    model = _Energy()
    optimizer, loss_func = Adam(model.parameters(), lr=5e-3), nn.MSELoss()
    writer.watch(model, optimizer)
    step = 0
    for _epoch in range(15):
        for batch in loader(300):
            prediction = model(batch)
            target = batch.y.view(prediction.shape) if fixed else batch.y
            loss = loss_func(prediction, target)
            optimizer.zero_grad()
            loss.backward()
            writer.add_diagnostics(loss=loss, global_step=step)
            optimizer.step()
            step += 1
    batch = next(iter(DataLoader(_crystals(200), batch_size=200)))
    with torch.no_grad():
        error = nn.functional.mse_loss(model(batch), batch.y[:, 0])
    return float(error / batch.y.var())


def loader(count: int) -> DataLoader:
    """Crystals in batches of twenty."""
    return DataLoader(_crystals(count), batch_size=20, shuffle=True)


@patient(
    "LD504",
    also=("LD104", "LD523"),
    family="graphs",
    source="https://github.com/IntelLabs/matsciml/pull/347",
)
def seventh_energies_against_a_column(writer: SummaryWriter) -> None:
    """The readout of a batch of graphs has the shape [N], its labels come as [N, 1]: each energy is compared with all."""
    _energies(writer)


class _Closed(nn.Module):
    """Log probabilities of open and closed."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = SAGEConv(1, 32), SAGEConv(32, 32)
        self.lin = nn.Sequential(nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 2))

    def forward(self, data: Data) -> Tensor:
        ones = data.edge_index[0].bincount(minlength=data.num_nodes)[:, None] / 2.0
        x = self.conv1(ones, data.edge_index).relu()
        x = global_add_pool(self.conv2(x, data.edge_index).relu(), data.batch)
        logps: Tensor = self.lin(x).log_softmax(-1)
        return logps


def _closed(writer: SummaryWriter) -> float:
    """Accuracy on new crystals."""
    model = _Closed()
    optimizer = Adam(model.parameters(), lr=5e-3)
    writer.watch(model, optimizer)
    step = 0
    for _epoch in range(20):
        for batch in loader(300):
            loss = nn.functional.cross_entropy(model(batch), batch.kind)
            optimizer.zero_grad()
            loss.backward()
            writer.add_diagnostics(loss=loss, global_step=step)
            optimizer.step()
            step += 1
    batch = next(iter(DataLoader(_crystals(200), batch_size=200)))
    with torch.no_grad():
        return float((model(batch).argmax(1) == batch.kind).float().mean())


@patient(family="graphs", source="https://github.com/safreita1/malnet-graph/issues/6")
def seventh_logarithms_taken_twice(writer: SummaryWriter) -> None:
    """`log_softmax` before `cross_entropy`, which has been reported as a fault and is none: normalised twice is normalised once; all are told."""
    _closed(writer)


class _Links(nn.Module):
    """Nodes with places of their own, two rounds of messages."""

    def __init__(self, nodes: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(nodes, 32)
        self.conv1, self.conv2 = GCNConv(32, 48), GCNConv(48, 32)

    def forward(self, edges: Tensor) -> Tensor:
        x = self.conv1(self.embed.weight, edges).relu()
        places: Tensor = self.conv2(x, edges)
        return places


def _links(writer: SummaryWriter) -> float:
    """Share of pairs of a held-out link and of none that are ordered rightly."""
    group = torch.randint(6, (240,))
    near = torch.where(group[:, None] == group[None], 0.25, 0.004)
    pairs = (torch.rand(240, 240) < near).triu(1).nonzero().T
    pairs = pairs[:, torch.randperm(pairs.size(1))]
    cut = pairs.size(1) // 10
    held, kept = pairs[:, :cut], to_undirected(pairs[:, cut:])
    model = _Links(240)
    optimizer = Adam(model.parameters(), lr=5e-3)
    writer.watch(model, optimizer)
    for step in range(150):
        z = model(kept)
        wrong = negative_sampling(kept, 240, kept.size(1))
        edges = torch.cat([kept, wrong], 1)
        truth = torch.cat([torch.ones(kept.size(1)), torch.zeros(wrong.size(1))])
        score = (z[edges[0]] * z[edges[1]]).sum(1)
        loss = nn.functional.binary_cross_entropy_with_logits(score, truth)
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
    wrong = negative_sampling(to_undirected(pairs), 240, cut)
    with torch.no_grad():
        z = model(kept)
    good, bad = ((z[e[0]] * z[e[1]]).sum(1) for e in (held, wrong))
    return float((good[:, None] > bad[None]).float().mean())


@patient(family="graphs")
def seventh_links_against_drawn_ones(writer: SummaryWriter) -> None:
    """Links against as many pairs that are drawn anew each step: the loss ends well above nought, since pairs of a group look alike; 88 % are ordered rightly, of 90 at best."""
    _links(writer)
