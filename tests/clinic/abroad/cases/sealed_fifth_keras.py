"""The fifth lot, through Keras 3 with torch as its backend: `fit` with the README's callback."""

from __future__ import annotations

import os

os.environ["KERAS_BACKEND"] = "torch"

from typing import Any

import keras
import torch
from clinic.abroad import patient
from clinic.abroad.corpora import SIZE, sentences
from clinic.abroad.recipes import folder
from clinic.data import Samples
from torch import Tensor

from tb_lossdiag import SummaryWriter
from tb_lossdiag.integrations.keras import LossDoctor


def _callbacks(writer: SummaryWriter) -> list[Any]:
    return [LossDoctor(folder(writer))]


def _entities(count: int, seed: int) -> Samples:
    """Texts whose words 20 to 27 are names if a word below 14 comes before: tags 0 (padding), 1 (none), 2 to 5."""
    words = sentences(count, 14, seed=seed)
    before = torch.cat([torch.full((count, 1), SIZE), words[:, :-1]], 1)
    named = (words >= 20) & (words < 28) & (before < 24)
    tags = torch.where(named, 2 + words % 4, 1)
    padding = torch.arange(14) >= torch.randint(6, 14, (count, 1))
    return Samples(words.masked_fill(padding, 0), tags.masked_fill(padding, 0))


class _NonPaddingTokenLoss(keras.losses.Loss):  # type: ignore[misc]
    """Cross-entropy of what is no padding."""

    def __init__(self, *, from_logits: bool) -> None:
        super().__init__(name="custom_ner_loss")
        self.from_logits = from_logits

    def call(self, y_true: Tensor, y_pred: Tensor) -> Any:
        loss_fn = keras.losses.SparseCategoricalCrossentropy(
            from_logits=self.from_logits, reduction=None
        )
        mask = keras.ops.cast(y_true > 0, "float32")
        return keras.ops.sum(loss_fn(y_true, y_pred) * mask) / keras.ops.sum(mask)


def _ner(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Share of names of held-out texts that are tagged rightly, after few epochs."""
    keras.utils.set_random_seed(torch.initial_seed())
    data, held_out = _entities(1500, 0), _entities(300, 1)
    inputs = keras.Input((14,), dtype="int32")
    x = keras.layers.Embedding(SIZE, 32)(inputs)
    x = keras.layers.Conv1D(32, 3, padding="same", activation="relu")(x)
    x = keras.layers.Dropout(0.1)(x)
    x = keras.layers.Dense(64, activation="relu")(x)
    outputs = keras.layers.Dense(6, activation="softmax")(x)
    ner_model = keras.Model(inputs, outputs)
    loss = _NonPaddingTokenLoss(from_logits=not fixed)
    ner_model.compile(optimizer=keras.optimizers.Adam(1e-3), loss=loss)
    ner_model.fit(
        data.x.numpy(), data.y.numpy(), batch_size=32, epochs=4, verbose=0,
        validation_data=(held_out.x.numpy(), held_out.y.numpy()), callbacks=_callbacks(writer),
    )  # fmt: skip
    guesses = torch.as_tensor(ner_model.predict(held_out.x.numpy(), verbose=0)).argmax(-1)
    names = held_out.y > 1
    return float((guesses[names] == held_out.y[names]).float().mean())


@patient(
    "LD501",
    family="Keras 3",
    also=("LD109", "LD104"),
    source="https://github.com/keras-team/keras-io/pull/1610",
)
def fifth_a_softmax_and_from_logits(writer: SummaryWriter) -> None:
    """The tagger ends with a softmax, and the loss is told that it gets logits."""
    _ner(writer)
