"""The fourth lot, of graphs, shops and clients: readouts, splits, pairs, averages of many models."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy

import torch
from clinic.abroad import patient
from clinic.abroad.loops import train
from clinic.case import NO_CODE
from clinic.data import Samples, flat_digits
from clinic.nets import mlp
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, logsigmoid
from torch.optim import SGD, Adam

from tb_lossdiag import SummaryWriter


class _Graphs(nn.Module):
    """Two convolutions over a dense adjacency, a readout, two classes."""

    def __init__(self, axis: int, nodes: int = 20, width: int = 32) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, width), nn.Linear(width, width)
        self.axis = axis
        self.head = nn.Linear(width if axis == 1 else nodes, 2)

    def forward(self, x: Tensor, adjacency: Tensor) -> Tensor:
        h = torch.relu(adjacency @ self.first(x))
        h = torch.relu(adjacency @ self.second(h))
        answer: Tensor = self.head(h.mean(self.axis))
        return answer


def _graphs(writer: SummaryWriter, axis: int) -> None:
    """Is a graph's largest community of the first kind? Nodes come in any order."""
    count, nodes = 1200, 20
    kind = (torch.rand(count, nodes) < 0.2 + 0.4 * torch.rand(count, 1)).long()
    x = torch.cat([nn.functional.one_hot(kind, 2).float(), torch.randn(count, nodes, 2)], 2)
    x[..., :2] += 0.6 * torch.randn(count, nodes, 2)
    same = kind[:, :, None] == kind[:, None, :]
    edges = (torch.rand(count, nodes, nodes) < torch.where(same, 0.4, 0.05)).float()
    edges = ((edges + edges.transpose(1, 2)) > 0).float() + torch.eye(nodes)
    adjacency = edges / edges.sum(2, keepdim=True)
    y = (kind.float().mean(1) > 0.4).long()
    model = _Graphs(axis)

    def loss() -> Tensor:
        rows = torch.randint(1000, (32,))
        return cross_entropy(model(x[rows], adjacency[rows]), y[rows])

    train(
        writer, model, Adam(model.parameters(), 3e-3), loss, 300,
        validate=lambda: cross_entropy(model(x[1000:], adjacency[1000:]), y[1000:]),
    )  # fmt: skip


@patient(
    NO_CODE,
    "LD547",
    family="graphs",
    hard=True,
    source="https://github.com/flyingdoog/PGExplainer/issues/6",
)
def a_readout_over_features(writer: SummaryWriter) -> None:
    """The mean is over each node's features, and the head looks at nodes by their number, which says nothing."""
    _graphs(writer, 2)


@patient(family="graphs")
def a_readout_over_nodes(writer: SummaryWriter) -> None:
    """The same over nodes."""
    _graphs(writer, 1)


class _Nodes(nn.Module):
    """A graph convolution net over one graph whose adjacency is given."""

    def __init__(self, adjacency: Tensor) -> None:
        super().__init__()
        self.register_buffer("adjacency", adjacency)
        self.first, self.second = nn.Linear(50, 32), nn.Linear(32, 4)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.relu(self.adjacency @ self.first(nn.functional.dropout(x, 0.3, self.training)))
        answer: Tensor = self.adjacency @ self.second(h)
        return answer


def _nodes(writer: SummaryWriter, *, masked: bool) -> None:
    """Four communities of 400 nodes, a tenth of which are for training; the loss is over those, or over all."""
    y = torch.arange(400) % 4
    edges = (torch.rand(400, 400) < torch.where(y[:, None] == y, 0.03, 0.006)).float()
    edges = ((edges + edges.T) > 0).float() + torch.eye(400)
    scale = edges.sum(1).rsqrt()
    x = torch.randn(400, 50) + 0.5 * torch.randn(4, 50)[y]
    order = torch.randperm(400)
    train_mask, test_mask = order[:60], order[60:]
    model = _Nodes(scale[:, None] * edges * scale)
    optimizer = Adam(model.parameters(), 1e-2, weight_decay=5e-4)
    writer.watch(model, optimizer)
    for epoch in range(200):
        model.train()
        optimizer.zero_grad()
        out = model(x)
        loss = cross_entropy(out[train_mask], y[train_mask]) if masked else cross_entropy(out, y)
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=epoch)
        optimizer.step()
        if epoch % 10 == 9:
            model.eval()
            with torch.no_grad():
                val = cross_entropy(model(x)[test_mask], y[test_mask])
            writer.add_diagnostics(loss=val, phase="validation", global_step=epoch)


@patient(
    NO_CODE,
    family="graphs",
    hard=True,
    source="https://github.com/awslabs/realtime-fraud-detection-with-gnn-on-dgl/pull/728, https://github.com/waittim/graph-fraud-detection/issues/3",
)
def nodes_of_the_test_in_the_loss(writer: SummaryWriter) -> None:
    """The mask of training is made and not used: the test's labels are learnt."""
    _nodes(writer, masked=False)


@patient(family="graphs", also=("LD107", "LD108"))
def sixty_nodes_of_four_hundred(writer: SummaryWriter) -> None:
    """The same with the mask: all steps see one batch, as this kind of training does."""
    _nodes(writer, masked=True)


class _Shop(nn.Module):
    """Products of vectors of buyers and of things."""

    def __init__(self, buyers: int, things: int) -> None:
        super().__init__()
        self.buyers, self.things = nn.Embedding(buyers, 16), nn.Embedding(things, 16)
        nn.init.normal_(self.buyers.weight, std=0.1)
        nn.init.normal_(self.things.weight, std=0.1)

    def forward(self, buyer: Tensor, thing: Tensor) -> Tensor:
        score: Tensor = (self.buyers(buyer) * self.things(thing)).sum(1)
        return score


def _shop(writer: SummaryWriter, *, sigmoid: bool, verified: bool) -> None:
    """Bayesian personalised ranking: a thing that was bought, before one that was not."""
    taste = torch.randn(150, 6) @ torch.randn(6, 40)
    bought = taste > taste.quantile(0.7, dim=1, keepdim=True)
    pairs = bought.nonzero()
    order = torch.randperm(len(pairs))
    held, pairs = pairs[order[:300]], pairs[order[300:]]
    model = _Shop(150, 40)

    def ranked(some: Tensor) -> Tensor:
        others = torch.randint(40, (len(some),))
        if verified:
            for _ in range(8):
                wrong = bought[some[:, 0], others]
                others = torch.where(wrong, torch.randint(40, others.shape), others)
        apart = model(some[:, 0], some[:, 1]) - model(some[:, 0], others)
        return -(logsigmoid(apart) if sigmoid else apart.log()).mean()

    train(
        writer, model, Adam(model.parameters(), 1e-2),
        lambda: ranked(pairs[torch.randint(len(pairs), (128,))]), 400, validate=lambda: ranked(held),
    )  # fmt: skip


@patient(
    "LD101",
    "LD206",
    "LD503",
    "LD506",
    family="recommendation",
    source="https://github.com/tanatosuu/GDE/pull/2, https://github.com/tanatosuu/GDE/issues/3",
)
def a_rank_without_a_sigmoid(writer: SummaryWriter) -> None:
    """The logarithm is of a difference of scores, which may be below zero."""
    _shop(writer, sigmoid=False, verified=True)


@patient(
    NO_CODE,
    family="recommendation",
    hard=True,
    source="https://github.com/benfred/implicit/pull/103",
)
def negatives_that_were_bought(writer: SummaryWriter) -> None:
    """A thing at random is taken for one that was not bought; a third of them were."""
    _shop(writer, sigmoid=True, verified=False)


@patient(family="recommendation")
def negatives_that_were_not_bought(writer: SummaryWriter) -> None:
    """The same with a look at what was bought."""
    _shop(writer, sigmoid=True, verified=True)


def _clients() -> tuple[list[Samples], Samples]:
    """Four clients, each of which sees its own digits and its own brightness."""
    digits, held_out = flat_digits()
    parts = []
    for client in range(4):
        rows = (
            torch.rand(len(digits.y)) < torch.where(digits.y % 4 == client, 0.6, 0.13)
        ).nonzero()[:, 0]
        parts.append(Samples(3 * digits.x[rows] + client, digits.y[rows]))
    return parts, Samples(3 * held_out.x + 1.5, held_out.y)


def _normed() -> nn.Sequential:
    return nn.Sequential(nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 10))


def _federate(writer: SummaryWriter, model: nn.Module, gather: object) -> None:
    """Twenty rounds: each client trains a copy for ten steps, and the server gathers the copies."""
    parts, held_out = _clients()
    writer.watch(model, SGD(model.parameters(), 0.05))
    step = 0
    for _ in range(20):
        sent = deepcopy(model.state_dict())
        copies = []
        for part in parts:
            model.load_state_dict(sent)
            model.train()
            local = SGD(model.parameters(), 0.05, 0.9)
            for x, y in part.batches(10, 32):
                local.zero_grad()
                loss = cross_entropy(model(x), y)
                loss.backward()
                writer.add_diagnostics(loss=loss, optimizer=local, global_step=step)
                local.step()
                step += 1
            copies.append(deepcopy(model))
        model.load_state_dict(sent)
        gather(model, copies)  # type: ignore[operator]
        model.eval()
        with torch.no_grad():
            val = cross_entropy(model(held_out.x), held_out.y)
        writer.add_diagnostics(loss=val, phase="validation", global_step=step)


def _parameters_only(model: nn.Module, copies: Iterable[nn.Module]) -> None:
    with torch.no_grad():
        for kept, *theirs in zip(
            model.parameters(), *(copy.parameters() for copy in copies), strict=True
        ):
            kept.copy_(torch.stack(theirs).mean(0))


def _all_of_them(model: nn.Module, copies: Iterable[nn.Module]) -> None:
    states = [copy.state_dict() for copy in copies]
    model.load_state_dict({k: sum(s[k].float() for s in states) / len(states) for k in states[0]})


def _added(model: nn.Module, copies: Iterable[nn.Module]) -> None:
    with torch.no_grad():
        for copy in copies:
            for kept, theirs in zip(model.parameters(), copy.parameters(), strict=True):
                kept.add_(theirs / 4)


@patient(
    "LD622",
    "LD626",
    family="clients",
    also=("LD614",),
    source="https://github.com/TsingZ0/PFLlib/issues/260",
)
def clients_keep_their_statistics(writer: SummaryWriter) -> None:
    """Only `parameters()` are averaged: the server validates with the running statistics of the start."""
    _federate(writer, _normed(), _parameters_only)


@patient(
    "LD632",
    "LD608",
    "LD102",
    "LD704",
    "LD105",
    "LD202",
    family="clients",
    also=("LD614",),
    source="https://github.com/cisco-open/flame/pull/95",
)
def a_sum_that_begins_where_it_ended(writer: SummaryWriter) -> None:
    """The server's weights are not reset before the clients' are added: they double in each round."""
    _federate(writer, mlp(64, 64, 10), _added)


@patient(family="clients")
def clients_that_are_averaged(writer: SummaryWriter) -> None:
    """FedAvg with all of the state: a saw-tooth, as clients drift and are called back."""
    _federate(writer, _normed(), _all_of_them)
