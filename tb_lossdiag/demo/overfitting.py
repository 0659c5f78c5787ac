"""A large net on a hundred digits, with a tenth of the labels wrong: it learns them by heart."""

import sys

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from tb_lossdiag import SummaryWriter
from tb_lossdiag.demo.digits import digits


def train(log_dir: str) -> None:
    torch.manual_seed(0)
    training, validation = digits(train=100)
    training.labels[::10] = torch.randint(10, (10,))
    model = nn.Sequential(
        nn.Linear(64, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10)
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    with SummaryWriter(log_dir) as writer:
        writer.watch(model, optimizer)
        for step, (images, labels) in enumerate(training.batches(600)):
            optimizer.zero_grad()
            loss = cross_entropy(model(images), labels)
            loss.backward()
            writer.add_diagnostics(loss=loss, global_step=step)
            optimizer.step()
            if step % 10 == 0:
                with torch.no_grad():
                    loss = cross_entropy(model(validation.images), validation.labels)
                writer.add_diagnostics(loss=loss, phase="validation", global_step=step)


if __name__ == "__main__":
    train(sys.argv[1])
