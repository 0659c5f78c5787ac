"""What makes pictures: variational autoencoders, games of two players, diffusion."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import torch
from clinic.abroad import patient
from clinic.abroad.cases.diffusion import TIMES, Denoiser, noisy
from clinic.abroad.loops import Terms, train
from clinic.case import NO_CODE
from clinic.data import flat_digits
from clinic.nets import VAE, Code, discriminator, generator
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as bce
from torch.nn.functional import mse_loss
from torch.optim import Adam, AdamW

from tb_lossdiag import SummaryWriter


def _vae(writer: SummaryWriter, divergence: Callable[[Code], Tensor], steps: int = 400) -> None:
    """Pixels' entropy, summed per picture, and the divergence from the prior."""
    digits, held_out = flat_digits()
    model = VAE()
    batches = iter(digits.batches(steps))

    def losses(x: Tensor) -> tuple[Tensor, Terms]:
        code = model(x)
        pixels = bce(code.image, x, reduction="sum") / len(x)
        apart = divergence(code)
        return pixels + apart, {"pixels": pixels, "divergence": apart}

    train(
        writer, model, Adam(model.parameters(), 2e-3), lambda: losses(next(batches)[0]), steps,
        validate=lambda: losses(held_out.x)[0],
    )  # fmt: skip


@patient("LD110", family="autoencoder", source="FluxML/model-zoo PR 147")
def a_divergence_that_likes_small_variances(writer: SummaryWriter) -> None:
    """The logarithm of the variance is added where it is to be subtracted: the loss falls without end."""

    def wrong(code: Code) -> Tensor:
        spread = code.log_variance
        return (0.5 * (code.mean**2 + spread.exp() - 1 + spread)).sum(1).mean()

    _vae(writer, wrong)


@patient("LD407", "LD401", "LD507", family="autoencoder", source="EDAPINENUT/GNTPP issue 4")
def a_divergence_summed_over_the_batch(writer: SummaryWriter) -> None:
    """`torch.sum` without `dim` adds up the divergence of all pictures, and the code goes silent."""

    def wrong(code: Code) -> Tensor:
        spread = code.log_variance
        total: Tensor = -0.5 * torch.sum(1 + spread - code.mean**2 - spread.exp())
        return total

    _vae(writer, wrong)


@patient(family="autoencoder")
def a_divergence_with_its_minus(writer: SummaryWriter) -> None:
    """-0.5 of a sum that is itself negative, as it should be (pytorch/examples issue 824)."""
    _vae(writer, lambda code: code.divergence())


def _steep(judge: nn.Module, real: Tensor, fake: Tensor, *, graph: bool) -> Tensor:
    """How far the judge's slope between real and forged pictures is from 1."""
    mixed = torch.lerp(fake, real, torch.rand(len(real), 1)).requires_grad_()
    (slope,) = torch.autograd.grad(judge(mixed).sum(), mixed, create_graph=graph)
    steep: Tensor = (slope.norm(dim=1) - 1).square().mean()
    return steep


def _critic(writer: SummaryWriter, *, graph: bool, steps: int = 250) -> None:
    """Wasserstein with a penalty on the critic's slope; two turns of the critic to one of the forger."""
    images = flat_digits()[0].x
    forger, critic = generator(), discriminator()
    ours = Adam(forger.parameters(), lr=5e-4, betas=(0.0, 0.9))
    its = Adam(critic.parameters(), lr=5e-4, betas=(0.0, 0.9))
    writer.watch(forger, ours, name="generator")
    writer.watch(critic, its, name="critic")
    apart = penalty = torch.zeros(())
    for step in range(steps):
        for _ in range(2):
            real = images[torch.randint(len(images), (64,))]
            fake = forger(torch.randn(64, 16)).detach()
            apart = critic(fake).mean() - critic(real).mean()
            penalty = 10 * _steep(critic, real, fake, graph=graph)
            its.zero_grad()
            (apart + penalty).backward()
            its.step()
        loss = -critic(forger(torch.randn(64, 16))).mean()
        ours.zero_grad()
        loss.backward()
        ours.step()
        terms = {"generator": loss, "critic": apart, "penalty": penalty}
        writer.add_diagnostics(loss_terms=terms, global_step=step)


@patient(
    "LD404",
    "LD208",
    family="adversarial",
    also=("LD110",),
    source="mlpack/mlpack issue 2891, ooples/AiDotNet issue 1844",
)
def a_penalty_without_a_graph(writer: SummaryWriter) -> None:
    """The slope is computed without `create_graph`: the penalty has a value, and no gradient."""
    _critic(writer, graph=False)


@patient(family="adversarial")
def a_penalty_with_its_graph(writer: SummaryWriter) -> None:
    """The same with `create_graph=True`."""
    _critic(writer, graph=True)


@patient(family="adversarial")
def a_forgery_that_is_not_detached(writer: SummaryWriter) -> None:
    """The judge's loss leaves gradients in the forger, which resets them before its own (batsa003/videogan PR 1)."""
    images = flat_digits()[0].x
    forger, judge = generator(), discriminator()
    ours = Adam(forger.parameters(), lr=1e-3, betas=(0.5, 0.999))
    its = Adam(judge.parameters(), lr=5e-4, betas=(0.5, 0.999))
    writer.watch(forger, ours, name="generator")
    writer.watch(judge, its, name="discriminator")
    yes, no = torch.ones(64, 1), torch.zeros(64, 1)
    for step in range(300):
        real = images[torch.randint(len(images), (64,))]
        fake = forger(torch.randn(64, 16))
        against = bce(judge(real), yes) + bce(judge(fake), no)
        its.zero_grad()
        against.backward()
        its.step()
        loss = bce(judge(forger(torch.randn(64, 16))), yes)
        ours.zero_grad()
        loss.backward()
        ours.step()
        terms = {"generator": loss, "discriminator": against}
        writer.add_diagnostics(loss_terms=terms, global_step=step)


def _denoise(
    writer: SummaryWriter,
    *,
    keep: float = 0.0,
    fixed: bool = False,
    steps: int = 400,
    rows: int | None = None,
) -> None:
    """Noise is predicted; validated by the average of the weights where there is one, on noise of its own."""
    digits, held_out = flat_digits()
    images = digits.x[:rows] * 2 - 1
    model = Denoiser()
    average = deepcopy(model)
    once, when = torch.randn_like(images), torch.randint(TIMES, (len(images),))

    def of(net: nn.Module, x: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        return mse_loss(net(noisy(x, noise, t), t), noise)

    def loss() -> Tensor:
        picked = torch.randint(len(images), (64,))
        x = images[picked]
        if fixed:
            return of(model, x, once[picked], when[picked])
        return of(model, x, torch.randn_like(x), torch.randint(TIMES, (64,)))

    def follow() -> None:
        with torch.no_grad():
            for slow, new in zip(average.parameters(), model.parameters(), strict=True):
                slow.lerp_(new, 1 - keep)

    def validate() -> Tensor:
        x = held_out.x * 2 - 1
        t = torch.arange(len(x)) % TIMES
        return of(average if keep else model, x, torch.randn_like(x), t)

    optimizer = AdamW(model.parameters(), lr=2e-3)
    after = follow if keep else lambda: None
    train(writer, model, optimizer, loss, steps, after=after, validate=validate)


@patient(
    "LD619",
    "LD623",
    family="diffusion",
    source="konpatp/diffae issue 16, happyharrycn/actionformer_release issue 103",
)
def an_average_too_slow_for_the_training(writer: SummaryWriter) -> None:
    """A decay of 0.9999 in a training of 300 steps: what is validated is still the beginning."""
    _denoise(writer, keep=0.9999, steps=300)


@patient(family="diffusion")
def an_average_as_fast_as_the_training(writer: SummaryWriter) -> None:
    """A decay of 0.98, which forgets the beginning in time."""
    _denoise(writer, keep=0.98, steps=300)


@patient(NO_CODE, family="diffusion", hard=True, source="Zhiyuan-R/Tiger-Diffusion issue 15")
def each_picture_has_one_noise(writer: SummaryWriter) -> None:
    """Noise and time are drawn once per picture, before the training, and learned by heart."""
    _denoise(writer, fixed=True, rows=200, steps=350)
