"""Trainings with nothing wrong."""

from __future__ import annotations

import torch
from clinic.case import case
from torch import nn

from tb_lossdiag import SummaryWriter
from tb_lossdiag_demo.digits import digits


@case(family="MLP")
def plain_classifier(writer: SummaryWriter) -> None:
    training, validation = digits()
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    writer.watch(model, optimizer)
    for step, (images, labels) in enumerate(training.batches(400)):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        writer.add_diagnostics(loss=loss, global_step=step)
        if step % 50 == 49:
            model.eval()
            with torch.no_grad():
                score = nn.functional.cross_entropy(model(validation.images), validation.labels)
            model.train()
            writer.add_diagnostics(loss=score, phase="validation", global_step=step)
