"""The third lot, through PyTorch Geometric: links that are to be predicted."""

from __future__ import annotations

import torch
from clinic.abroad import patient
from clinic.abroad.cases.graphs import Convolutions, communities
from clinic.abroad.loops import train
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.optim import Adam
from torch_geometric.nn import SAGEConv
from torch_geometric.utils import negative_sampling, to_undirected

from tb_lossdiag import SummaryWriter


def _links(writer: SummaryWriter, *, apart: bool) -> None:
    """Are two nodes linked? `apart` sends no messages over the links that are asked for."""
    graph = communities()
    x = torch.randn(graph.num_nodes, 16)
    one_way = graph.edge_index[:, graph.edge_index[0] < graph.edge_index[1]]
    one_way = one_way[:, torch.randperm(one_way.shape[1])]
    seen, held_out = one_way.tensor_split([int(0.8 * one_way.shape[1])], 1)
    model = Convolutions(2, SAGEConv, 64)

    def loss(over: Tensor, asked: Tensor) -> Tensor:
        nodes = model(x, to_undirected(over))
        wrong = negative_sampling(graph.edge_index, graph.num_nodes, asked.shape[1])
        pairs = torch.cat([asked, wrong], 1)
        scores = (nodes[pairs[0]] * nodes[pairs[1]]).sum(1)
        truth = torch.cat([torch.ones(asked.shape[1]), torch.zeros(wrong.shape[1])])
        return binary_cross_entropy_with_logits(scores, truth)

    def drawn() -> Tensor:
        if not apart:
            return loss(seen, seen)
        asked = torch.rand(seen.shape[1]) < 0.3
        return loss(seen[:, ~asked], seen[:, asked])

    train(
        writer, model, Adam(model.parameters(), 5e-3), drawn, 300,
        validate=lambda: loss(seen, held_out),
    )  # fmt: skip


@patient(
    "LD526",
    "LD108",
    "LD107",
    family="PyTorch Geometric",
    hard=True,
    source="https://github.com/snap-stanford/ogb/issues/285, https://github.com/dmlc/dgl/issues/5536",
)
def links_that_carry_their_own_answer(writer: SummaryWriter) -> None:
    """Messages go over the very links that are to be predicted."""
    _links(writer, apart=False)


@patient(family="PyTorch Geometric")
def links_that_are_hidden_while_asked_for(writer: SummaryWriter) -> None:
    """Links are asked for that carry no messages."""
    _links(writer, apart=True)
