"""Labels that lost their samples, and labels of which some hold."""

from __future__ import annotations

import torch
from clinic.case import case
from clinic.data import Samples, flat_digits
from clinic.loops import fit
from clinic.nets import mlp
from torch.optim import Adam

from tb_lossdiag import SummaryWriter


@case("LD107", family="MLP", also=("LD108",))
def labels_of_a_file_in_another_order(writer: SummaryWriter) -> None:
    training, held_out = flat_digits()
    lost = Samples(training.x, training.y[torch.randperm(len(training.y))])
    model = mlp(64, 128, 10)
    optimizer = Adam(model.parameters(), lr=2e-3)
    fit(writer, model, optimizer, lost.batches(400), validation=held_out)


@case(family="MLP")
def three_labels_of_four_are_wrong(writer: SummaryWriter) -> None:
    training, held_out = flat_digits()
    wrong = torch.rand(len(training.y)) < 0.75
    other = torch.randint(10, training.y.shape)
    noisy = Samples(training.x, torch.where(wrong, other, training.y))
    model = mlp(64, 32, 10)
    optimizer = Adam(model.parameters(), lr=1e-3)
    fit(writer, model, optimizer, noisy.batches(200), validation=held_out)


@case(family="MLP")
def digits_are_slow_to_begin(writer: SummaryWriter) -> None:
    training, held_out = flat_digits()
    model = mlp(64, 32, 10)
    optimizer = Adam(model.parameters(), lr=1e-4)
    fit(writer, model, optimizer, training.batches(120), validation=held_out, every=10)
