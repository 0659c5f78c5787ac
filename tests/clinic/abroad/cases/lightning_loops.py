"""Lightning: automatic and manual optimization, with the README's callback."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from clinic.abroad import patient
from clinic.abroad.recipes import for_lightning
from clinic.data import Samples, flat_digits, square_digits
from clinic.nets import VAE, Code, cnn, discriminator, generator, mlp
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as bce
from torch.nn.functional import cross_entropy, mse_loss
from torch.optim import SGD, Adam, AdamW
from torch.optim.lr_scheduler import CosineAnnealingLR, OneCycleLR
from torch.utils.data import DataLoader, TensorDataset

from tb_lossdiag import SummaryWriter


def fit(
    writer: SummaryWriter,
    module: LightningModule,
    data: Samples,
    *callbacks: Callback,
    held_out: Samples | None = None,
    size: int = 64,
    **more: Any,
) -> None:
    """Train for some epochs with the README's callback, unless others are given."""
    trainer = Trainer(
        accelerator="cpu",
        devices=1,
        logger=False,
        default_root_dir=writer.log_dir,
        callbacks=list(callbacks) or for_lightning(writer),
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=1,
        num_sanity_val_steps=0,
        **{"max_epochs": 10, **more},
    )
    loaders: list[Any] = [
        DataLoader(TensorDataset(part.x, part.y), size, shuffle=part is data)
        for part in (data, held_out)
        if part is not None
    ]
    trainer.fit(module, *loaders)


class Classifier(LightningModule):
    """Digits, with the optimizer and schedule that are given."""

    def __init__(self, net: nn.Module, optimizers: Callable[[nn.Module], Any]) -> None:
        super().__init__()
        self.net = net
        self.made = optimizers

    def training_step(self, batch: Any, _: int) -> Tensor:
        loss = cross_entropy(self.net(batch[0]), batch[1])
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: Any, _: int) -> None:
        self.log("val_loss", cross_entropy(self.net(batch[0]), batch[1]))

    def configure_optimizers(self) -> Any:
        return self.made(self)


def adam(module: nn.Module) -> Any:
    """Adam, without a schedule."""
    return Adam(module.parameters(), lr=2e-3)


@patient(family="Lightning")
def a_module_with_validation(writer: SummaryWriter) -> None:
    """The plainest module."""
    training, held_out = square_digits()
    fit(writer, Classifier(cnn(), adam), training, held_out=held_out)


@patient(family="Lightning")
def a_module_that_accumulates_and_clips(writer: SummaryWriter) -> None:
    """Two batches a step, and Lightning's own clip."""
    training, _ = flat_digits()
    module = Classifier(mlp(64, 64, 10), adam)
    fit(writer, module, training, accumulate_grad_batches=2, gradient_clip_val=1.0, max_epochs=16)


def _one_cycle(interval: str) -> Callable[[nn.Module], Any]:
    def made(module: Any) -> Any:
        optimizer = AdamW(module.parameters(), lr=1e-3)
        steps = module.trainer.estimated_stepping_batches
        schedule = OneCycleLR(optimizer, max_lr=1e-2, total_steps=steps)
        return [optimizer], [{"scheduler": schedule, "interval": interval}]

    return made


@patient(family="Lightning")
def one_cycle_stepped_by_batch(writer: SummaryWriter) -> None:
    """As it is meant."""
    training, held_out = flat_digits()
    fit(writer, Classifier(mlp(64, 64, 10), _one_cycle("step")), training, held_out=held_out)


@patient(
    "LD613",  # since 2026-11-30: before, no rule knew how fast a plan is moved
    "LD607",
    "LD602",
    "LD109",
    family="Lightning",
    source="pytorch/pytorch issue 65417, Lightning-AI/pytorch-lightning issue 5631",
)
def one_cycle_stepped_by_epoch(writer: SummaryWriter) -> None:
    """A schedule of all batches is stepped once an epoch, so the rate hardly leaves its start."""
    training, held_out = flat_digits()
    fit(writer, Classifier(mlp(64, 64, 10), _one_cycle("epoch")), training, held_out=held_out)


def _short_cosine(module: nn.Module) -> Any:
    optimizer = SGD(module.parameters(), lr=0.2)
    schedule = CosineAnnealingLR(optimizer, T_max=10)
    return [optimizer], [{"scheduler": schedule, "interval": "step"}]


@patient("LD607", family="Lightning", source="Lightning-AI/pytorch-lightning issue 3205")
def cosine_of_ten_epochs_stepped_by_batch(writer: SummaryWriter) -> None:
    """The rate goes down and up again every twenty batches."""
    training, held_out = flat_digits()
    fit(writer, Classifier(mlp(64, 64, 10), _short_cosine), training, held_out=held_out)


class _Rewrapped(Classifier):
    """Makes a new tensor of the loss's value to get rid of an error message."""

    def training_step(self, batch: Any, _: int) -> Tensor:
        with torch.no_grad():
            value = cross_entropy(self.net(batch[0]), batch[1])
        return value.clone().requires_grad_()


@patient("LD208", family="Lightning", source="huggingface/torchMoji issue 21")
def a_loss_made_to_require_a_gradient(writer: SummaryWriter) -> None:
    """The outputs are cut off; a new variable that requires a gradient silences the complaint."""
    training, held_out = flat_digits()
    fit(writer, _Rewrapped(mlp(64, 64, 10), adam), training, held_out=held_out)


class Autoencoder(LightningModule):
    """A VAE that records its terms itself, since only it knows them."""

    def __init__(
        self,
        writer: SummaryWriter,
        terms: Callable[[Code, Tensor], tuple[Tensor, Tensor, float]],
    ) -> None:
        super().__init__()
        self.writer = writer
        self.vae = VAE()
        self.terms = terms

    def total(self, picture: Tensor, divergence: Tensor, weight: float) -> Tensor:
        """What is backpropagated."""
        return picture + weight * divergence

    def training_step(self, batch: Any, _: int) -> Tensor:
        code = self.vae(batch[0])
        picture, divergence, weight = self.terms(code, batch[0])
        loss = self.total(picture, divergence, weight)
        self.writer.add_diagnostics(
            loss=loss,
            loss_terms={"recon": picture, "kl": (divergence, weight)},
            global_step=self.global_step,
        )
        return loss

    def configure_optimizers(self) -> Any:
        return Adam(self.parameters(), lr=2e-3)


class Watching(Callback):
    """`watch` alone, for modules that record their loss themselves."""

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        for optimizer in trainer.optimizers:
            pl_module.writer.watch(pl_module, optimizer)


def _sums(code: Code, x: Tensor) -> tuple[Tensor, Tensor, float]:
    return mse_loss(code.image, x, reduction="sum") / len(x), code.divergence(), 0.2


@patient(family="Lightning")
def a_variational_autoencoder(writer: SummaryWriter) -> None:
    """Both terms are summed over their dimensions and averaged over the batch."""
    fit(writer, Autoencoder(writer, _sums), flat_digits()[0], Watching(), max_epochs=15)


def _mean_beside_sum(code: Code, x: Tensor) -> tuple[Tensor, Tensor, float]:
    return mse_loss(code.image, x), code.divergence() * len(x), 1.0


@patient(
    "LD402",
    "LD407",
    "LD401",
    family="Lightning",
    source="zdebruine/MMVAE PR 19, AppliedDataSciencePartners/WorldModels issue 12",
)
def a_mean_beside_a_sum(writer: SummaryWriter) -> None:
    """The error is averaged over pixels and batch, the divergence summed over both."""
    fit(writer, Autoencoder(writer, _mean_beside_sum), flat_digits()[0], Watching(), max_epochs=15)


class _Weightless(Autoencoder):
    def total(self, picture: Tensor, divergence: Tensor, weight: float) -> Tensor:  # noqa: ARG002
        return picture + divergence


@patient("LD403", family="Lightning", source="Lightning-Universe/lightning-bolts issue 328")
def a_coefficient_that_is_never_used(writer: SummaryWriter) -> None:
    """`kl_coeff` is stored and logged, and the loss knows nothing of it."""
    fit(writer, _Weightless(writer, _sums), flat_digits()[0], Watching(), max_epochs=15)


class Game(LightningModule):
    """A GAN with manual optimization."""

    def __init__(self, rate: float = 1e-3, width: int = 64) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.generator = generator()
        self.discriminator = discriminator(width)
        self.rate = rate

    def configure_optimizers(self) -> Any:
        betas = (0.5, 0.999)
        return (
            Adam(self.generator.parameters(), lr=1e-3, betas=betas),
            Adam(self.discriminator.parameters(), lr=self.rate, betas=betas),
        )

    def losses(self, real: Tensor) -> tuple[Callable[[], Tensor], Callable[[], Tensor]]:
        """Of the generator and of the discriminator, when called."""

        def forge() -> Tensor:
            judged = self.discriminator(self.generator(torch.randn(len(real), 16)))
            return bce(judged, torch.ones_like(judged))

        def judge() -> Tensor:
            fake = self.generator(torch.randn(len(real), 16)).detach()
            judged = self.discriminator(torch.cat([real, fake]))
            truth = torch.cat([torch.ones(len(real), 1), torch.zeros(len(real), 1)])
            return bce(judged, truth)

        return forge, judge

    def training_step(self, batch: Any, _: int) -> None:
        for optimizer, loss_of in zip(self.optimizers(), self.losses(batch[0]), strict=True):
            self.turn(optimizer, loss_of())

    def turn(self, optimizer: Any, loss: Tensor) -> None:
        """One step of one player."""
        self.zero_grad()
        self.manual_backward(loss)
        optimizer.step()


@patient(family="Lightning")
def a_game_of_two(writer: SummaryWriter) -> None:
    """A GAN whose players stay about even."""
    fit(writer, Game(5e-4), flat_digits()[0], max_epochs=15)


class _Leftovers(Game):
    """Resets only the player's own gradients after its step: the generator's loss leaves some in the judge."""

    def turn(self, optimizer: Any, loss: Tensor) -> None:
        self.manual_backward(loss)
        optimizer.step()
        optimizer.zero_grad()


@patient(
    "LD631",
    "LD606",
    family="Lightning",
    hard=True,
    source="Lightning-AI/pytorch-lightning issue 591",
)
def leftover_gradients_of_the_other_player(writer: SummaryWriter) -> None:
    """What the generator's loss left in the discriminator is added to the discriminator's own gradient."""
    fit(writer, _Leftovers(5e-4), flat_digits()[0], max_epochs=15)


@patient(
    "LD709",
    family="Lightning",
    source="soumith/ganhacks issue 36, junyanz/pytorch-CycleGAN-and-pix2pix issue 910",
)
def a_judge_far_too_strong(writer: SummaryWriter) -> None:
    """The discriminator's loss goes to nothing and the generator's rises."""
    fit(writer, Game(1e-2, width=512), flat_digits()[0], max_epochs=20)


class _Averaged(Classifier):
    """Steps by hand, four batches at a time, and does not divide."""

    def __init__(self, net: nn.Module, optimizers: Callable[[nn.Module], Any]) -> None:
        super().__init__(net, optimizers)
        self.automatic_optimization = False

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        optimizer: Any = self.optimizers()
        loss = cross_entropy(self.net(batch[0]), batch[1])
        self.manual_backward(loss)
        if batch_idx % 4 == 3:
            optimizer.step()
            optimizer.zero_grad()
        return loss


@patient("LD408", family="Lightning", source="karpathy/nanoGPT issues 168, 206")
def accumulated_by_hand_and_not_divided(writer: SummaryWriter) -> None:
    """Manual optimization steps after four batches whose gradients were added."""
    training, _ = flat_digits()

    def sgd(module: nn.Module) -> Any:
        return SGD(module.parameters(), lr=0.1)

    fit(writer, _Averaged(mlp(64, 64, 10), sgd), training, size=16, max_epochs=10)
