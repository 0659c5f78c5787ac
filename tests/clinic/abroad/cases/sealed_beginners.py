"""First trainings of people who are new to it: a loop by hand over digits or a table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from clinic.abroad import patient
from clinic.abroad.loops import train
from clinic.data import Samples, flat_digits, friedman, square_digits
from clinic.nets import cnn, mlp
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, log_softmax, mse_loss
from torch.optim import SGD, Adam
from torch.utils.data import DataLoader, TensorDataset

from tb_lossdiag import SummaryWriter


def _loader(data: Samples, size: int = 64, *, shuffle: bool = True) -> Any:
    return DataLoader(TensorDataset(data.x, data.y), size, shuffle=shuffle)


def _epochs(
    writer: SummaryWriter,
    *,
    before_epoch: Callable[[Any], object],
    after_step: Callable[[Any], object],
) -> None:
    """Digits, epoch by epoch, with the gradients reset where the caller does it."""
    digits, _ = flat_digits()
    model = mlp(64, 64, 10)
    optimizer = SGD(model.parameters(), lr=0.05, momentum=0.9)
    writer.watch(model, optimizer)
    step = 0
    for _ in range(12):
        before_epoch(optimizer)
        for x, y in _loader(digits):
            loss = cross_entropy(model(x), y)
            loss.backward()
            writer.add_diagnostics(loss=loss, global_step=step)
            optimizer.step()
            after_step(optimizer)
            step += 1


@patient("LD606", family="beginners", source="pytorch/pytorch issue 47175")
def reset_at_the_beginning_of_each_epoch(writer: SummaryWriter) -> None:
    """`zero_grad` stands before the inner loop instead of in it."""
    _epochs(writer, before_epoch=lambda o: o.zero_grad(), after_step=lambda _: None)


@patient(family="beginners")
def reset_when_the_step_is_done(writer: SummaryWriter) -> None:
    """`zero_grad` stands after `step`, which is as good as before `backward`."""
    _epochs(writer, before_epoch=lambda _: None, after_step=lambda o: o.zero_grad())


def _looks(writer: SummaryWriter, model: nn.Module, epochs: int = 12) -> None:
    """A look at the held-out digits after each epoch, in `eval()`, which nobody takes back."""
    digits, held_out = square_digits()
    optimizer = Adam(model.parameters(), lr=1e-3)
    writer.watch(model, optimizer)
    step = 0
    for _ in range(epochs):
        for x, y in _loader(digits):
            optimizer.zero_grad()
            loss = cross_entropy(model(x), y)
            loss.backward()
            writer.add_diagnostics(loss=loss, global_step=step)
            optimizer.step()
            step += 1
        model.eval()
        with torch.no_grad():
            loss = cross_entropy(model(held_out.x), held_out.y)
        writer.add_diagnostics(loss=loss, phase="validation", global_step=step)


@patient("LD703", family="beginners", source="shubhamagarwal92/mmd issue 14")
def in_eval_after_the_first_look(writer: SummaryWriter) -> None:
    """Dropout and batch normalisation train for one epoch, and are then left in `eval()`."""
    layers = (nn.Flatten(), nn.Linear(64, 128), nn.BatchNorm1d(128), nn.ReLU(), nn.Dropout(0.5))
    _looks(writer, nn.Sequential(*layers, nn.Linear(128, 10)))


@patient(family="beginners")
def in_eval_where_nothing_depends_on_it(writer: SummaryWriter) -> None:
    """The same loop, with a model that does the same in both modes (tk-rusch/coRNN issue 1)."""
    _looks(writer, cnn())


class _Reader(nn.Module):
    """Digits through two convolutions to what a book calls the logarithm of their likelihood."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = cnn()

    def forward(self, x: Tensor) -> Tensor:
        return log_softmax(self.layers(x), dim=0)


@patient(
    "LD718",
    "LD501",
    family="beginners",
    source="swarmapytorch/book_DeepLearning_in_PyTorch_Source issue 8, perone/euclidesdb issue 2",
)
def likelihoods_of_a_column(writer: SummaryWriter) -> None:
    """`log_softmax(x, dim=0)`: a digit's likelihood depends on who else is in the batch; alone it is always 1."""
    digits, held_out = square_digits()
    model = _Reader()
    batches = iter(digits.batches(250))

    def loss() -> Tensor:
        x, y = next(batches)
        return cross_entropy(model(x), y)

    train(
        writer, model, Adam(model.parameters(), 1e-3), loss, 250,
        validate=lambda: cross_entropy(model(held_out.x), held_out.y),
    )  # fmt: skip


@patient(
    "LD506",
    family="beginners",
    source="ultralytics/yolov5 issue 2582, xuyxu/Deep-Clustering-Network issue 2",
)
def class_after_class(writer: SummaryWriter) -> None:
    """Folder after folder, and a loader that does not shuffle."""
    digits, held_out = flat_digits()
    order = digits.y.argsort()
    ordered = Samples(digits.x[order], digits.y[order])
    model = mlp(64, 64, 10)
    batches = (batch for _ in range(12) for batch in _loader(ordered, 32, shuffle=False))

    def loss() -> Tensor:
        x, y = next(batches)
        return cross_entropy(model(x), y)

    train(
        writer, model, SGD(model.parameters(), 0.05, momentum=0.9), loss, 450,
        validate=lambda: cross_entropy(model(held_out.x), held_out.y), every=45,
    )  # fmt: skip


def _fit(writer: SummaryWriter, model: nn.Module, optimizer: Any, steps: int = 300) -> None:
    digits, held_out = flat_digits()
    batches = iter(digits.batches(steps))

    def loss() -> Tensor:
        x, y = next(batches)
        return cross_entropy(model(x), y)

    train(
        writer, model, optimizer, loss, steps,
        validate=lambda: cross_entropy(model(held_out.x), held_out.y),
    )  # fmt: skip


@patient(
    "LD722",
    family="beginners",
    source="pages.dogdog.run/machine_learning/weight_initialization.html",
)
def every_weight_begins_alike(writer: SummaryWriter) -> None:
    """All weights of all layers begin at one value, so all units of a layer remain one unit."""
    model = mlp(64, 64, 32, 10)
    for name, parameter in model.named_parameters():
        nn.init.constant_(parameter, 0.05 if "weight" in name else 0.0)
    _fit(writer, model, Adam(model.parameters(), 1e-3))


@patient(family="beginners")
def one_layer_that_begins_at_zero(writer: SummaryWriter) -> None:
    """A linear model has no symmetry to break, and may begin at 0 (jthickstun/pytorch_musicnet issue 4)."""
    model = nn.Linear(64, 10)
    nn.init.zeros_(model.weight)
    nn.init.zeros_(model.bias)
    _fit(writer, model, Adam(model.parameters(), 3e-3))


@patient("LD309", family="beginners", source="Cranial-XIX/FAMO issue 4")
def clipped_before_there_is_a_gradient(writer: SummaryWriter) -> None:
    """`clip_grad_norm_` stands between `zero_grad` and `backward`; some targets are far out."""
    table = friedman()
    far = torch.distributions.StudentT(1.3).sample(table.y.shape)
    model = mlp(10, 64, 1)
    optimizer = SGD(model.parameters(), lr=0.02, momentum=0.9)
    writer.watch(model, optimizer)
    for step, (x, y) in enumerate(Samples(table.x, table.y + 0.3 * far).batches(400)):
        optimizer.zero_grad()
        loss = mse_loss(model(x), y)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()


@patient("LD101", "LD206", family="beginners", source="timeseriesAI/tsai issue 150")
def the_logarithm_of_a_negative_price(writer: SummaryWriter) -> None:
    """Squared logarithms of prices from a thousandth to a thousand; nothing keeps the answer above -1."""
    x = torch.distributions.StudentT(3.0).sample((1000, 8))
    y = 10 ** (x[:, :1] + 0.5 * x[:, 1:2]).clamp(-3, 3)
    model = mlp(8, 64, 64, 1)
    batches = iter(Samples(x, y).batches(300))

    def loss() -> Tensor:
        seen, price = next(batches)
        return mse_loss(torch.log(model(seen) + 1), torch.log(price + 1))

    train(writer, model, Adam(model.parameters(), 3e-2), loss, 300)
