"""Programs from questions on Stack Overflow, as two collections of faulty programs hold them, and their repairs."""

from __future__ import annotations

import torch
from clinic.case import case
from clinic.published_parts import DEEP_LOCALIZE, DEEPMUFL, adults, rows, run, uniform
from sklearn.datasets import make_classification, make_multilabel_classification, make_regression
from torch import Tensor, nn
from torch.nn.functional import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    l1_loss,
    mse_loss,
    nll_loss,
    poisson_nll_loss,
)
from torch.optim import SGD, Adam, RMSprop

from tb_lossdiag import SummaryWriter


def large_sums(writer: SummaryWriter, steps: int) -> None:
    """A weighted sum of inputs up to 10 000, for a net that ends in a softmax of one unit."""
    inputs = 10000 * torch.rand(20000, 3)
    targets = (inputs @ torch.tensor([2.0, 1.0, 0.5]) + 2.2)[:, None]
    layers = (nn.Linear(3, 3), nn.Tanh(), nn.Dropout(0.5), nn.Linear(3, 2), nn.Tanh())
    model = uniform(nn.Sequential(*layers, nn.Dropout(0.5), nn.Linear(2, 1), nn.Softmax(1)))
    optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True)
    run(writer, model, optimizer, rows(inputs, targets, 32, steps), mse_loss)


@case(
    "LD511", "LD205", "LD705", "LD104", family="MLP", also=("LD510",), source=DEEPMUFL + "33969059"
)
def mufl_33969059(writer: SummaryWriter) -> None:
    large_sums(writer, 600)


@case(
    "LD511",
    "LD205",
    "LD510",
    "LD705",
    family="MLP",
    also=("LD104",),
    source=DEEP_LOCALIZE + "33969059",
)
def so_33969059(writer: SummaryWriter) -> None:
    large_sums(writer, 400)


@case("LD511", "LD205", "LD705", "LD104", family="CNN", source=DEEPMUFL + "45378493")
def mufl_45378493(writer: SummaryWriter) -> None:
    data, labels = make_classification(600, 40, random_state=int(torch.randint(1000, ())))
    inputs = torch.tensor(data[:60], dtype=torch.float32).reshape(60, 10, 4).transpose(1, 2)
    targets = torch.tensor(labels[:60], dtype=torch.float32)[:, None]

    def block(channels: int, filters: int) -> list[nn.Module]:
        convolution = nn.Conv1d(channels, filters, 4, padding="same")
        return [convolution, nn.BatchNorm1d(filters), nn.LeakyReLU(0.3), nn.Dropout(0.2)]

    dense = (nn.Flatten(), nn.Linear(80, 64), nn.BatchNorm1d(64), nn.LeakyReLU(0.3))
    end = (nn.Linear(64, 1), nn.Softmax(1))
    model = nn.Sequential(*block(4, 16), *block(16, 8), *dense, *end)
    batches = rows(inputs, targets, 128, 100)
    run(writer, model, Adam(model.parameters()), batches, binary_cross_entropy)


class Forecast(nn.Module):
    """An LSTM of ten cells, fifty tanh units, one tanh unit."""

    def __init__(self) -> None:
        super().__init__()
        self.cells = nn.LSTM(4, 10, batch_first=True)
        self.hidden, self.out = nn.Linear(10, 50), nn.Linear(50, 1)

    def forward(self, series: Tensor) -> Tensor:
        return torch.tanh(self.out(torch.tanh(self.hidden(self.cells(series)[0]))))


@case("LD511", "LD510", "LD104", "LD109", family="RNN", source=DEEPMUFL + "54811239", hard=True)
def mufl_54811239(writer: SummaryWriter) -> None:
    first = [[8.0, 0, 18, 10], [9, 0, 20, 7], [7, 0, 17, 12]]
    second = [[7.0, 0, 31, 8], [5, 0, 22, 9], [7, 0, 17, 12]]
    inputs = torch.tensor([first, second])
    model = Forecast()
    run(writer, model, Adam(model.parameters()), [(inputs, inputs[:, :, 3:])] * 5, mse_loss)


@case("LD506", "LD511", "LD110", "LD510", family="MLP", source=DEEPMUFL + "56774954", hard=True)
def mufl_56774954(writer: SummaryWriter) -> None:
    data, values = make_regression(1000, 10, n_targets=3, random_state=int(torch.randint(1000, ())))
    inputs, targets = (torch.tensor(part, dtype=torch.float32) for part in (data, values))
    layers = (nn.Linear(10, 100), nn.Sigmoid(), nn.Linear(100, 80), nn.Sigmoid())
    model = nn.Sequential(*layers, nn.Linear(80, 3), nn.Softmax(1))

    def poisson(rates: Tensor, counts: Tensor) -> Tensor:
        return poisson_nll_loss(rates, counts, log_input=False)

    run(writer, model, Adam(model.parameters()), rows(inputs, targets, 32, 600), poisson)


def tags() -> tuple[Tensor, Tensor]:
    """Counts of twenty words, and which of three tags a text has."""
    seed = int(torch.randint(1000, ()))
    data, labels = make_multilabel_classification(6000, 20, n_classes=3, random_state=seed)
    return torch.tensor(data, dtype=torch.float32), torch.tensor(labels, dtype=torch.float32)


def tagger(last: nn.Module) -> nn.Module:
    first = (nn.Linear(20, 20), nn.ReLU(), nn.Dropout(0.5))
    second = (nn.Linear(20, 20), nn.ReLU(), nn.Dropout(0.5))
    return nn.Sequential(*first, *second, nn.Linear(20, 3), last)


@case("LD511", "LD505", family="MLP", source=DEEP_LOCALIZE + "38648195", hard=True)
def so_38648195(writer: SummaryWriter) -> None:
    model = tagger(nn.Softmax(1))
    optimizer = SGD(model.parameters(), lr=0.01)
    run(writer, model, optimizer, rows(*tags(), 20, 1200), mse_loss)


@case(family="MLP", source=DEEP_LOCALIZE + "38648195 (correct code)")
def dl_38648195_correct(writer: SummaryWriter) -> None:
    model = tagger(nn.Sigmoid())
    optimizer = SGD(model.parameters(), lr=0.01)
    run(writer, model, optimizer, rows(*tags(), 20, 1200), binary_cross_entropy)


@case("LD506", "LD511", "LD110", family="MLP", source=DEEPMUFL + "41596619", hard=True)
def so_41596619(writer: SummaryWriter) -> None:
    first, third = (
        [0.5, 0.9, 0.8, 0.3, 0.6, 0.4, 0.9, 0.5, 0.1, 0.6, 1],
        [1.0, 2, 1, 1, 2, 1, 7, 4, 1, 0, 0],
    )
    second = [1.0, 1, 0, 1, 1, 0, 1, 1, 0, 1, 0]
    inputs = torch.tensor([first, second, third]).T
    targets = torch.tensor([[1.0, 1, 1, 2, 2, 2, 3, 3, 3, 0, 0]]).T
    model = uniform(nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 1)))
    optimizer = SGD(model.parameters(), lr=0.01)
    batches = rows(inputs, targets, 32, 1500)
    # PyTorch's loss of probabilities refuses such targets; that of logits takes them.
    run(writer, model, optimizer, batches, binary_cross_entropy_with_logits)


@case(
    "LD511",
    "LD205",
    "LD705",
    family="MLP",
    also=("LD104", "LD505", "LD510"),
    source=DEEP_LOCALIZE + "45442843",
)
def so_45442843(writer: SummaryWriter) -> None:
    inputs = torch.randint(0, 100, (2000, 1)).float()
    targets = (inputs + 20 * torch.randn(2000, 1) > 50).float()
    output = nn.Linear(1, 1)
    nn.init.normal_(output.weight, std=0.05)
    model = nn.Sequential(nn.Linear(1, 1), nn.Sigmoid(), output, nn.Softmax(1))
    batches = rows(inputs, targets, 200, 400)
    run(writer, model, RMSprop(model.parameters(), lr=1e-3), batches, l1_loss)


@case(
    "LD510",
    family="MLP",
    also=("LD106", "LD202", "LD601", "LD701"),
    source=DEEP_LOCALIZE + "47724077",
)
def so_47724077(writer: SummaryWriter) -> None:
    inputs, labels = adults()
    model = nn.Sequential(nn.Linear(14, 21), nn.ReLU(), nn.Linear(21, 2), nn.LogSoftmax(1))
    batches = rows(inputs, labels, 100, 1000)
    run(writer, model, Adam(model.parameters()), batches, nll_loss)


@case(family="MLP", source=DEEP_LOCALIZE + "47724077 (repaired: standardised inputs, SGD)")
def so_47724077_fixed(writer: SummaryWriter) -> None:
    inputs, labels = adults()
    scaled = (inputs - inputs.mean(0)) / inputs.std(0)
    model = nn.Sequential(nn.Linear(14, 21), nn.ReLU(), nn.Linear(21, 2))
    optimizer = SGD(model.parameters(), lr=0.01)
    run(writer, model, optimizer, rows(scaled, labels, 100, 1000), cross_entropy)


@case("LD201", "LD104", family="MLP", also=("LD109",), source=DEEPMUFL + "49583466")
def so_49583466(writer: SummaryWriter) -> None:
    places = (20 * torch.rand(5000, 1) - 10).sort(0).values
    waves = torch.sin(places)
    scaled = [(x - x.min()) / (x.max() - x.min()) for x in (places, waves)]
    layers = [layer for n in (1, 20, 20) for layer in (nn.Linear(n, 20), nn.Sigmoid())]
    output = nn.Linear(20, 1)
    nn.init.xavier_uniform_(output.weight)
    model = nn.Sequential(uniform(nn.Sequential(*layers)), output)
    optimizer = SGD(model.parameters(), lr=0.01)
    run(writer, model, optimizer, rows(scaled[0], scaled[1], 32, 314), mse_loss)
