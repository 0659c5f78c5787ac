"""What was missed in lots that were opened: sound programs that come close to the faults that are named now."""

from __future__ import annotations

from itertools import product

import torch
from clinic.abroad import patient
from clinic.abroad.cases.sealed_ninth_pictures import posed
from clinic.abroad.loops import train
from clinic.data import flat_digits
from clinic.nets import mlp
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize
from torch.optim import Adam, AdamW

from tb_lossdiag import SummaryWriter


class _Twofold(nn.Module):
    """Halves of digits beside each other, and two views of one half."""

    def __init__(self) -> None:
        super().__init__()
        self.upper, self.lower = mlp(32, 64, 32), mlp(32, 64, 32)
        self.logit_scale = nn.Parameter(torch.tensor(1 / 0.07).log())

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Scores of pairs, and of views."""
        a, b = (normalize(part(half), dim=1) for part, half in zip((self.upper, self.lower), x.chunk(2, 1), strict=True))  # fmt: skip
        views = normalize(self.upper(x[:, :32] + 0.1 * torch.randn(len(x), 32)), dim=1)
        return a @ b.T * self.logit_scale.exp(), a @ views.T / 0.02


@patient(family="contrastive", source="https://arxiv.org/abs/2112.12750")
def pairs_and_views_at_temperatures_of_their_own(writer: SummaryWriter) -> None:
    """SLIP: pairs are compared by a learned scale, views by a sharper temperature that is fixed: scores beyond the scale are cosines, too."""
    digits, _ = flat_digits()
    model, batches = _Twofold(), digits.batches(300, 32)

    def loss() -> Tensor:
        pairs, views = model(next(batches)[0])
        right = torch.arange(len(pairs))
        both = cross_entropy(pairs, right) + cross_entropy(pairs.T, right)
        return both / 2 + 0.3 * cross_entropy(views, right)

    train(writer, model, AdamW(model.parameters(), 2e-3), loss, 300)


class _Drawn(nn.Module):
    """A variational autoencoder whose loss is written by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = mlp(64, 96, 16), mlp(8, 96, 64)

    def forward(self, x: Tensor) -> Tensor:
        """What a batch costs."""
        mean, logvar = self.encoder(x).chunk(2, 1)
        drawn = self.decoder(mean + (0.5 * logvar).exp() * torch.randn_like(mean))
        kl = 0.5 * (mean**2 + logvar.exp() - 1 - logvar).sum(1).mean()
        cost: Tensor = (drawn - x).square().sum(1).mean() + 0.05 * kl
        return cost


def _gradient(model: nn.Module, x: Tensor) -> Tensor:
    """Of a batch, and of nothing else."""
    model.zero_grad()
    model(x).backward()
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


@patient(family="domains", source="https://arxiv.org/abs/2001.06782")
def gradients_of_four_domains_that_are_put_together(writer: SummaryWriter) -> None:
    """Each domain's gradient is taken alone, from one line; what conflicts is projected off, and their mean is written back for the step."""
    digits, _ = flat_digits()
    model, batches = _Drawn(), digits.batches(1200, 16)
    optimizer = Adam(model.parameters(), 2e-3)
    writer.watch(model, optimizer)
    for step in range(300):
        each = torch.stack([_gradient(model, next(batches)[0].roll(turn, 1)) for turn in range(4)])
        for i, j in product(range(4), repeat=2):
            each[i] -= (each[i] @ each[j]).clamp(max=0) / each[j].square().sum() * each[j]
        sizes = [p.numel() for p in model.parameters()]
        for p, mean in zip(model.parameters(), each.mean(0).split(sizes), strict=True):
            p.grad = mean.view_as(p)
        writer.add_diagnostics(
            loss=model(next(digits.batches(1, 64))[0]).detach(), global_step=step
        )
        optimizer.step()


@patient(family="attacks", source="https://arxiv.org/abs/1706.06083")
def pictures_that_are_attacked_seven_times(writer: SummaryWriter) -> None:
    """Pictures are moved to where the loss is high, seven times 0.1 of a pixel's range, from the very line that trains afterwards."""
    digits, _ = flat_digits()
    model = _Drawn()
    optimizer = Adam(model.parameters(), 1e-3)
    writer.watch(model, optimizer)
    for step, (clean, _) in enumerate(digits.batches(250)):
        x, loss = clean.clone(), torch.zeros(())
        for turn in range(8):
            x = x.detach().requires_grad_()
            optimizer.zero_grad()
            loss = model(x)
            loss.backward()
            if x.grad is not None and turn < 7:
                x = (clean + (x + 0.1 * x.grad.sign() - clean).clamp(-0.3, 0.3)).clamp(0, 1)
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()


@patient(
    family="adversarial",
    source="https://github.com/BadourAlBahar/pose-with-style/issues/23 (repaired)",
)
def real_ones_without_a_background(writer: SummaryWriter) -> None:
    """What is real is masked as what is made is: the judge has to look at the digits."""
    posed(writer, fixed=True)
