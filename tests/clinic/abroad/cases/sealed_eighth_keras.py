"""The eighth lot: Keras 3 with torch."""

from __future__ import annotations

import os
from typing import Any

import torch
from clinic.abroad import patient
from clinic.abroad.recipes import folder
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


def _houses(count: int) -> tuple[Tensor, Tensor]:
    """Eight columns of districts, from ages of ten to people by the thousands, and three classes of price."""
    clean = torch.randn(count, 8)
    price = 1.2 * clean[:, 0] - clean[:, 3] * clean[:, 0] + 0.8 * clean[:, 5] + 0.6 * clean[:, 7]
    spread = torch.tensor([2.0, 12.0, 2.5, 0.5, 1100.0, 10.0, 2.0, 900.0])
    centre = torch.tensor([4.0, 28.0, 5.0, 1.0, 1400.0, 3.0, 35.0, 2600.0])
    return clean * spread + centre, torch.bucketize(price, torch.tensor([-0.7, 0.7]))


def _tune(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Accuracy on new districts."""
    keras = _keras()
    layers = keras.layers
    x, y = _houses(2000)
    norm_layer = layers.Normalization()
    if fixed:
        norm_layer.adapt(x.numpy())
    model = keras.Sequential(
        [
            keras.Input((8,)), norm_layer, layers.Dense(64, activation="relu"),
            layers.Dense(64, activation="relu"), layers.Dense(3, activation="softmax"),
        ]
    )  # fmt: skip
    model.compile(
        optimizer=keras.optimizers.SGD(0.01, momentum=0.9), metrics=["accuracy"],
        loss="sparse_categorical_crossentropy",
    )  # fmt: skip
    new, truth = _houses(500)
    model.fit(
        x.numpy(), y.numpy(), batch_size=32, epochs=5, verbose=0,
        validation_data=(new.numpy(), truth.numpy()), callbacks=_callback(writer),
    )  # fmt: skip
    return float(model.evaluate(new.numpy(), truth.numpy(), verbose=0)[1])


@patient(
    "LD510",
    also=(
        "LD102",
        "LD103",
        "LD104",
        "LD106",
        "LD112",
        "LD202",
        "LD203",
        "LD508",
        "LD523",
        "LD701",
        "LD705",
        "LD601",
    ),
    family="keras",
    source="https://github.com/ageron/handson-ml3/pull/198",
)
def eighth_keras_a_normalisation_that_was_not_adapted(writer: SummaryWriter) -> None:
    """A `Normalization` layer is put in front without a call of `adapt`: columns by the thousands go through it as they are."""
    _tune(writer)


def _weighted(writer: SummaryWriter) -> float:
    """Mean share of both classes that is told, of new patients."""
    keras = _keras()
    layers = keras.layers
    x = torch.randn(2400, 12)
    y = (x[:, 0] + x[:, 1] * x[:, 2] + 0.3 * torch.randn(2400) > 2.2).float()
    model = keras.Sequential(
        [
            keras.Input((12,)), layers.GaussianNoise(0.1), layers.Dense(64, activation="gelu"),
            layers.Dropout(0.2), layers.Dense(32, activation="gelu"),
            layers.Dense(1, activation="sigmoid"),
        ]
    )  # fmt: skip
    model.compile(optimizer=keras.optimizers.AdamW(3e-3), loss="binary_crossentropy")
    stop = keras.callbacks.EarlyStopping(patience=6, restore_best_weights=True)
    slower = keras.callbacks.ReduceLROnPlateau(patience=2, factor=0.3)
    model.fit(
        x[:2000].numpy(), y[:2000].numpy(), batch_size=64, epochs=12, verbose=0,
        class_weight={0: 1.0, 1: 8.0}, validation_split=0.15,
        callbacks=[*_callback(writer), stop, slower],
    )  # fmt: skip
    said = torch.as_tensor(model.predict(x[2000:].numpy(), verbose=0))[:, 0] > 0.5
    truth = y[2000:] > 0
    return float((said[truth].float().mean() + (~said[~truth]).float().mean()) / 2)


@patient(family="keras")
def eighth_keras_the_sick_count_eight_times(writer: SummaryWriter) -> None:
    """One patient in fifteen is sick and counts eight times in training, not in validation, whose loss lies lower; the rate falls on plateaus."""
    _weighted(writer)
