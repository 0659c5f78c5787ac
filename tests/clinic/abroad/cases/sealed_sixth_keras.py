"""The sixth lot: Keras 3 with torch."""

from __future__ import annotations

import os
from typing import Any

import torch
from clinic.abroad import patient
from clinic.abroad.recipes import folder
from clinic.data import flat_digits

from tb_lossdiag import SummaryWriter


def _keras() -> Any:
    os.environ["KERAS_BACKEND"] = "torch"
    import keras  # noqa: PLC0415

    return keras


def _callback(writer: SummaryWriter) -> list[Any]:
    from tb_lossdiag.integrations.keras import LossDoctor  # noqa: PLC0415

    return [LossDoctor(folder(writer))]


def _scores(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Accuracy on held-out digits."""
    keras = _keras()
    keras.utils.set_random_seed(int(torch.randint(1000, ())))
    data, held_out = flat_digits()
    model = keras.Sequential(
        [keras.layers.Dense(64, activation="relu"), keras.layers.Dense(10, name="logits")]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=fixed)
    model.compile(optimizer=keras.optimizers.Adam(3e-3), loss=loss, metrics=["accuracy"])
    model.fit(
        data.x.numpy(), data.y.numpy(), batch_size=64, epochs=8, verbose=0,
        validation_data=(held_out.x.numpy(), held_out.y.numpy()), callbacks=_callback(writer),
    )  # fmt: skip
    return float(model.evaluate(held_out.x.numpy(), held_out.y.numpy(), verbose=0)[1])


@patient(
    "LD503",
    family="keras",
    also=(
        "LD110",
        "LD104",
        "LD105",
        "LD523",
        "LD205",
        "LD601",
    ),
    source="https://github.com/keras-team/keras-hub/pull/1008",
)
def sixth_keras_scores_for_probabilities(writer: SummaryWriter) -> None:
    """A classifier without an activation at its end, compiled with `sparse_categorical_crossentropy` as it comes."""
    _scores(writer)


def _two_heads(writer: SummaryWriter) -> float:
    """Which digit, and how much ink; accuracy and squared error on held-out ones."""
    keras = _keras()
    keras.utils.set_random_seed(int(torch.randint(1000, ())))
    data, held_out = flat_digits()
    inputs = keras.Input((64,))
    hidden = keras.layers.Dense(64, activation="relu")(inputs)
    hidden = keras.layers.Dropout(0.2)(keras.layers.BatchNormalization()(hidden))
    kind = keras.layers.Dense(10, activation="softmax", name="kind")(hidden)
    ink = keras.layers.Dense(1, activation="softplus", name="ink")(hidden)
    model = keras.Model(inputs, {"kind": kind, "ink": ink})
    model.compile(
        optimizer=keras.optimizers.AdamW(keras.optimizers.schedules.CosineDecay(3e-3, 200)),
        loss={"kind": "sparse_categorical_crossentropy", "ink": "poisson"},
        loss_weights={"kind": 1.0, "ink": 0.05},
        metrics={"kind": "accuracy"},
    )
    both = [
        (s.x.numpy(), {"kind": s.y.numpy(), "ink": s.x.sum(1, keepdim=True).numpy()})
        for s in (data, held_out)
    ]
    model.fit(
        *both[0], batch_size=64, epochs=8, verbose=0, validation_data=both[1],
        callbacks=_callback(writer),
    )  # fmt: skip
    predicted = model.predict(both[1][0], verbose=0)["kind"].argmax(1)
    return float((predicted == both[1][1]["kind"]).mean())


@patient(family="keras")
def sixth_keras_kinds_and_counts(writer: SummaryWriter) -> None:
    """Two heads, of which one has Poisson's loss, far below nought; its rate ends at 0 by a cosine."""
    _two_heads(writer)
