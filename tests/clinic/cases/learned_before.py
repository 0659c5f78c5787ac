"""Models that have learned digits before: sure and wrong where the classes stand in another order, or where their new head is too large."""

from __future__ import annotations

import torch
from clinic.case import case
from clinic.data import Samples, flat_digits
from clinic.loops import fit
from torch import nn
from torch.nn.functional import cross_entropy
from torch.optim import SGD, Adam, AdamW

from tb_lossdiag import SummaryWriter


def _learned(data: Samples) -> tuple[nn.Module, nn.Linear]:
    """It, and its head."""
    head = nn.Linear(128, 10)
    model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), head)
    optimizer = Adam(model.parameters(), lr=2e-3)
    for x, y in data.batches(600):
        optimizer.zero_grad()
        cross_entropy(model(x), y).backward()
        optimizer.step()
    return model, head


@case(family="MLP")
def learned_for_classes_in_another_order(writer: SummaryWriter) -> None:
    """Nothing is frozen, and the old head stays."""
    training, validation = flat_digits()
    model, _ = _learned(training)
    moved, checked = (Samples(s.x, (s.y + 3) % 10) for s in (training, validation))
    optimizer = AdamW(model.parameters(), lr=1e-3)
    fit(writer, model, optimizer, moved.batches(400), validation=checked)


@case("LD106", family="MLP")
def a_new_head_that_begins_too_large(writer: SummaryWriter) -> None:
    """The body has learned; its head is new, and ten times too large."""
    training, _ = flat_digits()
    model, head = _learned(training)
    nn.init.normal_(head.weight, std=1.0)
    with torch.no_grad():
        head.bias.zero_()
    fit(writer, model, SGD(model.parameters(), lr=1e-4), training.batches(400))
