"""SGD fifty times too fast: every step moves the weights by a third of their size, and nothing learned stays."""

import sys

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from tb_lossdiag import SummaryWriter
from tb_lossdiag.demo.digits import digits


def train(log_dir: str) -> None:
    torch.manual_seed(0)
    training, _ = digits()
    model = nn.Sequential(nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=5.0)
    with SummaryWriter(log_dir) as writer:
        writer.watch(model, optimizer)
        for step, (images, labels) in enumerate(training.batches(300)):
            optimizer.zero_grad()
            loss = cross_entropy(model(images), labels)
            loss.backward()
            writer.add_diagnostics(loss=loss, global_step=step)
            optimizer.step()


if __name__ == "__main__":
    train(sys.argv[1])
