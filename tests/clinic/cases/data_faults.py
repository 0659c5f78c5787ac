"""Faults of the data that a loss call shows: outliers, imbalance, scale, range."""

from __future__ import annotations

import torch
from clinic.case import case
from clinic.data import (
    Samples,
    diabetes,
    flat_digits,
    friedman,
    rare_digits,
    square_digits,
    waves,
)
from clinic.loops import fit
from clinic.nets import Recurrent, cnn, mlp
from sklearn.datasets import load_wine
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy, mse_loss
from torch.optim import SGD, Adam

from tb_lossdiag import SummaryWriter


@case("LD508", family="regression", also=("LD103",))
def some_targets_are_typing_errors(writer: SummaryWriter) -> None:
    data = friedman()
    data.y[::64] *= 40
    model = mlp(10, 32, 1)
    fit(writer, model, Adam(model.parameters(), lr=1e-3), data.batches(400, 128), mse_loss)


@case("LD508", family="RNN", also=("LD103", "LD104"))
def the_sensor_spikes(writer: SummaryWriter) -> None:
    data = waves()
    torch.manual_seed(1)
    broken = torch.rand_like(data.y) < 0.003
    spiky = Samples(data.x, torch.where(broken, 60.0, data.y))
    model = Recurrent(nn.GRU, 1, 1, each=True)
    fit(writer, model, Adam(model.parameters(), lr=3e-3), spiky.batches(300, 32), mse_loss)


@case("LD509", family="MLP")
def four_in_a_hundred_are_positive(writer: SummaryWriter) -> None:
    grainy = ((x + 2 * torch.randn_like(x), y) for x, y in rare_digits(0.04).batches(400, 128))
    model = mlp(64, 16, 2)
    fit(writer, model, SGD(model.parameters(), lr=0.05), grainy)


@case("LD509", family="CNN")
def rare_class_among_images(writer: SummaryWriter) -> None:
    rare = rare_digits(0.04)
    images = Samples((rare.x + torch.randn_like(rare.x)).view(-1, 1, 8, 8), rare.y)
    model = cnn(outputs=2)
    fit(writer, model, SGD(model.parameters(), lr=0.003), images.batches(300))


@case("LD510", family="MLP", also=("LD106",))
def wines_as_they_are_in_the_table(writer: SummaryWriter) -> None:
    table = load_wine()
    wines = Samples(torch.tensor(table.data, dtype=torch.float32), torch.tensor(table.target))
    model = mlp(13, 32, 3)
    fit(writer, model, SGD(model.parameters(), lr=0.01), wines.batches(300, 32))


@case("LD510", family="CNN", also=("LD106",))
def pixels_of_0_to_65535(writer: SummaryWriter) -> None:
    training, _ = square_digits()
    raw = Samples(training.x * 65535, training.y)
    model = cnn()
    fit(writer, model, SGD(model.parameters(), lr=0.01), raw.batches(300))


@case("LD510", family="regression", also=("LD106",))
def progress_of_25_to_346(writer: SummaryWriter) -> None:
    data = diabetes(scaled=False)
    model = mlp(10, 32, 1)
    fit(writer, model, SGD(model.parameters(), lr=0.01), data.batches(300), mse_loss)


@case("LD511", family="regression", also=("LD510",))
def sigmoid_for_hundreds(writer: SummaryWriter) -> None:
    data = diabetes(scaled=False)
    model = nn.Sequential(*mlp(10, 32, 1), nn.Sigmoid())
    fit(writer, model, Adam(model.parameters(), lr=1e-3), data.batches(300), mse_loss)


@case("LD511", family="RNN")
def relu_for_waves(writer: SummaryWriter) -> None:
    data = waves()
    model = nn.Sequential(Recurrent(nn.GRU, 1, 1, each=True), nn.ReLU())
    fit(writer, model, Adam(model.parameters(), lr=3e-3), data.batches(200, 32), mse_loss)


@case("LD511", family="MLP")
def softmax_over_one_unit(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    even = Samples(training.x, (training.y % 2 == 0).float().unsqueeze(1))
    model = nn.Sequential(*mlp(64, 32, 1), nn.Softmax(dim=1))

    def loss_of(predicted: Tensor, y: Tensor) -> Tensor:
        return binary_cross_entropy(predicted, y)

    fit(writer, model, Adam(model.parameters(), lr=1e-3), even.batches(300), loss_of)


@case("LD511", family="CNN")
def relu_before_the_classes(writer: SummaryWriter) -> None:
    training, _ = square_digits()
    model = nn.Sequential(*cnn(), nn.ReLU())
    fit(writer, model, Adam(model.parameters(), lr=1e-3), training.batches(300))


@case("LD103", family="regression", also=("LD508",))
def one_batch_holds_another_units_targets(writer: SummaryWriter) -> None:
    """Rows of one day came in grams instead of kilograms; the loop says which rows each step is taken with."""
    data = friedman()
    model = mlp(10, 32, 1)
    optimizer = SGD(model.parameters(), lr=1e-3)
    writer.watch(model, optimizer)
    torch.manual_seed(2)
    for step in range(400):
        rows = torch.randint(len(data.x), (64,))
        writer.data(rows)
        x, y = data.x[rows], data.y[rows]
        loss = mse_loss(model(x), 20 * y if step in {250, 300, 350} else y)
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()


@case(family="regression")
def rows_are_said_and_nothing_breaks(writer: SummaryWriter) -> None:
    data = friedman()
    model = mlp(10, 32, 1)
    optimizer = Adam(model.parameters(), lr=3e-3)
    writer.watch(model, optimizer)
    torch.manual_seed(2)
    for step in range(400):
        rows = torch.randint(len(data.x), (64,))
        writer.data(rows)
        loss = mse_loss(model(data.x[rows]), data.y[rows])
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
