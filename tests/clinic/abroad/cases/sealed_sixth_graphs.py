"""The sixth lot: PyTorch Geometric."""

from __future__ import annotations

import torch
from clinic.abroad import patient
from torch import Tensor, nn
from torch.optim import Adam
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader
from torch_geometric.nn import GCNConv, GINConv, global_add_pool, global_mean_pool
from torch_geometric.utils import to_undirected

from tb_lossdiag import SummaryWriter


def _molecules(count: int) -> list[Data]:
    """Small chains of atoms of four kinds, some with rings, and a property that depends on kinds and bonds."""
    worth = torch.tensor([1.0, -1.0, 0.5, 2.0])
    graphs = []
    for _ in range(count):
        atoms = int(torch.randint(5, 10, ()))
        kind = torch.randint(4, (atoms,))
        chain = torch.stack([torch.arange(atoms - 1), torch.arange(1, atoms)])
        value = (worth[kind[:-1]] * worth[kind[1:]]).mean() + worth[kind].mean()
        x = nn.functional.one_hot(kind, 4).float()
        graphs.append(Data(x=x, edge_index=to_undirected(chain), y=value.view(1)))
    return graphs


class _Property(nn.Module):
    """Two rounds of messages, the mean over a molecule, a property."""

    def __init__(self, *, fixed: bool) -> None:
        super().__init__()
        self.fixed = fixed
        self.conv1, self.conv2 = GCNConv(4, 32), GCNConv(32, 32)
        self.lin = nn.Linear(32, 1)

    def forward(self, data: Data) -> Tensor:
        x = self.conv1(data.x, data.edge_index).relu()
        x = self.conv2(x, data.edge_index).relu()
        x = global_mean_pool(x, data.batch if self.fixed else None)
        value: Tensor = self.lin(x)[:, 0]
        return value


def _pooled(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Squared error of the property of new molecules, one at a time."""
    train, test = _molecules(300), _molecules(100)
    model = _Property(fixed=fixed)
    optimizer = Adam(model.parameters(), lr=5e-3)
    writer.watch(model, optimizer)
    step = 0
    for _epoch in range(15):
        for batch in DataLoader(train, batch_size=20, shuffle=True):
            loss = nn.functional.mse_loss(model(batch), batch.y)
            optimizer.zero_grad()
            loss.backward()
            writer.add_diagnostics(loss=loss, global_step=step)
            optimizer.step()
            step += 1
    model.eval()
    with torch.no_grad():
        errors = [(model(one) - one.y).square() for one in DataLoader(test, batch_size=1)]
    return float(torch.cat(errors).mean())


@patient(
    "LD504",
    "LD718",
    family="graphs",
    also=(
        "LD104",
        "LD523",
        "LD705",
    ),
    source="https://github.com/pyg-team/pytorch_geometric/issues/4809, https://github.com/pyg-team/pytorch_geometric/pull/9454",
)
def sixth_one_pool_for_all_molecules(writer: SummaryWriter) -> None:
    """`global_mean_pool(x, None)` in training: the batch's molecules become one, whose value is held against all of theirs."""
    _pooled(writer)


class _Counter(nn.Module):
    """Isomorphism network with sums, so that sizes are seen."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            GINConv(nn.Sequential(nn.Linear(size, 32), nn.ReLU(), nn.Linear(32, 32)))
            for size in (4, 32)
        )
        self.lin = nn.Linear(64, 1)

    def forward(self, data: Data) -> Tensor:
        x, pools = data.x, []
        for conv in self.convs:
            x = conv(x, data.edge_index).relu()
            pools.append(global_add_pool(x, data.batch))
        value: Tensor = self.lin(torch.cat(pools, 1))[:, 0]
        return value


def _summed(writer: SummaryWriter) -> float:
    """Squared error on new molecules of a network that sums over them."""
    train, test = _molecules(300), _molecules(100)
    model = _Counter()
    optimizer = Adam(model.parameters(), lr=2e-3)
    writer.watch(model, optimizer)
    step = 0
    everything = next(iter(DataLoader(test, batch_size=100)))
    for _epoch in range(15):
        for batch in DataLoader(train, batch_size=20, shuffle=True):
            loss = nn.functional.huber_loss(model(batch), batch.y)
            optimizer.zero_grad()
            loss.backward()
            writer.add_diagnostics(loss=loss, global_step=step)
            optimizer.step()
            step += 1
        with torch.no_grad():
            valid = nn.functional.huber_loss(model(everything), everything.y)
        writer.add_diagnostics(loss=valid, phase="validation", global_step=step)
    with torch.no_grad():
        return float(nn.functional.mse_loss(model(everything), everything.y))


@patient(family="graphs", source="https://arxiv.org/abs/1810.00826")
def sixth_sums_over_molecules(writer: SummaryWriter) -> None:
    """An isomorphism network with sums and no normalisation: activations grow with the molecule, and that is meant."""
    _summed(writer)
