"""Healthy trainings, one per optimizer."""

from __future__ import annotations

import torch
from clinic.case import case
from clinic.healthy_parts import batches_of, classify, curve, fit, mlp
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss
from torch.optim import (
    LBFGS,
    SGD,
    Adadelta,
    Adafactor,
    Adagrad,
    Adam,
    AdamW,
    NAdam,
    RMSprop,
    SparseAdam,
)

from tb_lossdiag import SummaryWriter


@case(family="MLP")
def plain_classifier(writer: SummaryWriter) -> None:
    model = mlp()
    classify(writer, model, Adam(model.parameters(), lr=1e-3))


@case(family="MLP")
def plain_sgd(writer: SummaryWriter) -> None:
    model = mlp()
    classify(writer, model, SGD(model.parameters(), lr=0.1), 600)


@case(family="MLP")
def sgd_with_nesterov_momentum(writer: SummaryWriter) -> None:
    model = mlp()
    optimizer = SGD(model.parameters(), lr=0.05, momentum=0.9, nesterov=True, weight_decay=5e-4)
    classify(writer, model, optimizer)


@case(family="MLP")
def adamw_with_strong_decay(writer: SummaryWriter) -> None:
    model = mlp(256)
    classify(writer, model, AdamW(model.parameters(), lr=1e-3, weight_decay=0.1), 500)


@case(family="MLP")
def nadam(writer: SummaryWriter) -> None:
    model = mlp()
    classify(writer, model, NAdam(model.parameters(), lr=2e-3))


@case(family="MLP")
def rmsprop(writer: SummaryWriter) -> None:
    model = mlp()
    classify(writer, model, RMSprop(model.parameters(), lr=1e-3))


@case(family="MLP")
def adagrad(writer: SummaryWriter) -> None:
    model = mlp()
    classify(writer, model, Adagrad(model.parameters(), lr=0.03))


@case(family="MLP")
def adadelta(writer: SummaryWriter) -> None:
    model = mlp()
    classify(writer, model, Adadelta(model.parameters(), lr=1.0))


@case(family="MLP")
def adafactor(writer: SummaryWriter) -> None:
    model = mlp()
    classify(writer, model, Adafactor(model.parameters(), lr=0.02))


@case(family="MLP")
def lbfgs_with_closure(writer: SummaryWriter) -> None:
    inputs, targets = curve(400)
    model = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 1))
    optimizer = LBFGS(model.parameters(), lr=0.5, max_iter=5)
    writer.watch(model, optimizer)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = mse_loss(model(inputs).squeeze(1), targets)
        loss.backward()
        return loss

    for step in range(120):
        loss = optimizer.step(closure)
        writer.add_diagnostics(loss=loss, global_step=step)


class Bag(nn.Module):
    """Classifies a bag of eight words out of 500."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(500, 16, sparse=True)
        self.head = nn.Linear(16, 4)

    def forward(self, words: Tensor) -> Tensor:
        logits: Tensor = self.head(self.words(words).mean(1))
        return logits


@case(family="embedding")
def sparse_embedding(writer: SummaryWriter) -> None:
    words = torch.randint(500, (2000, 8))
    labels = (words % 4).mode(1).values
    model = Bag()
    sparse, dense = (
        SparseAdam(model.words.parameters(), lr=0.01),
        AdamW(model.head.parameters(), lr=0.01),
    )
    writer.watch(model.words, sparse, name="words")
    writer.watch(model.head, dense, name="head")
    for step, (inputs, targets) in enumerate(batches_of((words, labels), 800)):
        sparse.zero_grad()
        dense.zero_grad()
        loss = cross_entropy(model(inputs), targets)
        loss.backward()
        sparse.step()
        dense.step()
        writer.add_diagnostics(loss=loss, global_step=step)


@case(family="embedding")
def embedding_of_rare_words(writer: SummaryWriter) -> None:
    words = (torch.rand(2000, 8) ** 3 * 500).long()
    labels = (words % 4).mode(1).values
    model = Bag()
    model.words.sparse = False
    data = batches_of((words, labels), 800)
    optimizer = AdamW(model.parameters(), lr=0.01)
    fit(writer, model, optimizer, data, lambda x, y: cross_entropy(model(x), y))


@case(family="MLP")
def a_strong_decay_that_is_borne(writer: SummaryWriter) -> None:
    """What decay alone would leave of the weights is a thirtieth; the gradients hold them up."""
    model = mlp()
    classify(writer, model, AdamW(model.parameters(), lr=3e-3, weight_decay=3.0), 400)
