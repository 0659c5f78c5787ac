"""The fourth lot, of makers of pictures and densities: penalties, divergences, determinants, averages, codebooks."""

from __future__ import annotations

from copy import deepcopy

import torch
from clinic.abroad import patient
from clinic.abroad.loops import Terms, train
from clinic.case import NO_CODE
from clinic.data import flat_digits
from clinic.nets import VAE, discriminator, generator, mlp
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as bce
from torch.nn.functional import mse_loss, softplus
from torch.optim import Adam

from tb_lossdiag import SummaryWriter


def _penalty(critic: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    between = torch.rand(len(real), 1)
    mixed = (between * real + (1 - between) * fake).requires_grad_()
    slope: Tensor = torch.autograd.grad(critic(mixed).sum(), mixed, create_graph=True)[0]
    apart: Tensor = slope.norm(dim=1) - 1
    return (apart**2).mean()


@patient(family="two players")
def a_penalty_with_a_graph(writer: SummaryWriter) -> None:
    """WGAN-GP as it is meant, a step of the critic for one of the maker."""
    digits, _ = flat_digits()
    maker, critic = generator(), discriminator()
    of_maker = Adam(maker.parameters(), 5e-4, (0.5, 0.9))
    of_critic = Adam(critic.parameters(), 2e-3, (0.5, 0.9))
    for step, (real, _) in enumerate(digits.batches(350)):
        fake = maker(torch.randn(64, 16))
        apart = critic(fake.detach()).mean() - critic(real).mean()
        penalty = _penalty(critic, real, fake.detach())
        judged = apart + 10 * penalty
        of_critic.zero_grad()
        judged.backward()
        writer.add_diagnostics(
            critic,
            optimizer=of_critic,
            loss=judged,
            loss_terms={"apart": apart, "penalty": (penalty, 10.0)},
            name="critic",
            global_step=step,
        )
        of_critic.step()
        made = -critic(fake).mean()
        of_maker.zero_grad()
        made.backward()
        writer.add_diagnostics(
            maker, optimizer=of_maker, loss=made, name="generator", global_step=step
        )
        of_maker.step()


def _pictures(writer: SummaryWriter, weight: float, *, mean: bool) -> None:
    digits, held_out = flat_digits()
    model, batches = VAE(), digits.batches(400)
    step = 0

    def losses() -> tuple[Tensor, Terms]:
        nonlocal step
        x, _ = next(batches)
        code = model(x)
        drawn = bce(code.image, x, reduction="mean" if mean else "sum") / (1 if mean else len(x))
        beta = weight if mean else weight * min(1.0, step / 200)
        step += 1
        return drawn + beta * code.divergence(), {
            "drawn": drawn,
            "divergence": (code.divergence(), beta),
        }

    def validate() -> Tensor:
        code = model(held_out.x)
        return bce(code.image, held_out.x, reduction="mean" if mean else "sum") / (
            1 if mean else len(held_out.x)
        )

    train(writer, model, Adam(model.parameters(), 2e-3), losses, 400, validate=validate)


@patient(
    "LD407",
    "LD401",
    "LD402",
    "LD705",
    "LD707",
    family="autoencoders",
    source="https://github.com/AppliedDataSciencePartners/WorldModels/issues/12",
)
def a_mean_of_pixels_and_a_sum_of_codes(writer: SummaryWriter) -> None:
    """The picture's error is a mean over 64 pixels, the divergence a sum over the code: the code is given up."""
    _pictures(writer, 1.0, mean=True)


@patient(family="autoencoders")
def a_divergence_that_is_let_in(writer: SummaryWriter) -> None:
    """Both are sums, and the divergence's weight grows from zero to one over 200 steps: the loss rises meanwhile."""
    _pictures(writer, 1.0, mean=False)


class _Softened(nn.Module):
    """An encoder whose log variance goes through a softplus."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = mlp(64, 64, 16), mlp(8, 64, 64)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mu, log_var = self.encoder(x).chunk(2, 1)
        log_var = softplus(log_var)
        z = mu + torch.randn_like(mu) * (0.5 * log_var).exp()
        return self.decoder(z), mu, log_var


@patient(
    "LD534",
    "LD511",
    family="autoencoders",
    hard=True,
    source="https://github.com/wohlert/semi-supervised-pytorch/issues/16",
)
def a_log_variance_that_is_never_negative(writer: SummaryWriter) -> None:
    """`softplus` of the log variance: no code can be surer than the prior."""
    digits, _ = flat_digits()
    model, batches = _Softened(), digits.batches(400)

    def losses() -> tuple[Tensor, Terms]:
        x, _ = next(batches)
        image, mu, log_var = model(x)
        drawn = bce(image, x, reduction="sum") / len(x)
        apart = 0.5 * (mu**2 + log_var.exp() - 1 - log_var).sum(1).mean()
        return drawn + apart, {"drawn": drawn, "divergence": apart}

    train(writer, model, Adam(model.parameters(), 2e-3), losses, 400)


class _Flow(nn.Module):
    """Four couplings of the two halves of four numbers."""

    def __init__(self, sign: float) -> None:
        super().__init__()
        self.nets, self.sign = (
            nn.ModuleList(mlp(2, 32, 4, activation=nn.Tanh) for _ in range(4)),
            sign,
        )

    def forward(self, x: Tensor) -> Tensor:
        total = torch.zeros(len(x))
        for net in self.nets:
            kept, moved = x.chunk(2, 1)
            log_scale, shift = net(kept).chunk(2, 1)
            x = torch.cat([(moved - shift) * (-log_scale).exp(), kept], 1)
            total = total - log_scale.sum(1)
        return 0.5 * (x**2).sum(1).mean() + 3.68 - self.sign * total.mean()


def _density(writer: SummaryWriter, sign: float) -> None:
    """Points on a thin ring, and twice a bend of it; a right likelihood of them is high, its negative below zero."""
    turn = 6.28 * torch.rand(2000)
    ring = torch.stack([turn.cos(), turn.sin(), turn.cos() ** 2, turn.sin() * turn.cos()], 1)
    ring = ring + 0.05 * torch.randn(2000, 4)
    model = _Flow(sign)
    train(
        writer, model, Adam(model.parameters(), 2e-3),
        lambda: model(ring[torch.randint(1800, (128,))]), 400, validate=lambda: model(ring[1800:]),
    )  # fmt: skip


@patient(
    "LD110",
    "LD101",
    "LD102",
    "LD402",
    family="flows",
    source="https://github.com/ikostrikov/pytorch-flows/issues/16, https://github.com/VincentStimper/normalizing-flows/issues/27",
    hard=True,
)
def a_determinant_with_the_other_sign(writer: SummaryWriter) -> None:
    """The log determinant is added where it is taken off: all points are pressed into one."""
    _density(writer, -1.0)


@patient(family="flows")
def a_likelihood_above_one(writer: SummaryWriter) -> None:
    """The same with its sign: the negative log likelihood goes below zero, and should."""
    _density(writer, 1.0)


class _Ema:
    """Diffusers' first average of weights: the decay of a step is written over the decay that was asked for."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model, self.decay, self.steps = deepcopy(model).requires_grad_(False), decay, 0

    def step(self, model: nn.Module) -> None:
        value = (1 + self.steps) / (10 + self.steps)
        self.steps += 1
        self.decay = 1 - min(self.decay, value)
        with torch.no_grad():
            for kept, now in zip(self.model.parameters(), model.parameters(), strict=True):
                kept.sub_(self.decay * (kept - now))


@patient(
    "LD623",
    NO_CODE,
    family="diffusion",
    hard=True,
    source="https://github.com/huggingface/diffusers/issues/1864",
)
def a_decay_that_is_written_over(writer: SummaryWriter) -> None:
    """Asked for 0.9999, after ten steps the average follows the weights by half at each step: it averages nothing."""
    digits, held_out = flat_digits()
    model = mlp(65, 128, 64)
    ema, batches = _Ema(model, 0.9999), digits.batches(400)

    def denoise(net: nn.Module, x: Tensor) -> Tensor:
        time, noise = torch.rand(len(x), 1), torch.randn_like(x)
        return mse_loss(net(torch.cat([(1 - time) * x + time * noise, time], 1)), noise)

    train(
        writer, model, Adam(model.parameters(), 2e-3), lambda: denoise(model, next(batches)[0]), 400,
        after=lambda: ema.step(model), validate=lambda: denoise(ema.model, held_out.x),
    )  # fmt: skip


class _Codebook(nn.Module):
    """Pictures by one of 32 codes, whose use may be asked to be even."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = mlp(64, 64, 16), mlp(16, 64, 64)
        self.codes = nn.Parameter(0.1 * torch.randn(32, 16))

    def forward(self, x: Tensor, *, even: bool) -> tuple[Tensor, Terms]:
        h = self.encoder(x)
        chosen = torch.cdist(h, self.codes).argmin(1)
        code = self.codes[chosen]
        book, commit = mse_loss(code, h.detach()), mse_loss(h, code.detach())
        drawn = mse_loss(self.decoder(h + (code - h).detach()), x)
        terms: dict[str, tuple[Tensor, float]] = {
            "drawn": (drawn, 1.0), "book": (book, 1.0), "commit": (commit, 0.25)
        }  # fmt: skip
        if even:
            counts = torch.bincount(chosen, minlength=32).float()
            use = ((counts - len(x) / 32) ** 2).mean() / (len(x) / 32) ** 2
            terms["use"] = (use, 0.1)
        return torch.stack([value * weight for value, weight in terms.values()]).sum(), terms


def _coded(writer: SummaryWriter, *, even: bool) -> None:
    digits, _ = flat_digits()
    model, batches = _Codebook(), digits.batches(400)
    train(
        writer, model, Adam(model.parameters(), 2e-3), lambda: model(next(batches)[0], even=even), 400
    )  # fmt: skip


@patient("LD404", family="codebooks", source="https://github.com/wds1996/GNPR-SID/issues/2")
def a_count_that_cannot_be_learnt(writer: SummaryWriter) -> None:
    """A term asks for even use of the codes, made of `argmin` and `bincount`: no gradient comes from it."""
    _coded(writer, even=True)


@patient(family="codebooks")
def codes_as_they_come(writer: SummaryWriter) -> None:
    """The same without that term."""
    _coded(writer, even=False)
