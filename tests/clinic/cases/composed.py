"""Faults of what losses of one's own are made of, with sound ones that look alike."""

from __future__ import annotations

import torch
from clinic.case import case
from clinic.data import flat_digits, square_digits
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy
from torch.optim import SGD, Adam, AdamW

from tb_lossdiag import SummaryWriter


class _Inked(nn.Module):
    """Finds the bright pixels of a noisy picture."""

    def __init__(self) -> None:
        super().__init__()
        self.look = nn.Conv2d(1, 12, 3, padding=1)
        self.say = nn.Conv2d(12, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        said: Tensor = self.say(self.look(x).tanh())
        return said


def _pixels(writer: SummaryWriter, reduction: str) -> None:
    """A focal loss of yes and no, for each pixel or for the batch."""
    pictures = square_digits()[0].x
    model = _Inked()
    optimizer = SGD(model.parameters(), lr=0.3, momentum=0.9)
    writer.watch(model, optimizer)
    for step in range(200):
        clean = pictures[torch.randint(len(pictures), (24,))]
        bright = (clean > clean.quantile(0.9)).float()
        asked = binary_cross_entropy_with_logits(
            model(clean + 0.3 * torch.randn_like(clean)), bright, reduction=reduction
        )
        right = torch.exp(-asked)
        loss = (0.25 * torch.pow(1 - right, 2.0) * asked).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        writer.add_diagnostics(loss=loss, global_step=step)


@case("LD530", family="segmentation")
def a_focus_of_all_pixels_at_once(writer: SummaryWriter) -> None:
    """The binary cross-entropy is averaged before its focal factor is made."""
    _pixels(writer, "mean")


@case(family="segmentation")
def a_focus_of_each_pixel(writer: SummaryWriter) -> None:
    """The same with a factor for each."""
    _pixels(writer, "none")


def _by_hand(writer: SummaryWriter, *, early: bool) -> None:
    """Weights in a dictionary, a softmax of one's own; `early` takes the mean before the factor."""
    first, last = 0.1 * torch.randn(64, 48), 0.1 * torch.randn(48, 10)
    own = nn.ParameterDict({"first": first, "bias": torch.zeros(48), "last": last})
    optimizer = AdamW(own.parameters(), lr=3e-3)
    writer.watch(own, optimizer)
    for step, (x, y) in enumerate(flat_digits()[0].batches(300)):
        scores = (x @ own["first"] + own["bias"]).clamp_min(0) @ own["last"]
        surprise = scores.logsumexp(1) - scores.gather(1, y.unsqueeze(1)).squeeze(1)
        if early:
            surprise = surprise.mean()
        loss = ((1 - (-surprise).exp()) ** 2 * surprise).mean()
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()


@case("LD530", family="MLP")
def a_focus_by_hand_of_the_mean(writer: SummaryWriter) -> None:
    """The mean of the surprises first, the focus of it then."""
    _by_hand(writer, early=True)


@case(family="MLP")
def a_focus_by_hand_of_each(writer: SummaryWriter) -> None:
    """The focus of each surprise first, the mean then."""
    _by_hand(writer, early=False)


@case(family="MLP")
def two_questions_weighed_by_their_variance(writer: SummaryWriter) -> None:
    """exp(-s) times a mean, plus s: what is learned is s, and the factor is not made of the mean."""
    digits = flat_digits()[0]
    trunk, which, odd = nn.Linear(64, 64), nn.Linear(64, 10), nn.Linear(64, 1)
    model = nn.ModuleDict({"trunk": trunk, "which": which, "odd": odd})
    model.register_parameter("spread", nn.Parameter(torch.zeros(2)))
    optimizer = Adam(model.parameters(), lr=2e-3)
    writer.watch(model, optimizer)
    for step, (x, y) in enumerate(digits.batches(300)):
        hidden = trunk(x).relu()
        asked = [
            cross_entropy(which(hidden), y),
            binary_cross_entropy_with_logits(odd(hidden)[:, 0], (y % 2).float()),
        ]
        spread = model.get_parameter("spread")
        loss = torch.stack([(-s).exp() * one + s for s, one in zip(spread, asked, strict=True)])
        optimizer.zero_grad()
        loss.sum().backward()
        writer.add_diagnostics(loss=loss.sum(), global_step=step)
        optimizer.step()
