"""Faults of what losses of one's own are made of, with sound ones that look alike."""

from __future__ import annotations

from collections.abc import Callable

import torch
from clinic.case import case
from clinic.data import flat_digits, square_digits
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, relu, softplus
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


def _measured(writer: SummaryWriter, bound: Callable[[Tensor], Tensor], noise: float) -> None:
    """A forecast of a wave with how far it may be off, by a likelihood of one's own."""
    own = nn.ParameterDict({
        "first": torch.randn(1, 40), "bias": torch.randn(40), "last": 0.1 * torch.randn(40, 2)
    })  # fmt: skip
    optimizer = Adam(own.parameters(), lr=1e-2)
    writer.watch(own, optimizer)
    for step in range(400):
        x = 6 * torch.rand(128, 1) - 3
        y = torch.sin(x[:, 0]) + noise * torch.randn(128)
        said = (x @ own["first"] + own["bias"]).sin() @ own["last"]
        log_variance = bound(said[:, 1])
        loss = 0.5 * (log_variance + (y - said[:, 0]) ** 2 / log_variance.exp()).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        writer.add_diagnostics(loss=loss, global_step=step)


@case("LD534", family="likelihood")
def a_forecast_that_is_never_sure(writer: SummaryWriter) -> None:
    """The log variance goes through a ReLU, and the noise is a fifth."""
    _measured(writer, relu, 0.2)


@case(family="likelihood")
def a_forecast_that_may_be_sure(writer: SummaryWriter) -> None:
    """The same without it."""
    _measured(writer, lambda log: log, 0.2)


@case(family="likelihood")
def a_forecast_of_what_is_mostly_noise(writer: SummaryWriter) -> None:
    """A softplus, and noise of three: the bound is never met."""
    _measured(writer, softplus, 3.0)


def _folded(writer: SummaryWriter, spread_of: Callable[[Tensor], Tensor]) -> None:
    """Digits through a code of six numbers, which distributions of torch compare with the prior."""
    inner, code = nn.Linear(64, 48), nn.Linear(48, 12)
    wide, last = nn.Linear(6, 48), nn.Linear(48, 64)
    model = nn.ModuleList([inner, code, wide, last])
    optimizer = Adam(model.parameters(), lr=3e-3)
    writer.watch(model, optimizer)
    for step, (x, _) in enumerate(flat_digits()[0].batches(400)):
        mean, raw = code(inner(x).tanh()).split(6, 1)
        seen = Normal(mean, spread_of(raw))
        drawn = last(wide(seen.rsample()).tanh())
        off = binary_cross_entropy_with_logits(drawn, x, reduction="none").sum(1).mean()
        apart = kl_divergence(seen, Normal(torch.zeros(6), torch.ones(6))).sum(1).mean()
        optimizer.zero_grad()
        (off + apart).backward()
        writer.add_diagnostics(
            loss=off + apart, loss_terms={"off": off, "apart": apart}, global_step=step
        )
        optimizer.step()


@case("LD534", family="autoencoder")
def a_code_that_is_never_sure(writer: SummaryWriter) -> None:
    """Half of a softplus under the exponential."""
    _folded(writer, lambda raw: torch.exp(softplus(raw) / 2))


@case(family="autoencoder")
def a_code_whose_spread_is_a_softplus(writer: SummaryWriter) -> None:
    """The softplus is the deviation itself."""
    _folded(writer, lambda raw: softplus(raw) + 1e-4)


@case(family="autoencoder")
def a_code_whose_log_spread_is_clamped(writer: SummaryWriter) -> None:
    """Between -8 and 4."""
    _folded(writer, lambda raw: torch.exp(raw.clamp(-8, 4) / 2))


@case(family="survival")
def a_hazard_of_each_month(writer: SummaryWriter) -> None:
    """Discrete times until an event: 1 - exp(-hazard) is the chance of one, and the hazard itself the price of none; most are small."""
    x = torch.randn(3000, 8)
    rates = (0.5 * x @ torch.randn(8, 6) - 3).exp()
    happened = (torch.rand(3000, 6) < 1 - torch.exp(-rates)).float()
    model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 6))
    optimizer = Adam(model.parameters(), lr=3e-3)
    writer.watch(model, optimizer)
    for step in range(400):
        rows = torch.randint(3000, (64,))
        hazard = softplus(model(x[rows])) + 1e-6
        log = happened[rows] * torch.log(1 - torch.exp(-hazard) + 1e-8)
        loss = -(log - (1 - happened[rows]) * hazard).sum(1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        writer.add_diagnostics(loss=loss, global_step=step)


@case(family="tasks")
def tasks_that_wait_for_the_harder_one(writer: SummaryWriter) -> None:
    """Dynamic task prioritisation (Guo et al. 2018): each task's mean has a focal factor of its own, which weighs the tasks and no samples."""
    digits, _ = flat_digits()
    trunk = nn.Sequential(nn.Linear(64, 64), nn.ReLU())
    model = nn.ModuleList([trunk, nn.Linear(64, 10), nn.Linear(64, 2)])
    optimizer = Adam(model.parameters(), lr=2e-3)
    writer.watch(model, optimizer)
    for step, (x, y) in enumerate(digits.batches(300)):
        h = model[0](x)
        digit, odd = cross_entropy(model[1](h), y), cross_entropy(model[2](h), y % 2)
        loss = (1 - torch.exp(-digit)) ** 2 * digit + (1 - torch.exp(-odd)) ** 2 * odd
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        writer.add_diagnostics(loss=loss, global_step=step)


class _Weighed(nn.Module):
    """Two tasks and a learned number for each."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(64, 64), nn.ReLU())
        self.digit, self.ink = nn.Linear(64, 10), nn.Linear(64, 1)
        self.say = nn.Parameter(torch.ones(2))


def _tasks(
    writer: SummaryWriter, weigh: Callable[[Tensor, Tensor], Tensor], *, one_sum: bool = False
) -> None:
    digits, _ = flat_digits()
    model = _Weighed()
    optimizer = Adam(model.parameters(), lr=2e-3)
    writer.watch(model, optimizer)
    for step, (x, y) in enumerate(digits.batches(300)):
        h = model.trunk(x)
        ink = (model.ink(h)[:, 0] - 4 * x.mean(1)).square().mean()
        loss = weigh(model.say, torch.stack([cross_entropy(model.digit(h), y), ink]))
        optimizer.zero_grad()
        loss.backward()
        if one_sum:
            slower = torch.tensor([-0.01, 0.01])
            model.say.grad = slower if step % 2 else -slower
        optimizer.step()
        if one_sum:
            with torch.no_grad():
                model.say.mul_(2 / model.say.sum())
        writer.add_diagnostics(loss=loss, global_step=step)


@case("LD414", family="tasks", source="yaringal/multi-task-learning-example#6")
def tasks_that_are_weighed_away(writer: SummaryWriter) -> None:
    """Divided by twice their variances, as in the paper, without the logarithms of the deviations."""
    _tasks(writer, lambda say, terms: (terms / (2 * say**2)).sum())


@case("LD414", family="tasks")
def weights_that_are_simply_learned(writer: SummaryWriter) -> None:
    """A weight for each task, in the optimizer with all the others."""
    _tasks(writer, lambda say, terms: (say * terms).sum())


@case(family="tasks")
def tasks_with_the_price_of_their_weights(writer: SummaryWriter) -> None:
    """The paper's loss."""
    _tasks(writer, lambda say, terms: (terms / (2 * say**2) + say.log()).sum())


@case(family="tasks")
def weights_that_keep_their_sum(writer: SummaryWriter) -> None:
    """As in GradNorm (Chen et al. 2018): the weights get other gradients, and are divided by their sum after each step."""
    _tasks(writer, lambda say, terms: (say * terms).sum(), one_sum=True)


@case(family="tasks")
def weights_by_a_softmax(writer: SummaryWriter) -> None:
    """Learned, of one sum by themselves."""
    _tasks(writer, lambda say, terms: (say.softmax(0) * terms).sum())
