"""Keras 3 with torch as its backend: Keras layers and losses in a torch loop, as Keras's own guide has it."""

from __future__ import annotations

import os

os.environ["KERAS_BACKEND"] = "torch"

from typing import Any

import keras
import torch
from clinic.abroad import patient
from clinic.abroad.loops import train
from clinic.abroad.recipes import folder
from clinic.data import Samples, diabetes, flat_digits
from torch import Tensor, nn
from torch.optim import SGD, Adam

from tb_lossdiag import SummaryWriter


def dense(*units: int, last: str | None = None, inputs: int = 64) -> Any:
    """Dense layers with ReLU between and this activation at the end."""
    keras.utils.set_random_seed(torch.initial_seed())
    layers = [keras.layers.Dense(count, activation="relu") for count in units[:-1]]
    layers.append(keras.layers.Dense(units[-1], activation=last))
    return keras.Sequential([keras.Input((inputs,)), *layers])


def fit(
    writer: SummaryWriter,
    model: Any,
    loss: Any,
    data: Samples,
    *,
    steps: int = 300,
    rate: float = 1e-3,
) -> None:
    """A torch optimizer over the model's parameters; Keras's losses take targets first."""
    batches = data.batches(steps)

    def of() -> Tensor:
        x, y = next(batches)
        value: Tensor = loss(y, model(x, training=True))
        return value

    train(writer, model, Adam(model.parameters(), lr=rate), of, steps)


def even(data: Samples) -> Samples:
    """Whether a digit is even."""
    return Samples(data.x, (data.y % 2 == 0).float().unsqueeze(1))


def one_hot(data: Samples) -> Samples:
    """Classes as rows of zeros and a one."""
    return Samples(data.x, torch.nn.functional.one_hot(data.y, 10).float())


@patient(family="Keras 3")
def keras_classes_from_logits(writer: SummaryWriter) -> None:
    """Scores and `from_logits=True`."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    fit(writer, dense(64, 10), loss, flat_digits()[0])


@patient(family="Keras 3")
def keras_classes_from_probabilities(writer: SummaryWriter) -> None:
    """Softmax at the end and a loss that expects it."""
    loss = keras.losses.CategoricalCrossentropy()
    fit(writer, dense(64, 10, last="softmax"), loss, one_hot(flat_digits()[0]))


@patient(family="Keras 3")
def keras_predicts_a_disease(writer: SummaryWriter) -> None:
    """Regression with Huber's loss."""
    fit(writer, dense(32, 1, inputs=10), keras.losses.Huber(), diabetes(), rate=3e-3)


@patient("LD501", family="Keras 3", source="keras-team/keras issues 6143, 15271")
def keras_softmax_called_logits(writer: SummaryWriter) -> None:
    """Softmax at the end, and `from_logits=True`."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    fit(writer, dense(64, 10, last="softmax"), loss, flat_digits()[0])


@patient("LD503", family="Keras 3", source="xiph/LPCNet issue 97, keras-team/keras-hub PR 1008")
def keras_logits_called_probabilities(writer: SummaryWriter) -> None:
    """Scores go into a loss that clips them to probabilities."""
    loss = keras.losses.SparseCategoricalCrossentropy()
    fit(writer, dense(64, 10), loss, flat_digits()[0])


@patient("LD502", family="Keras 3", source="keras-team/keras issue 15271")
def keras_sigmoid_called_logits(writer: SummaryWriter) -> None:
    """Sigmoid at the end, and `from_logits=True`."""
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    fit(writer, dense(64, 1, last="sigmoid"), loss, even(flat_digits()[0]))


@patient("LD511", "LD705", family="Keras 3", source="ali-ghanbari/deepmufl-ase-2023 45378493")
def keras_softmax_of_one(writer: SummaryWriter) -> None:
    """A softmax over one unit is always 1."""
    loss = keras.losses.BinaryCrossentropy()
    fit(writer, dense(64, 1, last="softmax"), loss, even(flat_digits()[0]))


@patient(
    "LD511",
    "LD104",
    "LD205",
    family="Keras 3",
    source="Wardat-ISU/DeepLocalize StackOverflow 33969059",
)
def keras_answers_from_0_to_1(writer: SummaryWriter) -> None:
    """A sigmoid at the end and targets from 25 to 346."""
    model = dense(32, 1, last="sigmoid", inputs=10)
    fit(writer, model, keras.losses.MeanSquaredError(), diabetes(scaled=False))


@patient(
    "LD702",
    "LD201",
    "LD104",
    family="Keras 3",
    hard=True,
    source="ali-ghanbari/deepmufl-ase-2023 49583466",
)
def keras_nine_layers_of_sigmoid(writer: SummaryWriter) -> None:
    """A stack of sigmoids, trained by plain descent."""
    keras.utils.set_random_seed(torch.initial_seed())
    hidden = [keras.layers.Dense(32, activation="sigmoid") for _ in range(8)]
    model = keras.Sequential([keras.Input((64,)), *hidden, keras.layers.Dense(10)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    batches = flat_digits()[0].batches(300)

    def of() -> Tensor:
        x, y = next(batches)
        value: Tensor = loss(y, model(x, training=True))
        return value

    train(writer, model, SGD(model.parameters(), lr=0.01), of, 300)


def rare_twins(count: int = 1000) -> tuple[Tensor, Tensor, Tensor]:
    """Nine of ten samples are easy; of the rest nobody can say which of two classes they are. With the weights that balance them."""
    y = torch.multinomial(torch.tensor([0.9, 0.05, 0.05]), count, replacement=True)
    x = torch.randn(count, 4)
    x[:, 0] += torch.where(y > 0, 6.0, -2.0)
    return x, y, count / 3 / torch.bincount(y, minlength=3)


@patient(
    family="Keras 3", source="https://keras.io/examples/structured_data/imbalanced_classification/"
)
def keras_rare_classes_count_more(writer: SummaryWriter) -> None:
    """`class_weight` weighs the training's samples, and no validation's: half of the training loss is of what the validation hardly has."""
    from tb_lossdiag.integrations.keras import LossDoctor  # noqa: PLC0415

    x, y, weights = rare_twins()
    model = dense(16, 3, last="softmax", inputs=4)
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy")
    model.fit(
        x.numpy(), y.numpy(), epochs=80, batch_size=64, verbose=0, validation_split=0.2,
        class_weight=dict(enumerate(weights.tolist())), callbacks=[LossDoctor(folder(writer))],
    )  # fmt: skip


@patient(family="tables")
def rare_classes_count_more_in_training(writer: SummaryWriter) -> None:
    """The same in a loop of torch's: `CrossEntropyLoss(weight=…)`, and a validation without."""
    x, y, weights = rare_twins()
    model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))
    optimizer, criterion = Adam(model.parameters(), lr=3e-3), nn.CrossEntropyLoss(weight=weights)
    writer.watch(model, optimizer)
    for step in range(520):
        some = torch.randint(800, (64,))
        loss = criterion(model(x[some]), y[some])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        writer.add_diagnostics(loss=loss, global_step=step)
        if step % 13 == 0:
            with torch.no_grad():
                held_out = nn.functional.cross_entropy(model(x[800:]), y[800:])
            writer.add_diagnostics(loss=held_out, phase="validation", global_step=step)
