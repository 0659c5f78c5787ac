"""Healthy trainings, by architecture."""

from __future__ import annotations

import torch
from clinic.case import case
from clinic.healthy_parts import (
    batches_of,
    characters,
    classify,
    curve,
    fit,
    mlp,
    pictures,
)
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, mse_loss, relu
from torch.nn.utils import clip_grad_norm_
from torch.optim import SGD, Adam, AdamW

from tb_lossdiag import SummaryWriter
from tb_lossdiag.demo.digits import digits


@case(family="CNN")
def batch_norm_convolutions(writer: SummaryWriter) -> None:
    training, held_out = (pictures(split) for split in digits())
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(288, 10),
    )
    optimizer = SGD(model.parameters(), lr=0.05, momentum=0.9)

    def validate() -> Tensor:
        return cross_entropy(model(held_out.images), held_out.labels)

    batches = training.batches(300)
    fit(
        writer,
        model,
        optimizer,
        batches,
        lambda x, y: cross_entropy(model(x), y),
        validate=validate,
    )


class Residual(nn.Module):
    """x + f(norm(x)), whose last layer starts at zero."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.widen, self.narrow = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        nn.init.zeros_(self.narrow.weight)

    def forward(self, x: Tensor) -> Tensor:
        change: Tensor = self.narrow(relu(self.widen(self.norm(x))))
        return x + change


@case(family="residual")
def deep_residual_net(writer: SummaryWriter) -> None:
    blocks = [Residual(32) for _ in range(12)]
    model = nn.Sequential(nn.Linear(64, 32), *blocks, nn.LayerNorm(32), nn.Linear(32, 10))
    classify(writer, model, AdamW(model.parameters(), lr=1e-3))


@case(family="MLP")
def tanh_net(writer: SummaryWriter) -> None:
    model = nn.Sequential(
        nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 10)
    )
    classify(writer, model, SGD(model.parameters(), lr=0.1, momentum=0.9))


@case(family="MLP")
def one_sigmoid_layer(writer: SummaryWriter) -> None:
    model = nn.Sequential(nn.Linear(64, 64), nn.Sigmoid(), nn.Linear(64, 10))
    classify(writer, model, Adam(model.parameters(), lr=3e-3), 600)


@case(family="MLP")
def dropout_in_training_only(writer: SummaryWriter) -> None:
    model = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Dropout(0.5), nn.Linear(256, 10))
    classify(writer, model, Adam(model.parameters(), lr=1e-3), 600)


@case(family="MLP")
def low_rank_factors(writer: SummaryWriter) -> None:
    model = nn.Sequential(
        nn.Linear(64, 8, bias=False), nn.Linear(8, 128), nn.ReLU(), nn.Linear(128, 10)
    )
    classify(writer, model, Adam(model.parameters(), lr=2e-3))


@case(family="MLP")
def frozen_backbone(writer: SummaryWriter) -> None:
    backbone, head = nn.Sequential(nn.Linear(64, 256), nn.ReLU()), nn.Linear(256, 10)
    backbone.requires_grad_(requires_grad=False)
    model = nn.Sequential(backbone, head)
    classify(writer, model, Adam(head.parameters(), lr=2e-3))


class Adapted(nn.Module):
    """A frozen linear layer and a low-rank change that starts at zero."""

    def __init__(self, layer: nn.Linear, rank: int = 4) -> None:
        super().__init__()
        self.layer = layer.requires_grad_(requires_grad=False)
        self.down = nn.Linear(layer.in_features, rank, bias=False)
        self.up = nn.Linear(rank, layer.out_features, bias=False)
        nn.init.zeros_(self.up.weight)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layer(x) + self.up(self.down(x))
        return y


def pretrained() -> nn.Sequential:
    """A classifier of the digits shifted by one pixel."""
    model = mlp(128)
    optimizer = Adam(model.parameters(), lr=2e-3)
    training, _ = digits()
    for images, labels in training.batches(300):
        optimizer.zero_grad()
        cross_entropy(model(images.roll(1, 1)), labels).backward()
        optimizer.step()
    return model


@case(family="adapter")
def low_rank_adapters(writer: SummaryWriter) -> None:
    layers = [layer for layer in pretrained() if isinstance(layer, nn.Linear)]
    model = nn.Sequential(Adapted(layers[0]), nn.ReLU(), Adapted(layers[1]))
    trainable = [p for p in model.parameters() if p.requires_grad]
    classify(writer, model, AdamW(trainable, lr=5e-3, weight_decay=0.0), 500)


@case(family="MLP")
def fine_tuning(writer: SummaryWriter) -> None:
    model = pretrained()
    classify(writer, model, AdamW(model.parameters(), lr=3e-4))


@case(family="autoencoder")
def autoencoder_of_pixel_intensities(writer: SummaryWriter) -> None:
    training, _ = digits()
    model = nn.Sequential(
        nn.Linear(64, 32),
        nn.ReLU(),
        nn.Linear(32, 8),
        nn.Linear(8, 32),
        nn.ReLU(),
        nn.Linear(32, 64),
    )
    fit(
        writer,
        model,
        Adam(model.parameters(), lr=3e-3),
        training.batches(500),
        lambda x, _: binary_cross_entropy_with_logits(model(x), x),
    )


@case(family="autoencoder")
def denoising_autoencoder(writer: SummaryWriter) -> None:
    training, _ = digits()
    model = nn.Sequential(nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, 64), nn.Sigmoid())
    optimizer = Adam(model.parameters(), lr=3e-3)

    def loss_of(x: Tensor, _: Tensor) -> Tensor:
        return mse_loss(model(x + 0.3 * torch.randn_like(x)), x)

    fit(writer, model, optimizer, training.batches(600), loss_of)


class Recurrent(nn.Module):
    """A GRU over characters."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.embed = nn.Embedding(32, width)
        self.cells = nn.GRU(width, width, batch_first=True)
        self.head = nn.Linear(width, 32)

    def forward(self, codes: Tensor) -> Tensor:
        logits: Tensor = self.head(self.cells(self.embed(codes))[0])
        return logits


def symbol_loss(model: nn.Module, codes: Tensor, following: Tensor) -> Tensor:
    return cross_entropy(model(codes).flatten(0, 1), following.flatten())


@case(family="RNN")
def recurrent_net_with_clipping(writer: SummaryWriter) -> None:
    model = Recurrent()
    fit(
        writer,
        model,
        Adam(model.parameters(), lr=3e-3),
        characters(400),
        lambda x, y: symbol_loss(model, x, y),
        between=lambda: clip_grad_norm_(model.parameters(), 1.0),
    )


@case(family="RNN")
def running_sum(writer: SummaryWriter) -> None:
    steps = torch.randn(1000, 20, 1)
    cells, head = nn.LSTM(1, 24, batch_first=True), nn.Linear(24, 1)
    model = nn.ModuleDict({"cells": cells, "head": head})
    fit(
        writer,
        model,
        Adam(model.parameters(), lr=5e-3),
        batches_of((steps, steps.cumsum(1)), 400),
        lambda x, y: mse_loss(head(cells(x)[0]), y),
    )


class Tied(nn.Module):
    """A small causal transformer whose embedding is also its output layer."""

    def __init__(self, width: int = 32, length: int = 32) -> None:
        super().__init__()
        self.embed = nn.Embedding(32, width)
        nn.init.normal_(self.embed.weight, std=0.1)
        self.place = nn.Parameter(0.02 * torch.randn(length, width))
        layer = nn.TransformerEncoderLayer(width, 4, 64, 0.0, batch_first=True, norm_first=True)
        self.body = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(width)

    def forward(self, codes: Tensor) -> Tensor:
        mask = nn.Transformer.generate_square_subsequent_mask(codes.shape[1])
        states = self.norm(self.body(self.embed(codes) + self.place, mask, is_causal=True))
        logits: Tensor = states @ self.embed.weight.T
        return logits


@case(family="transformer")
def character_transformer_with_tied_embedding(writer: SummaryWriter) -> None:
    model = Tied()
    fit(
        writer,
        model,
        AdamW(model.parameters(), lr=3e-3),
        characters(400),
        lambda x, y: symbol_loss(model, x, y),
        between=lambda: clip_grad_norm_(model.parameters(), 1.0),
    )


@case(family="MLP")
def smooth_regression(writer: SummaryWriter) -> None:
    model = nn.Sequential(nn.Linear(6, 64), nn.SiLU(), nn.Linear(64, 1))
    fit(
        writer,
        model,
        Adam(model.parameters(), lr=3e-3),
        batches_of(curve(), 800),
        lambda x, y: mse_loss(model(x).squeeze(1), y),
    )
