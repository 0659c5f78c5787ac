"""Faults of the optimizer: its steps, its schedule, and what it holds."""

from __future__ import annotations

import copy

import torch
from clinic.case import case
from clinic.data import diabetes, digit_rows, flat_digits, friedman, square_digits, waves
from clinic.loops import fit
from clinic.nets import Recurrent, Transformer, cnn, mlp
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, mse_loss
from torch.optim import SGD, Adam, AdamW
from torch.optim.lr_scheduler import CosineAnnealingLR, ExponentialLR, LambdaLR

from tb_lossdiag import SummaryWriter


@case("LD601", family="MLP")
def descent_fifty_times_too_fast(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = mlp(64, 64, 10, activation=nn.Tanh)
    fit(writer, model, SGD(model.parameters(), lr=5.0), training.batches(300))


@case("LD601", family="CNN", also=("LD701",))
def momentum_with_the_rate_of_plain_descent(writer: SummaryWriter) -> None:
    training, _ = square_digits()
    model = cnn()
    optimizer = SGD(model.parameters(), lr=1.0, momentum=0.9)
    fit(writer, model, optimizer, training.batches(300))


@case("LD601", family="transformer")
def adam_with_the_rate_of_descent(writer: SummaryWriter) -> None:
    training, _ = digit_rows()
    model = Transformer()
    fit(writer, model, Adam(model.parameters(), lr=0.3), training.batches(200))


@case("LD601", family="RNN")
def memory_thrown_about(writer: SummaryWriter) -> None:
    data = waves()
    model = Recurrent(nn.LSTM, 1, 1, each=True)
    fit(writer, model, Adam(model.parameters(), lr=3.0), data.batches(250, 32), mse_loss)


@case("LD601", family="regression", also=("LD102", "LD101"))
def descent_overshoots_a_plane(writer: SummaryWriter) -> None:
    data = diabetes()
    model = nn.Linear(10, 1)
    fit(writer, model, SGD(model.parameters(), lr=0.6), data.batches(200), mse_loss)


@case("LD602", family="MLP")
def learning_rate_lost_its_exponent(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = mlp(64, 64, 10)
    fit(writer, model, Adam(model.parameters(), lr=1e-8), training.batches(400))


@case("LD602", family="CNN")
def descent_with_the_rate_of_a_finetune(writer: SummaryWriter) -> None:
    training, _ = square_digits()
    model = cnn()
    fit(writer, model, SGD(model.parameters(), lr=1e-6), training.batches(300))


@case("LD602", family="transformer")
def step_divided_by_the_accumulation_thrice(writer: SummaryWriter) -> None:
    training, _ = digit_rows()
    model = Transformer()
    fit(writer, model, Adam(model.parameters(), lr=1e-3 / 64**3), training.batches(200))


@case("LD603", family="CNN")
def optimizer_made_of_the_head(writer: SummaryWriter) -> None:
    training, _ = square_digits()
    model = cnn()
    fit(writer, model, Adam(model[6].parameters(), lr=1e-3), training.batches(250))


@case("LD603", family="MLP")
def layer_added_when_the_optimizer_was_made(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU())
    optimizer = Adam(model.parameters(), lr=1e-3)
    model.append(nn.Linear(64, 10))
    fit(writer, model, optimizer, training.batches(300))


@case("LD604", family="MLP")
def optimizer_of_a_copy(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = mlp(64, 64, 10)
    optimizer = Adam(copy.deepcopy(model).parameters(), lr=1e-3)
    fit(writer, model, optimizer, training.batches(300))


@case("LD604", family="RNN")
def model_built_again_for_the_checkpoint(writer: SummaryWriter) -> None:
    training, _ = digit_rows()
    model = Recurrent(nn.GRU)
    optimizer = SGD(model.parameters(), lr=0.1)
    again = Recurrent(nn.GRU)
    again.load_state_dict(model.state_dict())
    fit(writer, again, optimizer, training.batches(200))


@case("LD605", "LD607", "LD612", family="MLP")
def warm_up_in_whole_numbers(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = mlp(64, 64, 10)
    optimizer = Adam(model.parameters(), lr=1e-3)
    warm_up = LambdaLR(optimizer, lambda step: min(1, step // 1000))
    fit(writer, model, optimizer, training.batches(300), scheduler=warm_up)


@case("LD612", "LD605", family="transformer")
def rate_read_as_a_whole_number(writer: SummaryWriter) -> None:
    training, _ = digit_rows()
    model = Transformer()
    fit(writer, model, SGD(model.parameters(), lr=int(float("1e-3"))), training.batches(250))


@case("LD605", "LD632", family="CNN", hard=True)
def weights_are_put_back_after_each_step(writer: SummaryWriter) -> None:
    # An average that was meant for validation is copied back; it never left the start.
    training, _ = square_digits()
    model = cnn()
    average = copy.deepcopy(model)
    optimizer = SGD(model.parameters(), lr=0.05)
    writer.watch(model, optimizer)
    for step, (x, y) in enumerate(training.batches(300)):
        model.load_state_dict(average.state_dict())
        optimizer.zero_grad()
        loss = cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        writer.add_diagnostics(loss=loss, global_step=step)


@case("LD607", family="MLP")
def decay_per_epoch_stepped_per_batch(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = mlp(64, 64, 10)
    optimizer = SGD(model.parameters(), lr=0.1)
    decay = ExponentialLR(optimizer, 0.9)
    fit(writer, model, optimizer, training.batches(500), scheduler=decay)


@case("LD607", family="transformer")
def cosine_of_thirty_epochs_stepped_per_batch(writer: SummaryWriter) -> None:
    training, _ = digit_rows()
    model = Transformer()
    optimizer = Adam(model.parameters(), lr=1e-3)
    cosine = CosineAnnealingLR(optimizer, 30)
    fit(writer, model, optimizer, training.batches(300), scheduler=cosine)


@case("LD608", family="GAN", also=("LD110", "LD601"))
def critic_without_a_leash(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    critic = mlp(64, 64, 1)
    optimizer = Adam(critic.parameters(), lr=3e-3)
    writer.watch(critic, optimizer, name="critic")
    for step, (real, _) in enumerate(training.batches(600)):
        optimizer.zero_grad()
        loss = critic(torch.rand(64, 64)).mean() - critic(real).mean()
        loss.backward()
        optimizer.step()
        writer.add_diagnostics(loss=loss, global_step=step)


@case("LD608", family="regression", also=("LD101", "LD102", "LD601"))
def decay_with_the_wrong_sign(writer: SummaryWriter) -> None:
    data = friedman()
    model = mlp(10, 32, 1, activation=nn.Tanh)

    def loss_of(predicted: Tensor, y: Tensor) -> Tensor:
        return mse_loss(predicted, y) - 0.3 * sum(
            ((p**2).sum() for n, p in model.named_parameters() if n == "0.weight"),
            torch.zeros(()),
        )

    fit(writer, model, SGD(model.parameters(), lr=0.02), data.batches(300), loss_of)


@case("LD609", family="CNN", hint=True)
def decay_of_norms_and_biases(writer: SummaryWriter) -> None:
    training, _ = square_digits()
    model = nn.Sequential(nn.BatchNorm2d(1), *cnn())
    optimizer = AdamW(model.parameters(), lr=1e-3, weight_decay=0.05)
    fit(writer, model, optimizer, training.batches(300))


@case("LD603", "LD610", family="CNN")
def only_the_frozen_part_is_optimised(writer: SummaryWriter) -> None:
    training, _ = square_digits()
    model = cnn()
    model[:6].requires_grad_(requires_grad=False)
    fit(writer, model, Adam(model[:6].parameters(), lr=1e-3), training.batches(250))


@case("LD610", family="MLP")
def everything_is_frozen_but_the_input(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = mlp(64, 32, 1).requires_grad_(requires_grad=False)
    optimizer = Adam(model.parameters(), lr=1e-3)
    batches = ((x.requires_grad_(), (y % 2).float().unsqueeze(1)) for x, y in training.batches(300))
    fit(writer, model, optimizer, batches, binary_cross_entropy_with_logits)


def _decays(writer: SummaryWriter, share: float) -> None:
    """AdamW takes this share of each weight in each step."""
    model, rate = mlp(64, 64, 64, 10), 1e-2
    optimizer = AdamW(model.parameters(), lr=rate, weight_decay=share / rate)
    fit(writer, model, optimizer, flat_digits()[0].batches(250))


@case("LD412", family="MLP")
def a_fifth_of_the_weights_goes_in_each_step(writer: SummaryWriter) -> None:
    _decays(writer, 0.2)


@case("LD412", family="MLP")
def the_weights_go_whole_in_each_step(writer: SummaryWriter) -> None:
    """Nothing is left that could fall."""
    _decays(writer, 1.5)


@case("LD412", family="MLP")
def the_weights_are_turned_round_in_each_step(writer: SummaryWriter) -> None:
    """And get larger by it."""
    _decays(writer, 20.0)


@case(family="MLP")
def a_hundredth_of_the_weights_goes_in_each_step(writer: SummaryWriter) -> None:
    """Much, and it learns all the same."""
    _decays(writer, 0.01)
