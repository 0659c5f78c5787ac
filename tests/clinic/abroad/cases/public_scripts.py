"""Sound programs of tutorials and repositories, as they are, on small data: what they do on purpose looks like a fault."""

from __future__ import annotations

import itertools

from clinic.abroad import patient
from clinic.data import flat_digits
from torch import nn
from torch.optim import Adam

from tb_lossdiag import SummaryWriter


@patient(family="autoencoders")
def a_narrow_autoencoder_of_tanh(writer: SummaryWriter) -> None:
    """MorvanZhou/PyTorch-Tutorial 404_autoencoder.py: three numbers between tanh layers, at a rate that fills their ends, and it learns."""
    training, _ = flat_digits()
    widths = (64, 128, 64, 12, 3, 12, 64, 128, 64)
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(widths):
        layers += [nn.Linear(inputs, outputs), nn.Identity() if outputs == 3 else nn.Tanh()]
    model = nn.Sequential(*layers[:-1], nn.Sigmoid())
    optimizer = Adam(model.parameters(), lr=5e-3)
    writer.watch(model, optimizer)
    for x, _ in training.batches(900):
        loss = nn.functional.mse_loss(model(x), x)
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(model, loss=loss)
        optimizer.step()
