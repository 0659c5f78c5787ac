"""Healthy trainings, by loss."""

from __future__ import annotations

import torch
from clinic.case import case
from clinic.healthy_parts import batches_of, classify, curve, fit, mlp
from torch import Tensor, nn
from torch.nn.functional import (
    cosine_similarity,
    cross_entropy,
    gaussian_nll_loss,
    huber_loss,
    kl_div,
    log_softmax,
    mse_loss,
    normalize,
    one_hot,
    poisson_nll_loss,
    softmax,
    triplet_margin_loss,
)
from torch.optim import SGD, Adam, AdamW

from tb_lossdiag import SummaryWriter
from tb_lossdiag.demo.digits import digits


@case(family="MLP")
def label_smoothing(writer: SummaryWriter) -> None:
    model = mlp()
    classify(writer, model, Adam(model.parameters(), lr=2e-3), 600, smoothing=0.1)


@case(family="MLP")
def regression_on_large_counts(writer: SummaryWriter) -> None:
    inputs, values = curve()
    counts = torch.poisson(torch.exp(3 + values.clamp(-2, 2)))
    model = mlp(64, 6, 1)
    fit(
        writer,
        model,
        Adam(model.parameters(), lr=0.02),
        batches_of((inputs, counts), 1500),
        lambda x, y: mse_loss(model(x).squeeze(1), y),
    )


@case(family="MLP")
def squared_error_by_hand(writer: SummaryWriter) -> None:
    inputs, values = curve()
    model = mlp(64, 6, 1)
    fit(
        writer,
        model,
        Adam(model.parameters(), lr=3e-3),
        batches_of((inputs, values), 600),
        lambda x, y: ((y - model(x).squeeze(1)) ** 2).mean(),
    )


@case(family="MLP")
def likelihood_by_hand(writer: SummaryWriter) -> None:
    training, _ = digits()
    model = mlp()
    optimizer = Adam(model.parameters(), lr=2e-3)
    writer.watch(model, optimizer)
    for step, (images, labels) in enumerate(training.batches(600)):
        optimizer.zero_grad()
        chances = model(images).softmax(1).clamp(1e-7, 1 - 1e-7)
        loss = -(one_hot(labels, 10) * chances.log()).sum(1).mean()
        loss.backward()
        optimizer.step()
        writer.add_diagnostics(loss=loss, global_step=step)


@case(family="MLP")
def poisson_regression(writer: SummaryWriter) -> None:
    inputs, values = curve()
    counts = torch.poisson(torch.exp(1 + values.clamp(-2, 2)))
    model = mlp(32, 6, 1)
    fit(
        writer,
        model,
        Adam(model.parameters(), lr=3e-3),
        batches_of((inputs, counts), 600),
        lambda x, y: poisson_nll_loss(model(x).squeeze(1), y),
    )


@case(family="MLP")
def density_with_negative_loss(writer: SummaryWriter) -> None:
    inputs, values = curve()
    model = mlp(64, 6, 2)

    def loss_of(x: Tensor, y: Tensor) -> Tensor:
        mean, log_variance = model(x).unbind(1)
        return gaussian_nll_loss(mean, y, log_variance.exp(), full=True)

    data = batches_of((inputs, 0.1 * values), 1000)
    fit(writer, model, Adam(model.parameters(), lr=3e-3), data, loss_of)


@case(family="MLP")
def huber_with_outliers(writer: SummaryWriter) -> None:
    inputs, values = curve()
    values[::20] += 30 * torch.randn(50)
    model = mlp(64, 6, 1)
    fit(
        writer,
        model,
        Adam(model.parameters(), lr=3e-3),
        batches_of((inputs, values), 800),
        lambda x, y: huber_loss(model(x).squeeze(1), y),
    )


@case(family="MLP")
def quantile_regression(writer: SummaryWriter) -> None:
    model = mlp(64, 6, 1)

    def loss_of(x: Tensor, y: Tensor) -> Tensor:
        short = y - model(x).squeeze(1)
        return torch.maximum(0.9 * short, -0.1 * short).mean()

    fit(writer, model, Adam(model.parameters(), lr=3e-3), batches_of(curve(), 800), loss_of)


@case(family="MLP")
def weighted_rare_class(writer: SummaryWriter) -> None:
    inputs, values = curve(4000)
    labels = (values > values.quantile(0.95)).long()
    model = mlp(32, 6, 2)
    weight = torch.tensor([1.0, 19.0])
    fit(
        writer,
        model,
        Adam(model.parameters(), lr=2e-3),
        batches_of((inputs, labels), 800, 64),
        lambda x, y: cross_entropy(model(x), y, weight),
    )


@case(family="RNN")
def masked_loss(writer: SummaryWriter) -> None:
    inputs = torch.randn(1000, 12, 4)
    labels = (inputs.cumsum(1).sum(2) > 0).long()
    lengths = torch.randint(3, 13, (1000, 1))
    labels[torch.arange(12) >= lengths] = -100
    cells, head = nn.GRU(4, 32, batch_first=True), nn.Linear(32, 2)
    model = nn.ModuleDict({"cells": cells, "head": head})
    fit(
        writer,
        model,
        Adam(model.parameters(), lr=5e-3),
        batches_of((inputs, labels), 400),
        lambda x, y: cross_entropy(head(cells(x)[0]).flatten(0, 1), y.flatten()),
    )


@case(family="MLP")
def distillation(writer: SummaryWriter) -> None:
    training, _ = digits()
    teacher, student = mlp(128), mlp(16)
    learning = Adam(teacher.parameters(), lr=2e-3)
    for images, labels in training.batches(300):
        learning.zero_grad()
        cross_entropy(teacher(images), labels).backward()
        learning.step()
    optimizer = Adam(student.parameters(), lr=3e-3)
    writer.watch(student, optimizer)
    for step, (images, labels) in enumerate(training.batches(600)):
        optimizer.zero_grad()
        with torch.no_grad():
            wanted = softmax(teacher(images) / 2, 1)
        logits = student(images)
        soft = kl_div(log_softmax(logits / 2, 1), wanted, reduction="batchmean")
        hard = cross_entropy(logits, labels)
        loss = 4 * soft + hard
        loss.backward()
        optimizer.step()
        terms = {"soft": (soft, 4.0), "hard": hard}
        writer.add_diagnostics(loss=loss, loss_terms=terms, global_step=step)


@case(family="contrastive")
def contrastive_pairs(writer: SummaryWriter) -> None:
    training, _ = digits()
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 16))

    def loss_of(images: Tensor, _: Tensor) -> Tensor:
        one, two = (
            normalize(model(images + 0.1 * torch.randn_like(images)), dim=1) for _ in range(2)
        )
        return cross_entropy(one @ two.T / 0.2, torch.arange(len(images)))

    fit(writer, model, Adam(model.parameters(), lr=2e-3), training.batches(500), loss_of)


@case(family="contrastive")
def triplets(writer: SummaryWriter) -> None:
    training, _ = digits()
    by_class = [training.images[training.labels == k] for k in range(10)]
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 16))

    def loss_of(images: Tensor, labels: Tensor) -> Tensor:
        like, unlike = (
            torch.stack([picks[int(torch.randint(len(picks), ()))] for picks in chosen])
            for chosen in (
                [by_class[k] for k in labels.tolist()],
                [by_class[(k + 1) % 10] for k in labels.tolist()],
            )
        )
        return triplet_margin_loss(model(images), model(like), model(unlike))

    fit(writer, model, Adam(model.parameters(), lr=2e-3), training.batches(400, 32), loss_of)


@case(family="multi-task")
def two_balanced_tasks(writer: SummaryWriter) -> None:
    training, _ = digits()
    trunk = nn.Sequential(nn.Linear(64, 64), nn.ReLU())
    model = nn.ModuleDict({"trunk": trunk, "digit": nn.Linear(64, 10), "ink": nn.Linear(64, 1)})
    optimizer = Adam(model.parameters(), lr=2e-3)
    writer.watch(model, optimizer, decompose=20)
    for step, (images, labels) in enumerate(training.batches(500)):
        optimizer.zero_grad()
        features = trunk(images)
        ink = mse_loss(model["ink"](features).squeeze(1), (images.sum(1) - 19) / 4)
        digit = cross_entropy(model["digit"](features), labels)
        loss = digit + ink
        terms = {"digit": digit, "ink": ink}
        writer.add_diagnostics(loss=loss, loss_terms=terms, global_step=step)
        loss.backward()
        optimizer.step()


class Annealed(nn.Module):
    """A variational autoencoder of the digits."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 16))
        self.decoder = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 64))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        mean, spread = self.encoder(images).chunk(2, 1)
        code = mean + torch.randn_like(mean) * (spread / 2).exp()
        recon = (self.decoder(code) - images).pow(2).sum(1).mean()
        return recon, (mean.pow(2) + spread.exp() - 1 - spread).sum(1).mean() / 2


@case(family="VAE")
def annealed_divergence(writer: SummaryWriter) -> None:
    training, _ = digits()
    model = Annealed()
    optimizer = Adam(model.parameters(), lr=2e-3)
    writer.watch(model, optimizer)
    for step, (images, _labels) in enumerate(training.batches(800)):
        optimizer.zero_grad()
        weight = 0.2 * min(step / 400, 1)
        recon, kl = model(images)
        loss = recon + weight * kl
        loss.backward()
        optimizer.step()
        terms = {"recon": recon, "kl": (kl, weight)}
        writer.add_diagnostics(loss=loss, loss_terms=terms, global_step=step)


@case(family="reinforcement")
def bandit_policy_gradient(writer: SummaryWriter) -> None:
    model = mlp(32, 4, 4)
    optimizer = Adam(model.parameters(), lr=3e-3)
    writer.watch(model, optimizer)
    baseline = 0.0
    for step in range(600):
        contexts = torch.randn(64, 4)
        policy = torch.distributions.Categorical(logits=model(contexts))
        actions = policy.sample()
        rewards = (actions == contexts.argmax(1)).float() + 0.1 * torch.randn(64)
        loss = -(policy.log_prob(actions) * (rewards - baseline)).mean()
        loss = loss - 0.01 * policy.entropy().mean()
        baseline += 0.05 * (float(rewards.mean()) - baseline)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        writer.add_diagnostics(loss=loss, global_step=step)


class ActorCritic(nn.Module):
    """A policy and a value on one trunk."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(4, 64), nn.Tanh())
        self.policy, self.value = nn.Linear(64, 2), nn.Linear(64, 1)

    def forward(self, state: Tensor) -> tuple[Tensor, Tensor]:
        features = self.trunk(state)
        return self.policy(features), self.value(features).squeeze(1)


def balance(state: Tensor, action: Tensor) -> Tensor:
    """Poles that fall, pushed left or right: place, speed, angle and its speed, float32[N, 4]."""
    place, speed, angle, turn = state.unbind(1)
    push = 2.0 * action - 1
    turn = turn + 0.1 * (4 * angle.sin() - 1.5 * push)
    speed = speed + 0.1 * push
    return torch.stack((place + 0.1 * speed, speed, angle + 0.1 * turn, turn), 1)


@case(family="reinforcement")
def actor_critic_on_poles(writer: SummaryWriter) -> None:
    model = ActorCritic()
    optimizer = Adam(model.parameters(), lr=2e-3)
    writer.watch(model, optimizer)
    state = 0.1 * torch.randn(32, 4)
    for step in range(600):
        logits, value = model(state)
        policy = torch.distributions.Categorical(logits=logits)
        action = policy.sample()
        after = balance(state, action)
        fallen = (after[:, 2].abs() > 0.5) | (after[:, 0].abs() > 3)
        reward = 0.1 * (1 - fallen.float())
        with torch.no_grad():
            target = reward + 0.95 * model(after)[1] * ~fallen
        gain = (target - value).detach()
        loss = mse_loss(value, target) - (policy.log_prob(action) * gain).mean()
        loss = loss - 0.01 * policy.entropy().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        writer.add_diagnostics(loss=loss, global_step=step)
        state = torch.where(fallen[:, None], 0.1 * torch.randn(32, 4), after)


@case(family="contrastive")
def ranking_by_cosine(writer: SummaryWriter) -> None:
    training, _ = digits()
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 32))
    centres = torch.randn(10, 32)

    def loss_of(images: Tensor, labels: Tensor) -> Tensor:
        return (1 - cosine_similarity(model(images), centres[labels])).mean()

    fit(
        writer, model, SGD(model.parameters(), lr=0.1, momentum=0.9), training.batches(400), loss_of
    )


@case(family="MLP")
def down_to_nearly_nothing(writer: SummaryWriter) -> None:
    inputs = torch.randn(100, 10)
    targets = inputs @ torch.randn(10, 1)
    model = mlp(256, 10, 1)
    fit(
        writer,
        model,
        AdamW(model.parameters(), lr=2e-3),
        batches_of((inputs, targets), 2000),
        lambda x, y: mse_loss(model(x), y),
    )
