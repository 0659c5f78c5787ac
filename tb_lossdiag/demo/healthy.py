"""A classifier that learns: nothing to report."""

import sys

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from tb_lossdiag import SummaryWriter
from tb_lossdiag.demo.digits import digits


def train(log_dir: str) -> None:
    torch.manual_seed(0)
    training, validation = digits()
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    with SummaryWriter(log_dir) as writer:
        writer.watch(model, optimizer)
        for step, (images, labels) in enumerate(training.batches(400)):
            optimizer.zero_grad()
            loss = cross_entropy(model(images), labels)
            loss.backward()
            writer.add_diagnostics(loss=loss, global_step=step)
            optimizer.step()
            if step % 20 == 0:
                with torch.no_grad():
                    loss = cross_entropy(model(validation.images), validation.labels)
                writer.add_diagnostics(loss=loss, phase="validation", global_step=step)


if __name__ == "__main__":
    train(sys.argv[1])
