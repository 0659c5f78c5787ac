"""The fifth lot, what is sound: makers and words that look odd and are ordinary."""

from __future__ import annotations

from copy import deepcopy

import torch
from clinic.abroad import patient
from clinic.abroad.corpora import SIZE, sentences
from clinic.data import flat_digits
from clinic.nets import VAE, discriminator, generator, mlp
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as bce
from torch.nn.functional import cross_entropy, mse_loss
from torch.optim import SGD, Adam

from tb_lossdiag import SummaryWriter


@patient(family="two players")
def fifth_a_judge_with_softened_labels(writer: SummaryWriter) -> None:
    """PyTorch's DCGAN tutorial in small: Adam with beta 0.5, and 0.9 for what is real."""
    real = flat_digits()[0]
    net_g, net_d = generator(), discriminator(96)
    optimizer_d = Adam(net_d.parameters(), lr=2e-4, betas=(0.5, 0.999))
    optimizer_g = Adam(net_g.parameters(), lr=1e-3, betas=(0.5, 0.999))
    writer.watch(net_d, optimizer_d, name="D")
    writer.watch(net_g, optimizer_g, name="G")
    for step, (x, _) in enumerate(real.batches(500)):
        net_d.zero_grad()
        fake = net_g(torch.randn(len(x), 16))
        output, fooled = net_d(x), net_d(fake.detach())
        err_d = bce(output, torch.full_like(output, 0.9)) + bce(fooled, torch.zeros_like(fooled))
        err_d.backward()
        writer.add_diagnostics(net_d, loss=err_d, global_step=step)
        optimizer_d.step()
        net_g.zero_grad()
        output = net_d(fake)
        err_g = bce(output, torch.ones_like(output))
        err_g.backward()
        writer.add_diagnostics(net_g, loss=err_g, global_step=step)
        optimizer_g.step()


@patient(family="two players")
def fifth_a_critic_with_a_gradient_penalty(writer: SummaryWriter) -> None:
    """WGAN-GP: five steps of the critic for one of the generator; both losses go below zero and say little."""
    rows = 0.4 * torch.randn(3000, 2) + 2 * torch.randint(0, 2, (3000, 2)) - 1
    maker, critic = mlp(4, 64, 64, 2), mlp(2, 64, 64, 1)
    g_opt, c_opt = (
        Adam(maker.parameters(), 5e-4, (0.0, 0.9)),
        Adam(critic.parameters(), 5e-4, (0.0, 0.9)),
    )
    writer.watch(maker, g_opt, name="generator")
    writer.watch(critic, c_opt, name="critic")
    for step in range(200):
        for turn in range(5):
            real, fake = rows[torch.randint(3000, (64,))], maker(torch.randn(64, 4)).detach()
            share = torch.rand(64, 1)
            between = (share * real + (1 - share) * fake).requires_grad_()
            slope = torch.autograd.grad(critic(between).sum(), between, create_graph=True)[0]
            penalty = (slope.norm(dim=1) - 1).square().mean()
            critic_loss = critic(fake).mean() - critic(real).mean() + 10 * penalty
            c_opt.zero_grad()
            critic_loss.backward()
            writer.add_diagnostics(critic, loss=critic_loss, global_step=5 * step + turn)
            c_opt.step()
        g_opt.zero_grad()
        maker_loss = -critic(maker(torch.randn(64, 4))).mean()
        maker_loss.backward()
        writer.add_diagnostics(maker, loss=maker_loss, global_step=step)
        g_opt.step()


@patient(family="autoencoders")
def fifth_a_divergence_in_cycles(writer: SummaryWriter) -> None:
    """A VAE with cyclical annealing: its weight rises from 0 to 1 three times, and the loss with it."""
    data = flat_digits()[0]
    vae = VAE()
    optimizer = Adam(vae.parameters(), lr=2e-3)
    writer.watch(vae, optimizer)
    for step, (x, _) in enumerate(data.batches(450)):
        beta = min(1.0, (step % 150) / 75)
        code = vae(x)
        recon = bce(code.image, x, reduction="sum") / len(x)
        kl = code.divergence()
        loss = recon + beta * kl
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(
            loss=loss, loss_terms={"recon": recon, "kl": (kl, beta)}, global_step=step
        )
        optimizer.step()


class _WordModel(nn.Module):
    """As in PyTorch's word_language_model."""

    def __init__(self) -> None:
        super().__init__()
        self.drop, self.encoder = nn.Dropout(0.2), nn.Embedding(SIZE, 64)
        self.rnn, self.decoder = nn.LSTM(64, 64, 2, dropout=0.2), nn.Linear(64, SIZE)
        nn.init.uniform_(self.encoder.weight, -0.1, 0.1)
        nn.init.uniform_(self.decoder.weight, -0.1, 0.1)

    def forward(
        self, data: Tensor, hidden: tuple[Tensor, ...]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        output, hidden = self.rnn(self.drop(self.encoder(data)), hidden)
        return self.decoder(self.drop(output)).flatten(0, 1), hidden


@patient(family="words")
def fifth_a_rate_of_five_and_a_clip_of_a_quarter(writer: SummaryWriter) -> None:
    """Truncated BPTT with a state that is carried on, SGD at 5 with every gradient cut to 0.25, quartered on plateaus."""
    corpus = sentences(20, 1500).T.contiguous()
    held_out, model, lr, best = corpus[1200:], _WordModel(), 5.0, float("inf")
    optimizer = SGD(model.parameters(), lr=lr)
    writer.watch(model, optimizer)
    step = 0
    for _epoch in range(4):
        hidden = (torch.zeros(2, 20, 64), torch.zeros(2, 20, 64))
        model.train()
        for i in range(0, 1180, 20):
            hidden = (hidden[0].detach(), hidden[1].detach())
            output, hidden = model(corpus[i : i + 20], hidden)
            loss = cross_entropy(output, corpus[i + 1 : i + 21].flatten())
            model.zero_grad()
            loss.backward()
            writer.clip_grad_norm_(model.parameters(), 0.25)
            writer.add_diagnostics(loss=loss, global_step=step)
            optimizer.step()
            step += 1
        model.eval()
        with torch.no_grad():
            start = (torch.zeros(2, 20, 64), torch.zeros(2, 20, 64))
            val_loss = cross_entropy(model(held_out[:-1], start)[0], held_out[1:].flatten())
        writer.add_diagnostics(loss=val_loss, phase="validation", global_step=step)
        if val_loss.item() > best:
            optimizer.param_groups[0]["lr"] /= 4
        best = min(best, val_loss.item())


@patient(family="diffusion")
def fifth_noise_and_an_average_that_is_looked_at(writer: SummaryWriter) -> None:
    """DDPM on points of a spiral: the loss is soon flat and noisy; what is validated is the average of the weights."""
    turn = 1.5 + 9 * torch.rand(4000)
    points = torch.stack([turn * turn.cos(), turn * turn.sin()], 1) / 5
    kept = (1 - torch.linspace(1e-4, 0.02, 300)).cumprod(0)
    net = mlp(3, 96, 96, 2, activation=nn.GELU)
    ema, optim = deepcopy(net).requires_grad_(False), Adam(net.parameters(), lr=1e-3)
    writer.watch(net, optim)

    def loss_of(model: nn.Module, x: Tensor) -> Tensor:
        noise, t = torch.randn_like(x), torch.randint(0, 300, (len(x),))
        x_t = kept[t, None].sqrt() * x + (1 - kept[t, None]).sqrt() * noise
        return mse_loss(model(torch.cat([x_t, t[:, None] / 300], 1)), noise)

    for step in range(600):
        optim.zero_grad()
        loss = loss_of(net, points[torch.randint(3500, (64,))])
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optim.step()
        with torch.no_grad():
            for slow, fast in zip(ema.parameters(), net.parameters(), strict=True):
                slow.lerp_(fast, 0.01)
        if step % 100 == 99:
            with torch.no_grad():
                val_loss = loss_of(ema, points[3500:])
            writer.add_diagnostics(loss=val_loss, phase="validation", global_step=step)
