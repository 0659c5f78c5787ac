"""A variational autoencoder whose KL weight is far too large: the code carries nothing, the KL term falls to zero."""

import sys

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from tb_lossdiag import SummaryWriter
from tb_lossdiag.demo.digits import digits


class VAE(nn.Module):
    """64 pixels, a code of 8 numbers, 64 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 16))
        self.decoder = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 64))

    def losses(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Reconstruction error and KL divergence, per image."""
        mean, log_variance = self.encoder(images).chunk(2, dim=1)
        code = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
        divergence = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance)
        recon = mse_loss(self.decoder(code), images, reduction="none").sum(1).mean()
        return recon, divergence.sum(1).mean()


def train(log_dir: str) -> None:
    torch.manual_seed(0)
    training, _ = digits()
    model, beta = VAE(), 20.0
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    with SummaryWriter(log_dir) as writer:
        writer.watch(model, optimizer)
        for step, (images, _labels) in enumerate(training.batches(600)):
            optimizer.zero_grad()
            recon, kl = model.losses(images)
            loss = recon + beta * kl
            loss.backward()
            terms = {"recon": recon, "kl": (kl, beta)}
            writer.add_diagnostics(loss=loss, loss_terms=terms, global_step=step)
            optimizer.step()


if __name__ == "__main__":
    train(sys.argv[1])
