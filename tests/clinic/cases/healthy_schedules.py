"""Healthy trainings whose learning rate, size of step or length may look strange."""

from __future__ import annotations

import math

import torch
from clinic.case import case
from clinic.healthy_parts import classify, mlp
from torch import nn
from torch.optim import SGD, Adam, AdamW
from torch.optim.lr_scheduler import CosineAnnealingWarmRestarts, LambdaLR, MultiStepLR, OneCycleLR

from tb_lossdiag import SummaryWriter


@case(family="MLP")
def warm_up_and_cosine(writer: SummaryWriter) -> None:
    model = mlp()
    optimizer = AdamW(model.parameters(), lr=3e-3)

    def factor(step: int) -> float:
        return min((step + 1) / 100, 0.5 + 0.5 * math.cos(math.pi * max(step - 100, 0) / 400))

    classify(writer, model, optimizer, 500, scheduler=LambdaLR(optimizer, factor))


@case(family="MLP")
def long_warm_up(writer: SummaryWriter) -> None:
    model = mlp()
    optimizer = Adam(model.parameters(), lr=2e-3)
    scheduler = LambdaLR(optimizer, lambda step: min((step + 1) / 300, 1))
    classify(writer, model, optimizer, 400, scheduler=scheduler)


@case(family="MLP")
def cosine_to_zero(writer: SummaryWriter) -> None:
    model = mlp()
    optimizer = SGD(model.parameters(), lr=0.2, momentum=0.9)
    scheduler = LambdaLR(optimizer, lambda step: 0.5 + 0.5 * math.cos(math.pi * step / 500))
    classify(writer, model, optimizer, 500, scheduler=scheduler)


@case(family="MLP")
def one_cycle(writer: SummaryWriter) -> None:
    model = mlp()
    optimizer = SGD(model.parameters(), lr=0.01, momentum=0.9)
    classify(writer, model, optimizer, 400, scheduler=OneCycleLR(optimizer, 0.5, total_steps=401))


@case(family="MLP")
def warm_restarts(writer: SummaryWriter) -> None:
    model = mlp()
    optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)
    scheduler = CosineAnnealingWarmRestarts(optimizer, 100, 2)
    classify(writer, model, optimizer, 700, scheduler=scheduler)


@case(family="MLP")
def decay_in_steps(writer: SummaryWriter) -> None:
    model = mlp()
    optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)
    classify(writer, model, optimizer, scheduler=MultiStepLR(optimizer, [200, 300], 0.1))


@case(family="MLP")
def long_after_convergence(writer: SummaryWriter) -> None:
    model = mlp(16)
    optimizer = Adam(model.parameters(), lr=2e-3, weight_decay=1e-3)
    classify(writer, model, optimizer, 3000)


@case(family="MLP")
def small_rate_that_learns(writer: SummaryWriter) -> None:
    model = mlp(128)
    classify(writer, model, Adam(model.parameters(), lr=1e-4), 1200)


@case(family="MLP")
def large_rate_that_learns(writer: SummaryWriter) -> None:
    model = nn.Sequential(nn.LayerNorm(64), *mlp(128))
    classify(writer, model, SGD(model.parameters(), lr=0.5))


@case(family="MLP")
def tenfold_rate_for_the_head(writer: SummaryWriter) -> None:
    model = mlp(128)
    groups = [
        {"params": model[0].parameters(), "lr": 3e-4},
        {"params": model[2].parameters(), "lr": 3e-3, "weight_decay": 0.0},
    ]
    classify(writer, model, AdamW(groups, weight_decay=0.01))


@case(family="MLP")
def large_batches(writer: SummaryWriter) -> None:
    model = mlp()
    classify(writer, model, SGD(model.parameters(), lr=0.3, momentum=0.9), 250, size=700)


@case(family="MLP")
def small_noisy_batches(writer: SummaryWriter) -> None:
    model = mlp()
    classify(writer, model, SGD(model.parameters(), lr=0.02), 1500, size=4)


@case(family="MLP")
def short_run(writer: SummaryWriter) -> None:
    model = mlp()
    classify(writer, model, Adam(model.parameters(), lr=2e-3), 30)


@case(family="linear")
def logistic_regression(writer: SummaryWriter) -> None:
    model = nn.Linear(64, 10)
    torch.nn.init.zeros_(model.weight)
    torch.nn.init.zeros_(model.bias)
    classify(writer, model, SGD(model.parameters(), lr=0.5))
