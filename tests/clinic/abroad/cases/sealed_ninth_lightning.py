"""The ninth lot: Lightning."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from clinic.abroad import sealed
from clinic.abroad.recipes import for_lightning
from clinic.data import flat_digits
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy, mse_loss
from torch.optim import Adam, AdamW
from torch.utils.data import DataLoader, TensorDataset

from tb_lossdiag import SummaryWriter

Batch = tuple[Tensor, ...]


def fit(writer: SummaryWriter, model: pl.LightningModule, epochs: int, *loaders: Any) -> None:
    """With the README's callback, and none of Lightning's prints."""
    trainer = pl.Trainer(
        max_epochs=epochs, accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0,
        callbacks=for_lightning(writer),
    )  # fmt: skip
    trainer.fit(model, *loaders)


def _decoder(steps: int = 150) -> nn.Sequential:
    """That draws a digit from its embedding and noise."""
    data, _ = flat_digits()
    words = nn.Embedding(10, 16)
    net = nn.Sequential(nn.Linear(80, 96), nn.ReLU(), nn.Linear(96, 64))
    optimizer = Adam([*net.parameters(), *words.parameters()], lr=3e-3)
    for x, y in data.batches(steps):
        optimizer.zero_grad()
        noise = torch.randn_like(x)
        mse_loss(net(torch.cat([0.5 * x + 0.5 * noise, words(y)], 1)), noise).backward()
        optimizer.step()
    return net.requires_grad_(requires_grad=False)


class _Inversion(pl.LightningModule):
    """A frozen denoiser, and one new word for what a few pictures show."""

    learning_rate = 0.0

    def __init__(self) -> None:
        super().__init__()
        self.unet, self.placeholder = _decoder(), nn.Parameter(0.1 * torch.randn(1, 16))

    def forward(self, x: Tensor) -> Tensor:
        noise = torch.randn_like(x)
        word = self.placeholder.expand(len(x), -1)
        return mse_loss(self.unet(torch.cat([0.5 * x + 0.5 * noise, word], 1)), noise)

    def training_step(self, batch: Batch, _index: int) -> Tensor:
        loss: Tensor = self(batch[0])
        return loss

    def configure_optimizers(self) -> Any:
        return AdamW([self.placeholder], lr=self.learning_rate)


def _inverted(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """How far the new word has come."""
    data, _ = flat_digits()
    pictures = data.x[data.y == 3][:5].repeat(20, 1)
    model = _Inversion()
    before, ngpu, base_lr, batch_size = model.placeholder.detach().clone(), 0, 5e-3, 4
    scaled = 1 * ngpu * batch_size * base_lr
    model.learning_rate = base_lr if fixed else scaled
    fit(writer, model, 10, DataLoader(TensorDataset(pictures), batch_size=4, shuffle=True))
    return float((model.placeholder - before).norm())


@sealed(
    "LD612",
    also=("LD605", "LD104"),
    family="lightning",
    source="https://github.com/rinongal/textual_inversion/issues/98",
)
def ninth_a_rate_times_no_gpus(writer: SummaryWriter) -> None:
    """Textual inversion scales its rate by accumulation, GPUs and batch size; on a CPU there are no GPUs, and the rate is 0."""
    _inverted(writer)


class _LitAutoEncoder(pl.LightningModule):
    """As on the first page of Lightning's documentation."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 3))
        self.decoder = nn.Sequential(nn.Linear(3, 64), nn.ReLU(), nn.Linear(64, 64))

    def training_step(self, batch: Batch, _index: int) -> Tensor:
        x = batch[0]
        return mse_loss(self.decoder(self.encoder(x)), x)

    def configure_optimizers(self) -> Any:
        return Adam(self.parameters(), lr=1e-3)


def _coded(writer: SummaryWriter) -> float:
    """Share of the variance of held-out pictures that is lost."""
    data, held_out = flat_digits()
    model = _LitAutoEncoder()
    fit(writer, model, 12, DataLoader(TensorDataset(data.x), batch_size=32, shuffle=True))
    with torch.no_grad():
        drawn = model.decoder(model.encoder(held_out.x))
    return float(mse_loss(drawn, held_out.x) / (held_out.x - held_out.x.mean(0)).square().mean())


@sealed(
    family="lightning", source="https://lightning.ai/docs/pytorch/stable/starter/introduction.html"
)
def ninth_lightning_in_fifteen_minutes(writer: SummaryWriter) -> None:
    """The LitAutoEncoder of the introduction: three numbers for a picture, half of the variance comes back."""
    _coded(writer)


class _LitGAN(pl.LightningModule):
    """The basic GAN of the notebooks, two optimizers by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.generator = nn.Sequential(
            nn.Linear(16, 64), nn.LeakyReLU(0.2), nn.Linear(64, 128), nn.BatchNorm1d(128, 0.8),
            nn.LeakyReLU(0.2), nn.Linear(128, 64), nn.Tanh(),
        )  # fmt: skip
        self.discriminator = nn.Sequential(
            nn.Linear(64, 128), nn.LeakyReLU(0.2), nn.Linear(128, 64), nn.LeakyReLU(0.2),
            nn.Linear(64, 1), nn.Sigmoid(),
        )  # fmt: skip

    def training_step(self, batch: Batch, _index: int) -> None:
        imgs = batch[0]
        both: Any = self.optimizers()
        opt_g, opt_d = both
        valid, fake = torch.ones(len(imgs), 1), torch.zeros(len(imgs), 1)
        z = torch.randn(len(imgs), 16)
        self.toggle_optimizer(opt_g)
        g_loss = binary_cross_entropy(self.discriminator(self.generator(z)), valid)
        self.manual_backward(g_loss)
        opt_g.step()
        opt_g.zero_grad()
        self.untoggle_optimizer(opt_g)
        self.toggle_optimizer(opt_d)
        real_loss = binary_cross_entropy(self.discriminator(imgs), valid)
        fake_loss = binary_cross_entropy(self.discriminator(self.generator(z).detach()), fake)
        self.manual_backward((real_loss + fake_loss) / 2)
        opt_d.step()
        opt_d.zero_grad()
        self.untoggle_optimizer(opt_d)

    def configure_optimizers(self) -> Any:
        opt_g = Adam(self.generator.parameters(), lr=2e-4, betas=(0.5, 0.999))
        opt_d = Adam(self.discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))
        return [opt_g, opt_d], []


def _lit_gan(writer: SummaryWriter) -> float:
    """How unlike real ones the made pictures are, as a share of what the untrained maker's are."""
    data, held_out = flat_digits()
    model = _LitGAN()
    mean = 2 * held_out.x.mean(0) - 1

    def unlike() -> float:
        model.eval()
        with torch.no_grad():
            return float((model.generator(torch.randn(300, 16)).mean(0) - mean).abs().mean())

    before = unlike()
    model.train()
    loader = DataLoader(TensorDataset(2 * data.x - 1), batch_size=64, shuffle=True, drop_last=True)
    fit(writer, model, 20, loader)
    return unlike() / before


@sealed(
    family="lightning",
    source="https://lightning.ai/docs/pytorch/stable/notebooks/lightning_examples/basic-gan.html",
)
def ninth_lightning_s_own_gan(writer: SummaryWriter) -> None:
    """Two optimizers, toggled by hand, of which the maker's goes first."""
    _lit_gan(writer)
