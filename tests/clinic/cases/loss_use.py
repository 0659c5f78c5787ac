"""Faults of how the loss function is called: its inputs."""

from __future__ import annotations

import torch
from clinic.case import case
from clinic.data import Samples, digit_rows, flat_digits, friedman, square_digits, waves
from clinic.loops import fit
from clinic.nets import Recurrent, Transformer, cnn, mlp
from torch import Tensor, nn
from torch.nn.functional import (
    binary_cross_entropy_with_logits,
    ctc_loss,
    kl_div,
    mse_loss,
    nll_loss,
    one_hot,
)
from torch.optim import SGD, Adam

from tb_lossdiag import SummaryWriter


def _is_even(samples: Samples) -> Samples:
    return Samples(samples.x, (samples.y % 2 == 0).float().unsqueeze(1))


def _one_hot(samples: Samples) -> Samples:
    return Samples(samples.x, one_hot(samples.y, 10).float())


@case("LD501", family="MLP")
def softmax_at_the_end(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = nn.Sequential(*mlp(64, 64, 10), nn.Softmax(dim=1))
    fit(writer, model, Adam(model.parameters(), lr=1e-3), training.batches(400))


@case("LD501", family="CNN")
def softmax_at_the_end_of_convolutions(writer: SummaryWriter) -> None:
    training, validation = square_digits()
    model = nn.Sequential(*cnn(), nn.Softmax(dim=1))
    optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)
    fit(writer, model, optimizer, training.batches(300), validation=validation)


class _Probable(Transformer):
    """Answers with probabilities, as its paper says."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).softmax(-1)


@case("LD501", family="transformer")
def attention_answers_with_probabilities(writer: SummaryWriter) -> None:
    training, _ = digit_rows()
    model = _Probable()
    fit(writer, model, Adam(model.parameters(), lr=1e-3), training.batches(200))


@case("LD502", family="MLP")
def sigmoid_twice(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = nn.Sequential(*mlp(64, 32, 1), nn.Sigmoid())
    batches = _is_even(training).batches(400)
    optimizer = Adam(model.parameters(), lr=2e-3)
    fit(writer, model, optimizer, batches, binary_cross_entropy_with_logits)


@case("LD502", family="CNN")
def sigmoid_twice_for_many_labels(writer: SummaryWriter) -> None:
    training, _ = square_digits()
    model = nn.Sequential(*cnn(), nn.Sigmoid())
    batches = _one_hot(training).batches(300)
    optimizer = Adam(model.parameters(), lr=1e-3)
    fit(writer, model, optimizer, batches, nn.BCEWithLogitsLoss())


@case("LD503", family="CNN", also=("LD110",))
def likelihood_of_logits(writer: SummaryWriter) -> None:
    training, _ = square_digits()
    model = cnn()
    fit(writer, model, Adam(model.parameters(), lr=1e-3), training.batches(300), nll_loss)


@case("LD503", family="RNN")
def log_softmax_over_the_batch(writer: SummaryWriter) -> None:
    training, _ = digit_rows()
    model = Recurrent(nn.GRU)

    def loss_of(logits: Tensor, y: Tensor) -> Tensor:
        return nll_loss(logits.log_softmax(0), y)

    fit(writer, model, Adam(model.parameters(), lr=1e-3), training.batches(300), loss_of)


@case("LD503", family="MLP")
def divergence_of_probabilities(writer: SummaryWriter) -> None:
    # A student learns from soft labels; kl_div wants the logarithm of its answer.
    training, _ = flat_digits()
    soft = Samples(training.x, 0.9 * one_hot(training.y, 10) + 0.01)
    model = nn.Sequential(*mlp(64, 64, 10), nn.Softmax(dim=1))

    def loss_of(student: Tensor, teacher: Tensor) -> Tensor:
        return kl_div(student, teacher, reduction="batchmean")

    fit(writer, model, Adam(model.parameters(), lr=1e-3), soft.batches(300), loss_of)


@case("LD501", family="RNN")
def likelihood_of_a_softmax_twice(writer: SummaryWriter) -> None:
    training, _ = digit_rows()
    model = nn.Sequential(Recurrent(nn.GRU), nn.Softmax(dim=1))

    def loss_of(probabilities: Tensor, y: Tensor) -> Tensor:
        return nll_loss(probabilities.log_softmax(1), y)

    fit(writer, model, Adam(model.parameters(), lr=1e-3), training.batches(300), loss_of)


@case("LD503", family="CNN", also=("LD110",))
def alignment_of_raw_outputs(writer: SummaryWriter) -> None:
    # Each column of pixels is a moment, the digit the only label; ctc_loss wants log-probabilities.
    training, _ = square_digits()
    model = nn.Sequential(
        nn.Flatten(2), nn.Conv1d(8, 32, 3, padding=1), nn.ReLU(), nn.Conv1d(32, 11, 1)
    )
    columns = Samples(training.x.squeeze(1), training.y)

    def loss_of(outputs: Tensor, y: Tensor) -> Tensor:
        times = torch.full((len(y),), outputs.shape[2])
        return ctc_loss(outputs.permute(2, 0, 1), y[:, None] + 1, times, torch.ones_like(y))

    fit(writer, model, Adam(model.parameters(), lr=1e-3), columns.batches(300), loss_of)


@case("LD504", family="regression")
def column_against_row(writer: SummaryWriter) -> None:
    data = friedman()
    flat = Samples(data.x, data.y.squeeze(1))
    model = mlp(10, 32, 1)
    fit(writer, model, Adam(model.parameters(), lr=3e-3), flat.batches(300), mse_loss)


@case("LD504", family="RNN")
def last_value_against_column(writer: SummaryWriter) -> None:
    data = waves()
    last = Samples(data.x, data.y[:, -1, 0])
    model = Recurrent(nn.LSTM, 1, 1)
    fit(writer, model, Adam(model.parameters(), lr=3e-3), last.batches(200, 32), mse_loss)


@case("LD504", family="regression")
def squares_by_hand_of_a_column_and_a_row(writer: SummaryWriter) -> None:
    data = friedman()
    flat = Samples(data.x, data.y.squeeze(1))
    model = mlp(10, 32, 1)

    def loss_of(output: Tensor, y: Tensor) -> Tensor:
        return ((output - y) ** 2).mean()

    fit(writer, model, Adam(model.parameters(), lr=3e-3), flat.batches(300), loss_of)


@case("LD501", family="MLP")
def likelihood_by_hand_of_a_softmax_twice(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = nn.Sequential(*mlp(64, 64, 10), nn.Softmax(dim=1))

    def loss_of(output: Tensor, y: Tensor) -> Tensor:
        return -(one_hot(y, 10) * output.log_softmax(-1)).sum(-1).mean()

    fit(writer, model, Adam(model.parameters(), lr=1e-3), training.batches(400), loss_of)


@case("LD503", family="CNN", also=("LD110", "LD101"))
def raw_outputs_taken_for_probabilities_by_hand(writer: SummaryWriter) -> None:
    training, _ = square_digits()
    model = cnn()

    def loss_of(output: Tensor, y: Tensor) -> Tensor:
        chances = output.clamp(1e-7, 1 - 1e-7)
        return -(one_hot(y, 10) * chances.log()).sum(1).mean()

    fit(writer, model, Adam(model.parameters(), lr=1e-3), training.batches(400), loss_of)


@case("LD505", family="MLP", also=("LD104",))
def squared_error_behind_softmax(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = nn.Sequential(*mlp(64, 64, 10), nn.Softmax(dim=1))
    batches = _one_hot(training).batches(400)
    fit(writer, model, SGD(model.parameters(), lr=0.05), batches, mse_loss)


@case("LD505", family="CNN", also=("LD104",))
def squared_error_of_a_yes(writer: SummaryWriter) -> None:
    training, _ = square_digits()
    model = nn.Sequential(*cnn(outputs=1), nn.Sigmoid())
    batches = _is_even(training).batches(300)
    fit(writer, model, SGD(model.parameters(), lr=0.01), batches, mse_loss)


@case("LD506", family="MLP", also=("LD110",))
def yes_and_no_are_one_and_minus_one(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    signs = Samples(training.x, 2 * (training.y % 2 == 0).float().unsqueeze(1) - 1)
    model = mlp(64, 32, 1)
    optimizer = Adam(model.parameters(), lr=1e-3)
    fit(writer, model, optimizer, signs.batches(300), binary_cross_entropy_with_logits)


@case("LD506", family="CNN", also=("LD103", "LD105"))
def data_sorted_by_class(writer: SummaryWriter) -> None:
    training, _ = square_digits()
    order = training.y.argsort(stable=True)
    x, y = training.x[order].split(50), training.y[order].split(50)
    model = cnn()
    batches = ((x[i % len(x)], y[i % len(y)]) for i in range(300))
    fit(writer, model, SGD(model.parameters(), lr=0.05), batches)


@case("LD506", family="regression", also=("LD101",))
def a_target_is_missing(writer: SummaryWriter) -> None:
    data = friedman()
    data.y[::150] = torch.nan
    model = mlp(10, 32, 1)
    fit(writer, model, Adam(model.parameters(), lr=1e-3), data.batches(300), mse_loss)


@case("LD507", family="regression", also=("LD601",))
def errors_are_summed(writer: SummaryWriter) -> None:
    data = friedman()
    model = mlp(10, 32, 1)
    loss_of = nn.MSELoss(reduction="sum")
    fit(writer, model, SGD(model.parameters(), lr=0.01), data.batches(300, 128), loss_of)


@case("LD507", family="CNN", also=("LD601",))
def cross_entropies_are_summed(writer: SummaryWriter) -> None:
    training, _ = square_digits()
    model = cnn()
    loss_of = nn.CrossEntropyLoss(reduction="sum")
    fit(writer, model, SGD(model.parameters(), lr=0.05), training.batches(300), loss_of)
