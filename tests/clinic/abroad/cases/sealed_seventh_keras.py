"""The seventh lot: Keras 3 with torch."""

from __future__ import annotations

import os
from typing import Any

import torch
from clinic.abroad import patient
from clinic.abroad.recipes import folder
from clinic.data import flat_digits
from torch import Tensor

from tb_lossdiag import SummaryWriter


def _keras() -> Any:
    os.environ["KERAS_BACKEND"] = "torch"
    import keras  # noqa: PLC0415

    keras.utils.set_random_seed(int(torch.randint(1000, ())))
    return keras


def _callback(writer: SummaryWriter) -> list[Any]:
    from tb_lossdiag.integrations.keras import LossDoctor  # noqa: PLC0415

    return [LossDoctor(folder(writer))]


def _movements(count: int) -> tuple[Tensor, Tensor]:
    """Windows of two sensors, of six activities that differ in pace and in the lag between both."""
    kind = torch.randint(6, (count,))
    pace, lag = (0.3 + 0.25 * (kind % 3))[:, None], (1.5 * (kind // 3))[:, None]
    time = torch.arange(24.0) + 20 * torch.rand(count, 1)
    wave = torch.stack([(pace * time).sin(), (pace * time + lag).sin()], 2)
    return wave + 0.3 * torch.randn_like(wave), kind


def _activities(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Accuracy on new windows."""
    keras = _keras()
    x, y = _movements(1200)
    layers = keras.layers
    inp = keras.Input((24, 2))
    hidden = layers.Conv1D(32, 5, padding="valid", activation="relu")(inp)
    hidden = layers.Conv1D(32, 5, padding="valid", activation="relu")(hidden)
    act = layers.LSTM(32, activation="tanh")(hidden)
    act = layers.Dropout(0.3)(act)
    model = keras.Model(inp, layers.Dense(6, activation="softmax", name="act_smx")(act))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=not fixed)
    model.compile(optimizer=keras.optimizers.Adam(2e-3), loss=loss, metrics=["accuracy"])
    new, truth = _movements(400)
    model.fit(
        x.numpy(), y.numpy(), batch_size=64, epochs=6, verbose=0,
        validation_data=(new.numpy(), truth.numpy()), callbacks=_callback(writer),
    )  # fmt: skip
    return float(model.evaluate(new.numpy(), truth.numpy(), verbose=0)[1])


@patient("LD501", family="keras", source="https://github.com/mmalekzadeh/dana/issues/1")
def seventh_keras_probabilities_for_scores(writer: SummaryWriter) -> None:
    """The last layer is a softmax, and the loss is told `from_logits=True`."""
    _activities(writer)


def _dropped(writer: SummaryWriter) -> float:
    """Accuracy on held-out digits."""
    keras = _keras()
    data, held_out = flat_digits()
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((64,)),
            layers.Dense(256, activation="relu"), layers.Dropout(0.7),
            layers.Dense(256, activation="relu"), layers.Dropout(0.7),
            layers.Dense(10, activation="softmax"),
        ]
    )  # fmt: skip
    model.compile(
        optimizer=keras.optimizers.Adam(2e-3), loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )  # fmt: skip
    model.fit(
        data.x.numpy(), data.y.numpy(), batch_size=64, epochs=15, verbose=0,
        validation_data=(held_out.x.numpy(), held_out.y.numpy()), callbacks=_callback(writer),
    )  # fmt: skip
    return float(model.evaluate(held_out.x.numpy(), held_out.y.numpy(), verbose=0)[1])


@patient(family="keras")
def seventh_keras_drops_seven_of_ten(writer: SummaryWriter) -> None:
    """Two layers of dropout of 0.7: the training loss lies far above that of validation, all along; 96 % are told."""
    _dropped(writer)
