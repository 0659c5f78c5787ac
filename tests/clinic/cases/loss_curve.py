"""Faults that show in the loss alone, for nothing else records their cause."""

from __future__ import annotations

import torch
from clinic.case import case
from clinic.data import (
    Samples,
    diabetes,
    digit_rows,
    flat_digits,
    friedman,
    square_digits,
    standard,
    waves,
)
from clinic.loops import fit
from clinic.nets import Recurrent, Transformer, cnn, linears, mlp
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, mse_loss
from torch.optim import SGD, Adam

from tb_lossdiag import SummaryWriter


@case("LD101", family="RNN", also=("LD206",))
def product_of_probabilities_underflows(writer: SummaryWriter) -> None:
    # The chance of a whole sequence, as a product: 120 numbers near 1/10 are 0 in float32.
    sequences = torch.randint(10, (256, 121))
    data = Samples(nn.functional.one_hot(sequences[:, :-1], 10).float(), sequences[:, 1:])

    def chance(logits: Tensor, following: Tensor) -> Tensor:
        right = logits.softmax(2).gather(2, following.unsqueeze(2)).squeeze(2)
        return -right.prod(1).log().mean() / right.shape[1]

    model = Recurrent(nn.GRU, inputs=10, each=True)
    fit(writer, model, Adam(model.parameters(), lr=1e-3), data.batches(200, 32), chance)


@case("LD101", "LD704", family="CNN", also=("LD206",))
def blank_image_is_standardised(writer: SummaryWriter) -> None:
    training, _ = square_digits()
    training.x[7] = 0.5  # a scan that failed
    each = training.x.flatten(1)
    x = ((each - each.mean(1, keepdim=True)) / each.std(1, keepdim=True)).view_as(training.x)
    model = cnn()
    fit(writer, model, Adam(model.parameters(), lr=1e-3), Samples(x, training.y).batches(300))


@case("LD102", family="MLP")
def diverges_and_only_the_loss_is_known(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = mlp(64, 64, 10)
    optimizer = SGD(model.parameters(), lr=0.01, momentum=0.9)
    for step, (x, y) in enumerate(training.batches(400)):
        optimizer.param_groups[0]["lr"] = 0.01 * 1.02**step  # the decay is upside down
        optimizer.zero_grad()
        loss = cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        writer.add_diagnostics(loss=loss, global_step=step)


@case("LD102", family="RNN")
def leaves_its_minimum_with_only_the_loss_known(writer: SummaryWriter) -> None:
    training, _ = digit_rows()
    model = Recurrent(nn.GRU)
    optimizer = Adam(model.parameters(), lr=3e-3)
    for step, (x, y) in enumerate(training.batches(300)):
        optimizer.param_groups[0]["lr"] = 3e-3 * 1.04 ** max(0, step - 100)
        optimizer.zero_grad()
        loss = cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        writer.add_diagnostics(loss=loss, global_step=step)


def _some_scrambled(x: Tensor, step: int) -> Tensor:
    """A batch in fifty comes from a broken worker, a hundred times too bright."""
    return 100 * x if step % 50 == 49 else x


@case("LD103", family="CNN", also=("LD203",))
def some_batches_are_too_bright(writer: SummaryWriter) -> None:
    training, _ = square_digits()
    batches = ((_some_scrambled(x, step), y) for step, (x, y) in enumerate(training.batches(500)))
    model = cnn()
    fit(writer, model, SGD(model.parameters(), lr=0.002, momentum=0.9), batches)


@case("LD103", family="regression", also=("LD203",))
def some_targets_lack_their_decimal_point(writer: SummaryWriter) -> None:
    data = diabetes()
    batches = ((x, _some_scrambled(y, step)) for step, (x, y) in enumerate(data.batches(500)))
    model = mlp(10, 32, 1)
    fit(writer, model, SGD(model.parameters(), lr=1e-4), batches, mse_loss)


@case("LD103", family="MLP", also=("LD203",))
def some_batches_of_four_are_too_bright(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    batches = (
        (_some_scrambled(x, step), y) for step, (x, y) in enumerate(training.batches(600, 4))
    )
    model = mlp(64, 32, 10)
    fit(writer, model, Adam(model.parameters(), lr=1e-3), batches)


@case("LD104", family="MLP")
def labels_are_shuffled_apart_from_images(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    batches = ((x, y[torch.randperm(len(y))]) for x, y in training.batches(400))
    model = mlp(64, 64, 10)
    fit(writer, model, Adam(model.parameters(), lr=1e-3), batches)


@case("LD104", family="transformer")
def next_number_cannot_be_known(writer: SummaryWriter) -> None:
    batches = ((torch.rand(64, 8, 8), torch.randint(10, (64,))) for _ in range(300))
    model = Transformer()
    fit(writer, model, Adam(model.parameters(), lr=1e-3), batches)


@case("LD105", "LD601", family="regression", hard=True)
def step_is_as_long_as_the_valley_is_wide(writer: SummaryWriter) -> None:
    data = diabetes()
    model = nn.Linear(10, 1)
    curvature = torch.linalg.eigvalsh(2 * data.x.T @ data.x / len(data.x))[-1].item()
    optimizer = SGD(model.parameters(), lr=1.999 / curvature)
    fit(writer, model, optimizer, ((data.x, data.y) for _ in range(300)), mse_loss)


@case("LD106", family="MLP")
def last_layer_starts_too_large(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = mlp(64, 64, 10)
    nn.init.normal_(linears(model)[-1].weight, std=10)
    fit(writer, model, SGD(model.parameters(), lr=1e-4), training.batches(300))


@case("LD106", family="transformer")
def logits_carry_a_temperature_upside_down(writer: SummaryWriter) -> None:
    training, _ = digit_rows()
    model = Transformer()

    def too_cold(logits: Tensor, y: Tensor) -> Tensor:
        return cross_entropy(logits / 0.02, y)

    optimizer = Adam(model.parameters(), lr=3e-5)
    fit(writer, model, optimizer, training.batches(300), too_cold)


@case("LD107", family="MLP", also=("LD108",))
def learns_a_hundred_digits_by_heart(writer: SummaryWriter) -> None:
    training, validation = flat_digits()
    few, _ = training.split(100)
    few.y[::10] = torch.randint(10, (10,))
    model = mlp(64, 256, 256, 10)
    optimizer = Adam(model.parameters(), lr=1e-3)
    fit(writer, model, optimizer, few.batches(500), validation=validation)


@case("LD107", family="CNN", also=("LD108",))
def learns_wrong_labels_by_heart(writer: SummaryWriter) -> None:
    training, validation = square_digits()
    few, _ = training.split(150)
    few.y[::4] = torch.randint(10, (38,))
    model = cnn()
    optimizer = Adam(model.parameters(), lr=3e-3)
    fit(writer, model, optimizer, few.batches(500), validation=validation)


@case("LD107", family="regression", also=("LD108",))
def large_net_for_a_hundred_patients(writer: SummaryWriter) -> None:
    few, validation = diabetes().split(100)
    model = mlp(10, 128, 128, 1)
    optimizer = Adam(model.parameters(), lr=1e-3)
    fit(writer, model, optimizer, few.batches(500), mse_loss, validation=validation)


@case("LD526", "LD108", "LD107", family="regression")
def a_column_knows_the_answer(writer: SummaryWriter) -> None:
    # Computed after the fact, it is there for the training set only.
    training, validation = diabetes().split(300)
    leaked = Samples(torch.cat([training.x, training.y], 1), training.y)
    blank = torch.cat([validation.x, torch.zeros_like(validation.y)], 1)
    model = mlp(11, 32, 1)
    optimizer = Adam(model.parameters(), lr=3e-3)
    unseen = Samples(blank, validation.y)
    fit(writer, model, optimizer, leaked.batches(400), mse_loss, validation=unseen)


@case("LD108", "LD107", family="RNN")
def sees_the_step_it_should_predict(writer: SummaryWriter) -> None:
    # The window is cut one step late: the answer is the input, but not in validation.
    training, validation = waves().split(400)
    noise = 0.7 * standard(torch.randn(len(training.y), 40)).unsqueeze(2)
    unseen = Samples(validation.x, validation.y + noise[: len(validation.y)])
    seen = Samples(training.y + noise, training.y + noise)
    model = Recurrent(nn.GRU, 1, 1, each=True)
    optimizer = Adam(model.parameters(), lr=3e-3)
    fit(writer, model, optimizer, seen.batches(300), mse_loss, validation=unseen)


@case("LD109", "LD602", family="MLP")
def learning_rate_of_a_huge_model(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = mlp(64, 64, 10)
    fit(writer, model, Adam(model.parameters(), lr=1e-5), training.batches(600))


@case("LD109", "LD602", family="RNN")
def plain_descent_far_too_slow(writer: SummaryWriter) -> None:
    training, _ = digit_rows()
    model = Recurrent(nn.GRU)
    fit(writer, model, SGD(model.parameters(), lr=3e-4), training.batches(600))


@case("LD110", family="MLP", also=("LD601", "LD608"))
def the_minus_sign_of_a_log_likelihood(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = mlp(64, 64, 10)

    def wrong_way(logits: Tensor, y: Tensor) -> Tensor:
        return -cross_entropy(logits, y)

    fit(writer, model, Adam(model.parameters(), lr=1e-3), training.batches(300), wrong_way)


@case("LD110", family="VAE", source="Jackson-Kang/Pytorch-VAE-tutorial, its sign turned")
def divergence_is_rewarded(writer: SummaryWriter) -> None:
    """Its exponential takes the loss to its depth at once, where it hardly falls on."""
    training, _ = flat_digits()
    encoder, decoder = mlp(64, 64, 16), mlp(8, 64, 64)
    model = nn.ModuleList((encoder, decoder))
    optimizer = Adam(model.parameters(), lr=1e-3)
    writer.watch(model, optimizer)
    for step, (x, _) in enumerate(training.batches(300)):
        mean, log_variance = encoder(x).chunk(2, 1)
        shown = decoder(mean + torch.randn_like(mean) * (0.5 * log_variance).exp())
        divergence = 0.5 * (1 + log_variance - mean**2 - log_variance.exp()).sum()
        loss = binary_cross_entropy_with_logits(shown, x / x.max(), reduction="sum") + divergence
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        writer.add_diagnostics(loss=loss, global_step=step)


@case("LD110", family="regression", also=("LD601", "LD608"))
def score_is_minimised(writer: SummaryWriter) -> None:
    data = friedman()
    model = mlp(10, 32, 1)

    def score(predicted: Tensor, y: Tensor) -> Tensor:
        return -mse_loss(predicted, y)

    fit(writer, model, Adam(model.parameters(), lr=1e-3), data.batches(300), score)
