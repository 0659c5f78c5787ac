"""Ten sigmoid layers: each multiplies the gradient by at most a quarter, and the first ones get none."""

import sys

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from tb_lossdiag import SummaryWriter
from tb_lossdiag.demo.digits import digits


def train(log_dir: str) -> None:
    torch.manual_seed(0)
    training, _ = digits()
    hidden = [layer for _ in range(9) for layer in (nn.Linear(32, 32), nn.Sigmoid())]
    model = nn.Sequential(nn.Linear(64, 32), nn.Sigmoid(), *hidden, nn.Linear(32, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with SummaryWriter(log_dir) as writer:
        writer.watch(model, optimizer)
        for step, (images, labels) in enumerate(training.batches(400)):
            optimizer.zero_grad()
            loss = cross_entropy(model(images), labels)
            loss.backward()
            writer.add_diagnostics(loss=loss, global_step=step)
            optimizer.step()


if __name__ == "__main__":
    train(sys.argv[1])
