"""A second lot: loops by hand after reports of order, shape, schedule and leakage, written when the first lot had been measured."""

from __future__ import annotations

from collections.abc import Callable

import torch
from clinic.abroad import sealed
from clinic.abroad.loops import train
from clinic.case import NO_CODE
from clinic.data import Samples, flat_digits, friedman, square_digits, standard
from clinic.nets import cnn, mlp
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss, normalize
from torch.optim import SGD, Adam
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.utils.data import DataLoader, TensorDataset

from tb_lossdiag import SummaryWriter

STEPS = 300


def _far_out(writer: SummaryWriter, *, clip_first: bool) -> None:
    """A table some of whose targets are far out."""
    table = friedman()
    far = torch.distributions.StudentT(1.3).sample(table.y.shape)
    model = mlp(10, 64, 1)
    optimizer = SGD(model.parameters(), lr=0.02, momentum=0.9)
    writer.watch(model, optimizer)
    for step, (x, y) in enumerate(Samples(table.x, table.y + 0.3 * far).batches(350)):
        optimizer.zero_grad()
        loss = mse_loss(model(x), y)
        loss.backward()
        if clip_first:
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
        if not clip_first:
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)


@sealed("LD302", family="clipping", source="awslabs/graphstorm PRs 1382, 1384")
def clipped_behind_the_step(writer: SummaryWriter) -> None:
    """`clip_grad_norm_` stands after `step`, and clips what has been used."""
    _far_out(writer, clip_first=False)


@sealed(family="clipping")
def clipped_between_backward_and_step(writer: SummaryWriter) -> None:
    """Backward, clip, step."""
    _far_out(writer, clip_first=True)


def _gridworld(writer: SummaryWriter, axis: int) -> None:
    """A bandit with contexts: the network ends in a softmax, and batches are replayed."""
    policy = nn.Sequential(nn.Linear(4, 64), nn.LeakyReLU(), nn.Linear(64, 2), nn.Softmax(dim=axis))
    optimizer = Adam(policy.parameters(), lr=2e-3)
    writer.watch(policy, optimizer)
    for step in range(STEPS):
        state = torch.randn(64, 4)
        action = torch.randint(0, 2, (64, 1))
        reward = ((action[:, 0] == 1) == (state[:, 0] + 0.5 * state[:, 1] > 0)).float()
        likely = policy(state).gather(1, action)[:, 0]
        loss = -(reward * likely.log()).mean()
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()


@sealed(
    "LD718",
    family="reinforcement",
    source="DeepReinforcementLearning/DeepReinforcementLearningInAction issue 32",
)
def likelihoods_over_the_states(writer: SummaryWriter) -> None:
    """`Softmax(dim=0)` was written for one state, and is given a batch: an action is shared out among states."""
    _gridworld(writer, 0)


@sealed(family="reinforcement")
def likelihoods_over_the_actions(writer: SummaryWriter) -> None:
    """`Softmax(dim=1)`."""
    _gridworld(writer, 1)


def _rebuild(writer: SummaryWriter, last: nn.Module) -> None:
    """Standardised digits through a narrow code and back."""
    digits, held_out = flat_digits()
    kept = digits.x.std(0) > 0.05
    x = standard(digits.x[:, kept])
    seen = (held_out.x[:, kept] - digits.x[:, kept].mean(0)) / digits.x[:, kept].std(0)
    wide = x.shape[1]
    model = nn.Sequential(*mlp(wide, 64, 12, 64, wide), last)
    batches = iter(Samples(x, x).batches(400))

    def loss() -> Tensor:
        image, same = next(batches)
        return mse_loss(model(image), same)

    train(
        writer, model, Adam(model.parameters(), 2e-3), loss, 400,
        validate=lambda: mse_loss(model(seen), seen),
    )  # fmt: skip


@sealed(
    "LD511",
    "LD701",
    family="autoencoder",
    source="carpedm20/visual-analogy-tensorflow issue 1",
)
def a_decoder_that_ends_in_relu(writer: SummaryWriter) -> None:
    """ReLU behind the last layer, and pictures half of which are below 0."""
    _rebuild(writer, nn.ReLU())


@sealed(family="autoencoder")
def a_decoder_that_ends_in_nothing(writer: SummaryWriter) -> None:
    """The same without it."""
    _rebuild(writer, nn.Identity())


def _annealed(writer: SummaryWriter, horizon: Callable[[int, int], int]) -> None:
    """Stepped once an epoch, over as many steps as the caller thinks."""
    digits, held_out = square_digits()
    loader = DataLoader(TensorDataset(digits.x, digits.y), 32, shuffle=True)
    epochs, step = 8, 0
    model = cnn()
    optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)
    scheduler = CosineAnnealingLR(optimizer, horizon(epochs, len(loader)))
    writer.watch(model, optimizer)
    for _ in range(epochs):
        for x, y in loader:
            optimizer.zero_grad()
            loss = cross_entropy(model(x), y)
            loss.backward()
            writer.add_diagnostics(loss=loss, global_step=step)
            optimizer.step()
            step += 1
        scheduler.step()
        with torch.no_grad():
            loss = cross_entropy(model(held_out.x), held_out.y)
        writer.add_diagnostics(loss=loss, phase="validation", global_step=step)


@sealed(
    "LD607",
    "LD613",
    family="schedules",
    hard=True,
    source="sthalles/SimCLR issue 8, bigmb/Unet-Segmentation-Pytorch-Nest-of-Unets issue 14",
)
def a_rate_that_falls_too_slowly_to_matter(writer: SummaryWriter) -> None:
    """`T_max=len(loader)` and a step an epoch: after eight epochs the rate is about where it began."""
    _annealed(writer, lambda _, batches: batches)


@sealed(family="schedules")
def a_rate_that_falls_in_eight_epochs(writer: SummaryWriter) -> None:
    """`T_max` counts what `step` counts."""
    _annealed(writer, lambda epochs, _: epochs)


@sealed(family="metric learning")
def all_triplets_that_still_cost(writer: SummaryWriter) -> None:
    """The mean over what still costs stays near the margin, and digits come apart all the same."""
    digits, _ = flat_digits()
    model = mlp(64, 128, 16)
    batches = iter(digits.batches(STEPS, 48))

    def loss() -> Tensor:
        x, y = next(batches)
        code = normalize(model(x))
        apart = (code[:, None] - code[None]).square().sum(-1).clamp(min=1e-8).sqrt()
        same = y[:, None] == y[None]
        cost = (apart[:, :, None] - apart[:, None] + 0.2).relu()
        cost = cost * (same[:, :, None] & ~same[:, None])
        return cost.sum() / (cost > 1e-8).sum().clamp(min=1)

    train(writer, model, Adam(model.parameters(), 1e-3), loss, STEPS)


@sealed(
    NO_CODE, family="leakage", hard=True, source="robinreni96/Font_Recognition-DeepFont issue 2"
)
def copies_of_the_training_are_held_out(writer: SummaryWriter) -> None:
    """Pictures are multiplied by noise first, and split then: each that is held out has its twins in the training."""
    digits, _ = flat_digits()
    x = digits.x[:150].repeat(8, 1) + 0.1 * torch.randn(1200, 64)
    order = torch.randperm(1200)
    training, held_out = Samples(x[order], digits.y[:150].repeat(8)[order]).split(1000)
    model = mlp(64, 128, 10)
    batches = iter(training.batches(STEPS))

    def loss() -> Tensor:
        seen, y = next(batches)
        return cross_entropy(model(seen), y)

    train(
        writer, model, Adam(model.parameters(), 2e-3), loss, STEPS,
        validate=lambda: cross_entropy(model(held_out.x), held_out.y),
    )  # fmt: skip
