"""The third lot, through Keras 3 with torch as its backend: tags of padded sentences."""

from __future__ import annotations

import os

os.environ["KERAS_BACKEND"] = "torch"

from typing import Any

import keras
import torch
from clinic.abroad import patient
from clinic.abroad.corpora import SIZE, padded, sentences
from clinic.abroad.loops import train
from torch import Tensor
from torch.optim import Adam

from tb_lossdiag import SummaryWriter


def _tag(writer: SummaryWriter, *, masked: bool) -> None:
    """Each word's tag is one of five; 0 is that of padding."""
    keras.utils.set_random_seed(torch.initial_seed())
    tokens, mask = padded(sentences(2000, length=30))
    tags = ((tokens - 4) % 5 + 1).masked_fill(mask == 0, 0)
    model: Any = keras.Sequential(
        [
            keras.Input((30,), dtype="int32"),
            keras.layers.Embedding(SIZE, 24),
            keras.layers.LSTM(32, return_sequences=True),
            keras.layers.Dense(6, activation="softmax"),
        ]
    )
    entropy = keras.losses.SparseCategoricalCrossentropy(ignore_class=0 if masked else None)

    def loss() -> Tensor:
        rows = torch.randint(2000, (32,))
        value: Tensor = entropy(tags[rows], model(tokens[rows], training=True))
        return value

    train(writer, model, Adam(model.parameters(), 2e-3), loss, 80)


@patient(
    "LD516",
    "LD509",
    "LD523",
    family="Keras 3",
    source="https://github.com/aneesh-joshi/LSTM_POS_Tagger/issues/8, https://github.com/keras-team/keras/issues/1539",
)
def keras_tags_padding(writer: SummaryWriter) -> None:
    """Two thirds of all tags are those of padding, and all are scored."""
    _tag(writer, masked=False)


@patient(family="Keras 3")
def keras_tags_words_alone(writer: SummaryWriter) -> None:
    """`ignore_class=0`."""
    _tag(writer, masked=True)
