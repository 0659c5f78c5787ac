"""Units that begin as copies of each other, and healthy layers that come close."""

from __future__ import annotations

import torch
from clinic.case import case
from clinic.data import flat_digits, square_digits
from clinic.loops import fit
from clinic.nets import Recurrent, cnn, linears, mlp
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, linear
from torch.optim import SGD, Adam

from tb_lossdiag import SummaryWriter


def _fill(model: nn.Module, value: float) -> None:
    for parameter in model.parameters():
        nn.init.constant_(parameter, value if parameter.dim() > 1 else 0.0)


@case("LD722", family="MLP")
def all_weights_begin_at_one_value(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = mlp(64, 64, 32, 10)
    _fill(model, 0.05)
    fit(writer, model, Adam(model.parameters(), lr=1e-3), training.batches(400))


@case("LD722", family="MLP")
def constant_weights_die_of_the_first_steps(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = mlp(64, 64, 32, 10)
    _fill(model, 0.05)
    fit(writer, model, Adam(model.parameters(), lr=1e-2), training.batches(400))


@case(
    "LD722", family="CNN", source="after pytorch/examples issues on init.constant_ for conv layers"
)
def filters_begin_at_one_value(writer: SummaryWriter) -> None:
    training, _ = square_digits()
    model = cnn()
    _fill(model, 0.02)
    fit(writer, model, SGD(model.parameters(), lr=0.05, momentum=0.9), training.batches(300))


@case("LD722", family="RNN")
def gates_begin_at_one_value(writer: SummaryWriter) -> None:
    training, _ = square_digits()
    model = nn.Sequential(nn.Flatten(1, 2), Recurrent(nn.LSTM))
    _fill(model, 0.1)
    fit(writer, model, Adam(model.parameters(), lr=3e-3), training.batches(300))


class Adapted(nn.Module):
    """A frozen layer and a low-rank addition whose second half begins at 0."""

    def __init__(self, width: int, rank: int) -> None:
        super().__init__()
        self.base = nn.Linear(width, width).requires_grad_(requires_grad=False)
        self.down = nn.Parameter(torch.randn(rank, width) / width**0.5)
        self.up = nn.Parameter(torch.zeros(width, rank))

    def forward(self, x: Tensor) -> Tensor:
        added: Tensor = self.base(x) + 2.0 * linear(linear(x, self.down), self.up)
        return added


@case(family="MLP")
def adapters_of_rank_four_begin_at_nothing(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = nn.Sequential(Adapted(64, 4), nn.ReLU(), Adapted(64, 4), nn.ReLU(), nn.Linear(64, 10))
    trained = [p for p in model.parameters() if p.requires_grad]
    fit(writer, model, Adam(trained, lr=3e-3), training.batches(400))


@case(family="CNN")
def averaging_filters_are_learned_from(writer: SummaryWriter) -> None:
    """A depthwise layer that begins as an average: equal rows, each of which sees another channel."""
    training, _ = square_digits()
    blur = nn.Conv2d(16, 16, 3, padding=1, groups=16)
    nn.init.constant_(blur.weight, 1 / 9)
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        blur,
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(1024, 10),
    )
    fit(writer, model, Adam(model.parameters(), lr=3e-3), training.batches(300))


@case(family="MLP")
def output_layer_begins_at_one_value(writer: SummaryWriter) -> None:
    """Its rows are told apart by their classes; the layers before begin at random."""
    training, _ = flat_digits()
    model = mlp(64, 64, 10)
    nn.init.constant_(linears(model)[-1].weight, 0.01)
    fit(writer, model, Adam(model.parameters(), lr=3e-3), training.batches(400))


class Uncertain(nn.Module):
    """A layer whose weights are drawn anew each time, from means that differ and spreads that begin as one number."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.mu = nn.Parameter(0.1 * torch.randn(outputs, inputs))
        self.rho = nn.Parameter(torch.full((outputs, inputs), -5.0))

    def forward(self, x: Tensor) -> Tensor:
        spread = nn.functional.softplus(self.rho)
        return linear(x, self.mu + spread * torch.randn_like(spread))

    def divergence(self) -> Tensor:
        """From a prior of mean 0 and spread 1."""
        spread = nn.functional.softplus(self.rho)
        return ((spread.square() + self.mu.square() - 1) / 2 - spread.log()).sum()


@case(family="MLP")
def spreads_that_begin_as_one_number(writer: SummaryWriter) -> None:
    """Bayes by backprop (Blundell et al. 2015, arXiv 1505.05424): the prior pulls all spreads alike, the data hardly at those of the border."""
    training, _ = flat_digits()
    first, last = Uncertain(64, 64), Uncertain(64, 10)
    model = nn.Sequential(first, nn.ReLU(), last)
    optimizer = Adam(model.parameters(), lr=1e-3)
    writer.watch(model, optimizer)
    for x, y in training.batches(400):
        fits = cross_entropy(model(x), y) * len(training.y)
        loss = fits + first.divergence() + last.divergence()
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(model, loss=loss)
        optimizer.step()
