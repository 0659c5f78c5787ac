"""A tutorial's mistake: the gradients are clipped when `optimizer.step()` has already used them."""

import sys

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from tb_lossdiag import SummaryWriter
from tb_lossdiag.demo.digits import digits


def train(log_dir: str) -> None:
    torch.manual_seed(0)
    training, _ = digits()
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with SummaryWriter(log_dir) as writer:
        writer.watch(model, optimizer)
        for step, (images, labels) in enumerate(training.batches(400)):
            optimizer.zero_grad()
            loss = cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()
            writer.clip_grad_norm_(model.parameters(), max_norm=0.5)  # too late
            writer.add_diagnostics(loss=loss, global_step=step)


if __name__ == "__main__":
    train(sys.argv[1])
