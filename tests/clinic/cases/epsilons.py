"""What Adam and its kind add to the root they divide by: epsilons that outweigh it, and others that only look like that."""

from __future__ import annotations

import torch
from clinic.case import case
from clinic.data import Samples, digit_rows, flat_digits, square_digits
from clinic.loops import fit
from clinic.nets import Recurrent, cnn, mlp
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss
from torch.optim import Adam, AdamW, RMSprop

from tb_lossdiag import SummaryWriter


@case("LD210", family="RNN", source="mlpnlp/mlpnlp-nmt pull request 4")
def epsilon_of_a_tenth(writer: SummaryWriter) -> None:
    training, _ = digit_rows()
    model = Recurrent()
    fit(writer, model, Adam(model.parameters(), lr=1e-3, eps=0.1), training.batches(400))


@case("LD210", family="CNN")
def loss_divided_until_adam_feels_it(writer: SummaryWriter) -> None:
    training, _ = square_digits()
    model = cnn()

    def loss_of(scores: Tensor, classes: Tensor) -> Tensor:
        return cross_entropy(scores, classes) / len(classes) / 2**24

    fit(writer, model, AdamW(model.parameters(), lr=1e-3), training.batches(300), loss_of)


@case("LD210", family="MLP")
def epsilon_of_another_librarys_inception(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = mlp(64, 64, 10)
    fit(writer, model, RMSprop(model.parameters(), lr=1e-3, eps=1.0), training.batches(400))


@case(family="MLP", source="yangyanli/PointCNN issue 152: a large epsilon for a large rate")
def epsilon_and_rate_are_both_large(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = mlp(64, 64, 10)
    fit(writer, model, Adam(model.parameters(), lr=0.1, eps=0.1), training.batches(400))


@case(family="MLP")
def epsilon_of_an_agent_in_a_slow_training(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = mlp(64, 64, 10)
    fit(writer, model, Adam(model.parameters(), lr=5e-5, eps=1e-5), training.batches(400))


@case(family="regression")
def fitted_until_no_gradient_is_left(writer: SummaryWriter) -> None:
    x = torch.randn(512, 8)
    data = Samples(x, x @ torch.randn(8, 1))
    model = nn.Linear(8, 1)
    fit(writer, model, Adam(model.parameters(), lr=2e-2), data.batches(900), mse_loss)


@case(family="CNN")
def loss_a_millionth_of_the_usual(writer: SummaryWriter) -> None:
    training, _ = square_digits()
    model = cnn()

    def loss_of(scores: Tensor, classes: Tensor) -> Tensor:
        return cross_entropy(scores, classes) * 1e-6

    fit(writer, model, Adam(model.parameters(), lr=1e-3, eps=1e-10), training.batches(300), loss_of)


@case(family="MLP")
def tuned_where_little_is_left(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = mlp(64, 64, 10)
    before = Adam(model.parameters(), lr=1e-3)
    for x, y in training.batches(1500):
        before.zero_grad()
        cross_entropy(model(x), y).backward()
        before.step()
    fit(writer, model, AdamW(model.parameters(), lr=1e-5), training.batches(300))
