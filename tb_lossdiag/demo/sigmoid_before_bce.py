"""Another tutorial's mistake: `BCEWithLogitsLoss` applies a sigmoid itself, and here it gets probabilities."""

import sys

import torch
from torch import nn

from tb_lossdiag import SummaryWriter
from tb_lossdiag.demo.digits import digits


def train(log_dir: str) -> None:
    torch.manual_seed(0)
    training, _ = digits()
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 1), nn.Sigmoid())
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    criterion = nn.BCEWithLogitsLoss()
    with SummaryWriter(log_dir) as writer:
        writer.watch(model, optimizer)
        for step, (images, labels) in enumerate(training.batches(400)):
            optimizer.zero_grad()
            is_even = (labels % 2 == 0).float()
            loss = criterion(model(images).squeeze(1), is_even)
            loss.backward()
            writer.add_diagnostics(loss=loss, global_step=step)
            optimizer.step()


if __name__ == "__main__":
    train(sys.argv[1])
