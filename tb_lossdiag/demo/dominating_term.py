"""Two tasks on one trunk; the regression's targets are unscaled, so its loss drowns the classification's."""

import sys

import torch
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss

from tb_lossdiag import SummaryWriter
from tb_lossdiag.demo.digits import digits


def train(log_dir: str) -> None:
    torch.manual_seed(0)
    training, _ = digits()
    trunk = nn.Sequential(nn.Linear(64, 64), nn.ReLU())
    model = nn.ModuleDict({"trunk": trunk, "digit": nn.Linear(64, 10), "ink": nn.Linear(64, 1)})
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    with SummaryWriter(log_dir) as writer:
        writer.watch(model, optimizer)
        for step, (images, labels) in enumerate(training.batches(400)):
            optimizer.zero_grad()
            features = model["trunk"](images)
            amount = images.sum(1) * 16  # up to 500: as large as in the file
            ink = mse_loss(model["ink"](features).squeeze(1), amount)
            digit = cross_entropy(model["digit"](features), labels)
            loss = digit + ink
            loss.backward()
            terms = {"digit": digit, "ink": ink}
            writer.add_diagnostics(loss=loss, loss_terms=terms, global_step=step)
            optimizer.step()


if __name__ == "__main__":
    train(sys.argv[1])
