"""Faults of the loop's order and of the model's mode."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from clinic.case import case
from clinic.data import Samples, digit_rows, flat_digits, square_digits, waves
from clinic.loops import Loss, fit
from clinic.nets import Recurrent, Transformer, cnn, mlp
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss
from torch.optim import SGD, Adam, Optimizer

from tb_lossdiag import SummaryWriter


def _without_reset(
    writer: SummaryWriter,
    model: nn.Module,
    optimizer: Optimizer,
    data: Samples,
    loss_of: Loss = cross_entropy,
) -> None:
    writer.watch(model, optimizer)
    for step, (x, y) in enumerate(data.batches(300)):
        loss = loss_of(model(x), y)
        loss.backward()
        optimizer.step()
        writer.add_diagnostics(loss=loss, global_step=step)


@case("LD616", family="MLP")
def reset_between_backward_and_step(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = mlp(64, 32, 10)
    optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)
    writer.watch(model, optimizer)
    for step, (x, y) in enumerate(training.batches(300)):
        loss = cross_entropy(model(x), y)
        loss.backward()
        optimizer.zero_grad()
        optimizer.step()
        writer.add_diagnostics(loss=loss, global_step=step)


@case("LD616", family="RNN")
def filled_with_zeros_before_the_step(writer: SummaryWriter) -> None:
    training, _ = digit_rows()
    model = Recurrent(nn.GRU)
    optimizer = Adam(model.parameters(), lr=1e-3)
    writer.watch(model, optimizer)
    for step, (x, y) in enumerate(training.batches(200)):
        loss = cross_entropy(model(x), y)
        loss.backward()
        optimizer.zero_grad(set_to_none=False)
        optimizer.step()
        writer.add_diagnostics(loss=loss, global_step=step)


@case("LD208", family="MLP")
def a_loss_made_of_a_number(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = mlp(64, 32, 10)
    optimizer = Adam(model.parameters(), lr=1e-3)

    def loss_of(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return torch.tensor(cross_entropy(output, y).item(), requires_grad=True)

    fit(writer, model, optimizer, training.batches(300), loss_of)


@case("LD208", family="CNN")
def outputs_without_a_history(writer: SummaryWriter) -> None:
    training, _ = square_digits()
    model = cnn()
    optimizer = SGD(model.parameters(), lr=0.1)

    def loss_of(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return cross_entropy(output.detach().requires_grad_(), y)

    fit(writer, model, optimizer, training.batches(300), loss_of)


@case("LD606", family="MLP")
def gradients_are_never_reset(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = mlp(64, 64, 10)
    _without_reset(writer, model, SGD(model.parameters(), lr=0.05), training)


@case("LD606", family="CNN")
def adam_hides_the_missing_reset(writer: SummaryWriter) -> None:
    training, _ = square_digits()
    model = cnn()
    _without_reset(writer, model, Adam(model.parameters(), lr=1e-3), training)


@case("LD606", family="RNN")
def memory_of_all_gradients(writer: SummaryWriter) -> None:
    data = waves(20)
    model = Recurrent(nn.GRU, 1, 1, each=True)
    _without_reset(writer, model, SGD(model.parameters(), lr=0.02), data, mse_loss)


def _stays_in_eval(
    writer: SummaryWriter, model: nn.Module, data: tuple[Samples, Samples], steps: int
) -> None:
    """The validation at the first step switches to eval, and nothing switches back."""
    training, validation = data
    optimizer = Adam(model.parameters(), lr=1e-3)
    writer.watch(model, optimizer)
    for step, (x, y) in enumerate(training.batches(steps)):
        if step % 50 == 0:
            model.eval()
            with torch.no_grad():
                score = cross_entropy(model(validation.x), validation.y)
            writer.add_diagnostics(loss=score, phase="validation", global_step=step)
        optimizer.zero_grad()
        loss = cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        writer.add_diagnostics(loss=loss, global_step=step)


@case("LD703", family="MLP", also=("LD107",))
def dropout_is_off_after_validation(writer: SummaryWriter) -> None:
    layers = (nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, 10))
    _stays_in_eval(writer, nn.Sequential(*layers), flat_digits(), 300)


@case("LD703", family="CNN", also=("LD107",))
def normalisation_is_frozen_after_validation(writer: SummaryWriter) -> None:
    first = (nn.Conv2d(1, 16, 3), nn.BatchNorm2d(16), nn.ReLU())
    model = nn.Sequential(*first, nn.Dropout(0.3), nn.Flatten(), nn.Linear(576, 10))
    _stays_in_eval(writer, model, square_digits(), 300)


@case("LD703", family="transformer", also=("LD107",))
def attention_without_its_dropout(writer: SummaryWriter) -> None:
    _stays_in_eval(writer, Transformer(dropout=0.2), digit_rows(), 200)


class _Tuned(nn.Module):
    """A head of its own over a trunk that was loaded, in `eval()` as libraries hand it over."""

    def __init__(self) -> None:
        super().__init__()
        layers = (nn.Linear(64, 96), nn.BatchNorm1d(96), nn.ReLU(), nn.Dropout(0.4))
        self.trunk, self.head = nn.Sequential(*layers), nn.Linear(96, 10)
        digits = flat_digits()[0]
        with torch.no_grad():
            for x, _ in digits.batches(60, 64):
                self.trunk(x)  # its statistics
        self.trunk.eval()

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.head(self.trunk(x))
        return scores


def _tunes(writer: SummaryWriter, model: nn.Module) -> None:
    optimizer = Adam(model.parameters(), lr=1e-3)
    writer.watch(model, optimizer)
    for step, (x, y) in enumerate(flat_digits()[0].batches(250, 64)):
        optimizer.zero_grad()
        loss = cross_entropy(model(x), y)
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()


@case("LD703", family="MLP")
def a_loaded_trunk_is_tuned_in_eval(writer: SummaryWriter) -> None:
    _tunes(writer, _Tuned())


@case(family="MLP")
def a_loaded_trunk_gives_features_in_eval(writer: SummaryWriter) -> None:
    """It is frozen, and the optimizer was given all parameters."""
    model = _Tuned()
    model.trunk.requires_grad_(requires_grad=False)
    _tunes(writer, model)


@case(family="MLP")
def a_loaded_trunk_keeps_its_statistics(writer: SummaryWriter) -> None:
    """Its normalisation alone stays in eval()."""
    model = _Tuned().train()
    model.trunk[1].eval()
    _tunes(writer, model)


class _Whole(nn.Module):
    """Layers of its own under a head that drops as well."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Linear(64, 96), nn.BatchNorm1d(96)
        self.drop = nn.Dropout(0.4)
        self.head = nn.Sequential(nn.Dropout(0.2), nn.Linear(96, 10))

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.head(self.drop(self.norm(self.first(x)).relu()))
        return scores


@case("LD703", family="MLP")
def the_head_alone_is_put_in_train(writer: SummaryWriter) -> None:
    """After a validation nobody puts the whole model back, and all of it is trained."""
    model = _Whole().eval()
    model.head.train()
    _tunes(writer, model)


@case(family="MLP")
def a_head_is_probed_over_a_model_in_eval(writer: SummaryWriter) -> None:
    """All but the head is frozen, and so in eval()."""
    model = _Whole().eval()
    model.requires_grad_(requires_grad=False)
    model.head.requires_grad_().train()
    _tunes(writer, model)


@case("LD811", family="MLP", hint=True, thresholds=("LD811.min_seconds=1",))
def all_losses_so_far_are_sent_at_every_step(writer: SummaryWriter) -> None:
    """A service far away takes its time for each number, and is sent all of them again and again."""
    _sends(writer, lambda step: step)


@case(family="MLP", thresholds=("LD811.min_seconds=1",))
def the_newest_losses_are_sent_at_every_step(writer: SummaryWriter) -> None:
    _sends(writer, lambda step: min(step, 20))


def _sends(writer: SummaryWriter, numbers: Callable[[int], int]) -> None:
    """A classifier whose loop waits for so many numbers to be taken."""
    model = mlp(64, 16, 10)
    optimizer = SGD(model.parameters(), lr=0.05)
    writer.watch(model, optimizer, probes=False)
    for step, (x, y) in enumerate(flat_digits()[0].batches(200, 64)):
        optimizer.zero_grad()
        loss = cross_entropy(model(x), y)
        time.sleep(3e-4 * numbers(step))
        loss.backward()
        optimizer.step()
        writer.add_diagnostics(loss=loss)


def _logged_by_hand(
    writer: SummaryWriter, *, switched: bool = True, scale: float = 1.0, pair: bool = False
) -> None:
    """Epochs that are validated and written as ordinary scalars, as tutorials do; nothing is said to us but the model."""
    training, held_out = flat_digits()
    layers = (nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Dropout(0.4), nn.Linear(64, 10))
    model = nn.Sequential(*layers)
    optimizer = Adam(model.parameters(), lr=1e-3)
    writer.watch(model, optimizer)
    for step, (x, y) in enumerate(training.batches(280)):
        model.train()
        optimizer.zero_grad()
        loss = cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        if not pair:
            writer.add_scalar("Loss/train", loss.item(), step)
        if step % 20 == 19:
            model.train(not switched)
            with torch.no_grad():
                worth = cross_entropy(model(held_out.x * scale), held_out.y).item()
            if pair:
                writer.add_scalars("Loss", {"train": loss.item(), "val": worth}, step)
            else:
                writer.add_scalar("Loss/val", worth, step)


@case("LD627", family="MLP")
def validated_in_train_mode_and_logged_by_hand(writer: SummaryWriter) -> None:
    """`model.eval()` is forgotten, and the validation loss is an ordinary scalar."""
    _logged_by_hand(writer, switched=False)


@case("LD626", family="MLP")
def validated_on_raw_pictures_and_logged_by_hand(writer: SummaryWriter) -> None:
    """Training divides by 16, the validation does not."""
    _logged_by_hand(writer, scale=16.0)


@case("LD626", family="MLP")
def validated_on_raw_pictures_and_logged_in_pairs(writer: SummaryWriter) -> None:
    """The same, with `add_scalars`."""
    _logged_by_hand(writer, scale=16.0, pair=True)


@case(family="MLP")
def validated_as_it_should_be_and_logged_by_hand(writer: SummaryWriter) -> None:
    """In eval(), with inputs of the training's scale."""
    _logged_by_hand(writer)


@case(family="MLP")
def validated_as_it_should_be_and_logged_in_pairs(writer: SummaryWriter) -> None:
    """The same, with `add_scalars`."""
    _logged_by_hand(writer, pair=True)
