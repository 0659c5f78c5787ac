"""Healthy trainings whose batches are a few samples, some of them mislabelled: their losses leap, and nothing is wrong."""

from __future__ import annotations

from clinic.case import case
from clinic.data import Samples, flat_digits
from clinic.loops import fit
from clinic.nets import mlp
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.optim import SGD, Adam

from tb_lossdiag import SummaryWriter


@case(family="MLP", source="Northcutt et al. 2021, arXiv 2103.14749: 3 % of usual labels are wrong")
def four_at_a_time_and_some_are_mislabelled(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    y = training.y.clone()
    y[::30] = (y[::30] + 1) % 10
    model = mlp(64, 32, 10)
    batches = Samples(training.x, y).batches(700, 4)
    fit(writer, model, SGD(model.parameters(), lr=0.03), batches)


@case(family="MLP", source="the same with two kinds and Adam")
def eight_at_a_time_and_some_are_the_other_kind(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    y = (training.y > 4).float()[:, None]
    y[::25] = 1 - y[::25]
    model = mlp(64, 32, 1)
    batches = Samples(training.x, y).batches(700, 8)
    loss = binary_cross_entropy_with_logits
    fit(writer, model, Adam(model.parameters(), lr=1e-3), batches, loss)
