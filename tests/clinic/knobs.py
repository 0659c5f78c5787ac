"""Faults with a knob: turned up tenfold and a hundredfold, the cause is still named first, and no quieter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from clinic.data import diabetes, flat_digits, friedman, rare_digits
from clinic.loops import Terms, fit, fit_terms
from clinic.nets import VAE, Code, TwoTasks, linears, mlp
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss
from torch.optim import SGD, Adam
from torch.optim.lr_scheduler import ExponentialLR

from tb_lossdiag import SummaryWriter

TIMES = (1, 10, 100)
"""How far a knob is turned."""
Training = Callable[[SummaryWriter, float], None]
KNOBS: dict[str, Knob] = {}
"""All of them by name."""


@dataclass(frozen=True)
class Knob:
    """A training whose fault grows with a number.

    Attributes:
        train: trains; the larger its number, the grosser the fault.
        causes: codes any of which is the right one to name first.
    """

    train: Training
    causes: tuple[str, ...]


def knob(*causes: str) -> Callable[[Training], Training]:
    """Enter a training."""

    def enter(train: Training) -> Training:
        KNOBS[train.__name__.replace("_", "-")] = Knob(train, causes)
        return train

    return enter


def _digits(writer: SummaryWriter, model: nn.Module, rate: float = 1e-3, steps: int = 250) -> None:
    training, _ = flat_digits()
    fit(writer, model, Adam(model.parameters(), lr=rate), training.batches(steps))


@knob("LD601", "LD102", "LD101")
def rate_too_high(writer: SummaryWriter, times: float) -> None:
    _digits(writer, mlp(64, 64, 64, 10), rate=0.5 * times)


@knob("LD602", "LD109", "LD104")
def rate_too_low(writer: SummaryWriter, times: float) -> None:
    _digits(writer, mlp(64, 64, 64, 10), rate=1e-6 / times)


@knob("LD106")
def last_layer_too_large(writer: SummaryWriter, times: float) -> None:
    model = mlp(64, 64, 10)
    with torch.no_grad():
        linears(model)[-1].weight.mul_(100 * times)
    _digits(writer, model, rate=3e-5)


@knob("LD510", "LD106")
def targets_far_off(writer: SummaryWriter, times: float) -> None:
    data = diabetes()
    model = mlp(10, 32, 1)

    def far(guess: Tensor, y: Tensor) -> Tensor:
        return mse_loss(guess, 300 * times + 50 * times * y)

    fit(writer, model, Adam(model.parameters(), lr=1e-3), data.batches(250, 32), far)


@knob("LD510")
def inputs_unscaled(writer: SummaryWriter, times: float) -> None:
    data = diabetes()
    data.x.mul_(3000 * times).add_(3000 * times)
    model = mlp(10, 32, 1)
    fit(writer, model, Adam(model.parameters(), lr=1e-3), data.batches(250, 32), mse_loss)


@knob("LD301", "LD104")
def bound_too_low(writer: SummaryWriter, times: float) -> None:
    training, _ = flat_digits()
    model = mlp(64, 64, 10)
    optimizer = SGD(model.parameters(), lr=0.1)
    fit(writer, model, optimizer, training.batches(300), max_norm=0.02 / times)


@knob("LD407")
def decay_too_strong(writer: SummaryWriter, times: float) -> None:
    training, _ = flat_digits()
    model = mlp(64, 64, 10)
    optimizer = SGD(model.parameters(), lr=1e-3, weight_decay=5 * times)
    fit(writer, model, optimizer, training.batches(300))


@knob("LD401", "LD510")
def term_drowns_the_other(writer: SummaryWriter, times: float) -> None:
    training, _ = flat_digits()
    model = TwoTasks()

    def terms(guess: tuple[Tensor, Tensor], x: Tensor, y: Tensor) -> Terms:
        ink = mse_loss(guess[1], 20 * times * x.sum(1, keepdim=True))
        return {"digit": cross_entropy(guess[0], y), "ink": ink}

    fit_terms(writer, model, Adam(model.parameters(), lr=1e-3), training.batches(300), terms)


@knob("LD402")
def divergence_weighs_too_much(writer: SummaryWriter, times: float) -> None:
    training, _ = flat_digits()
    model = VAE()

    def terms(code: Code, x: Tensor, _: Tensor) -> Terms:
        recon = mse_loss(code.image, x, reduction="none").sum(1).mean()
        return {"recon": recon, "kl": (code.divergence(), 20.0 * times)}

    fit_terms(writer, model, Adam(model.parameters(), lr=2e-3), training.batches(400), terms)


@knob("LD626")
def validation_of_another_kind(writer: SummaryWriter, times: float) -> None:
    """An offset that the training data does not have."""
    training, validation = flat_digits()
    validation.x.add_(5 * times)
    model = mlp(64, 64, 10)
    optimizer = Adam(model.parameters(), lr=1e-3)
    fit(writer, model, optimizer, training.batches(400), validation=validation)


@knob("LD701", "LD205")
def biases_kill_the_units(writer: SummaryWriter, times: float) -> None:
    model = mlp(64, 64, 64, 10)
    with torch.no_grad():
        for layer in linears(model)[:-1]:
            layer.bias.fill_(-3.0 * times)
    _digits(writer, model)


@knob("LD702")
def tanh_starts_saturated(writer: SummaryWriter, times: float) -> None:
    model = mlp(64, 64, 64, 10, activation=nn.Tanh)
    with torch.no_grad():
        for layer in linears(model)[:-1]:
            layer.weight.mul_(20 * times)
    _digits(writer, model, rate=1e-4)


@knob("LD508")
def a_few_targets_are_wild(writer: SummaryWriter, times: float) -> None:
    data = friedman(2000)
    torch.manual_seed(3)
    data.y[torch.rand_like(data.y) < 0.008] = 30.0 * times
    model = mlp(10, 32, 1)
    fit(writer, model, Adam(model.parameters(), lr=1e-3), data.batches(300, 128), mse_loss)


@knob("LD103", "LD203", "LD601")
def batches_in_other_units(writer: SummaryWriter, times: float) -> None:
    training, _ = flat_digits()
    model = mlp(64, 64, 10)

    def spoilt() -> object:
        for step, (x, y) in enumerate(training.batches(300)):
            yield (30 * times * x if step in {150, 190, 230, 270} else x), y

    fit(writer, model, SGD(model.parameters(), lr=0.02), spoilt())  # type: ignore[arg-type]


@knob("LD507", "LD601", "LD106")
def loss_is_summed(writer: SummaryWriter, times: float) -> None:
    training, _ = flat_digits()
    model = mlp(64, 64, 10)

    def summed(logits: Tensor, y: Tensor) -> Tensor:
        return cross_entropy(logits, y, reduction="sum")

    batches = training.batches(150, int(32 * times))
    fit(writer, model, SGD(model.parameters(), lr=0.05), batches, summed)


@knob("LD509")
def one_class_is_rare(writer: SummaryWriter, times: float) -> None:
    data = rare_digits(0.04 / times**0.5)
    model = mlp(64, 16, 2)
    fit(writer, model, Adam(model.parameters(), lr=1e-4), data.batches(300, 512))


@knob("LD408")
def parts_are_added_up(writer: SummaryWriter, times: float) -> None:
    training, _ = flat_digits()
    model = mlp(64, 32, 10)
    optimizer = Adam(model.parameters(), lr=1e-3)
    writer.watch(model, optimizer)
    for step in range(60):
        optimizer.zero_grad()
        parts = [cross_entropy(model(x), y) for x, y in training.batches(int(2 * times), 4)]
        for loss in parts:
            loss.backward()
        optimizer.step()
        writer.add_diagnostics(loss=torch.stack(parts).mean(), global_step=step)


@knob("LD721")
def dropout_leaves_little(writer: SummaryWriter, times: float) -> None:
    dropout = nn.Dropout(1 - 0.001 / times)
    model = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), dropout, nn.Linear(256, 10))
    _digits(writer, model)


@knob("LD107", "LD506")  # a single sample has a single target
def few_samples_are_learned_by_heart(writer: SummaryWriter, times: float) -> None:
    training, validation = flat_digits()
    few, _ = training.split(max(1, int(60 / times)))
    model = mlp(64, 256, 256, 10)
    optimizer = Adam(model.parameters(), lr=3e-3)
    fit(writer, model, optimizer, few.batches(600), validation=validation, every=10)


@knob("LD607", "LD602")
def rate_falls_with_each_batch(writer: SummaryWriter, times: float) -> None:
    training, _ = flat_digits()
    model = mlp(64, 64, 10)
    optimizer = SGD(model.parameters(), lr=0.1)
    falling = ExponentialLR(optimizer, 0.95**times)
    fit(writer, model, optimizer, training.batches(400), scheduler=falling)


@knob("LD407")
def penalty_leaves_nothing_of_the_weights(writer: SummaryWriter, times: float) -> None:
    training, _ = flat_digits()
    model = mlp(64, 64, 10)

    def terms(logits: Tensor, _: Tensor, y: Tensor) -> Terms:
        squares = torch.stack([p.square().sum() for p in model.parameters()]).sum()
        return {"digit": cross_entropy(logits, y), "l2": (squares, 1.0 * times)}

    optimizer = Adam(model.parameters(), lr=1e-3)
    fit_terms(writer, model, optimizer, training.batches(400), terms)


@knob("LD201")
def deep_weights_are_small(writer: SummaryWriter, times: float) -> None:
    training, _ = flat_digits()
    model = mlp(64, *[32] * 7, 10, activation=nn.Sigmoid)
    with torch.no_grad():
        for layer in linears(model)[1:]:
            layer.weight.div_(times)
    fit(writer, model, SGD(model.parameters(), lr=0.1), training.batches(300))


@knob("LD704", "LD101", "LD102")
def each_layer_enlarges(writer: SummaryWriter, times: float) -> None:
    training, _ = flat_digits()
    model = mlp(64, 64, 64, 64, 64, 10)
    with torch.no_grad():
        for layer in linears(model):
            layer.weight.mul_(12 * times)
    fit(writer, model, SGD(model.parameters(), lr=1e-3), training.batches(200))
