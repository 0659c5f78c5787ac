"""Healthy trainings that look like a fault from one side: loss, gradients, layers or data."""

from __future__ import annotations

import copy

import torch
from clinic.case import case
from clinic.healthy_parts import batches_of, classify, curve, fit, mlp, pictures
from torch import Tensor, nn
from torch.nn.functional import (
    binary_cross_entropy_with_logits,
    cosine_similarity,
    cross_entropy,
    mse_loss,
    relu,
    smooth_l1_loss,
    soft_margin_loss,
)
from torch.optim import SGD, Adam, AdamW, RMSprop

from tb_lossdiag import SummaryWriter
from tb_lossdiag.demo.digits import digits


@case(family="MLP")
def data_that_get_harder(writer: SummaryWriter) -> None:
    training, _ = digits()
    model = mlp(128)
    optimizer = Adam(model.parameters(), lr=1e-3)
    writer.watch(model, optimizer)
    for step, (images, labels) in enumerate(training.batches(900)):
        optimizer.zero_grad()
        noisy = images + 0.12 * (step // 300) * torch.randn_like(images)
        loss = cross_entropy(model(noisy), labels)
        loss.backward()
        optimizer.step()
        writer.add_diagnostics(loss=loss, global_step=step)


@case(family="MLP")
def a_third_of_the_labels_is_noise(writer: SummaryWriter) -> None:
    training, _ = digits()
    wrong = torch.rand(len(training.labels)) < 0.33
    training.labels[wrong] = torch.randint(10, (int(wrong.sum()),))
    model = mlp(16)
    optimizer = Adam(model.parameters(), lr=1e-3, weight_decay=1e-4)
    fit(writer, model, optimizer, training.batches(800), lambda x, y: cross_entropy(model(x), y))


@case(family="MLP")
def weak_signal(writer: SummaryWriter) -> None:
    inputs = torch.randn(4000, 10)
    targets = 0.5 * inputs[:, 0] + torch.randn(4000)
    model = mlp(16, 10, 1)
    optimizer = Adam(model.parameters(), lr=1e-3)
    data = batches_of((inputs, targets), 1000, 128)
    fit(writer, model, optimizer, data, lambda x, y: mse_loss(model(x).squeeze(1), y))


@case(family="CNN")
def separable_convolutions(writer: SummaryWriter) -> None:
    training, _ = digits()
    split = pictures(training)

    def block(channels: int, filters: int) -> list[nn.Module]:
        depth = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        return [depth, nn.Conv2d(channels, filters, 1), nn.GroupNorm(4, filters), nn.ReLU()]

    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        *block(16, 32),
        *block(32, 32),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(128, 10),
    )
    optimizer = AdamW(model.parameters(), lr=5e-3)
    fit(writer, model, optimizer, split.batches(300), lambda x, y: cross_entropy(model(x), y))


@case(family="autoencoder")
def linear_autoencoder(writer: SummaryWriter) -> None:
    training, _ = digits()
    model = nn.Sequential(nn.Linear(64, 8), nn.Linear(8, 64))
    optimizer = Adam(model.parameters(), lr=3e-3)
    fit(writer, model, optimizer, training.batches(600), lambda x, _: mse_loss(model(x), x))


class Gated(nn.Module):
    """x + gate * f(x), where the gate starts at zero."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.change = nn.Linear(width, width)
        self.gate = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        change: Tensor = self.gate * relu(self.change(x))
        return x + change


@case(family="residual")
def gates_that_start_at_zero(writer: SummaryWriter) -> None:
    blocks = [Gated(32) for _ in range(8)]
    model = nn.Sequential(nn.Linear(64, 32), *blocks, nn.Linear(32, 10))
    classify(writer, model, Adam(model.parameters(), lr=2e-3))


class Adapter(nn.Module):
    """A frozen layer and a product of two narrow matrices beside it, the second of which starts at zero."""

    def __init__(self, frozen: nn.Linear, rank: int = 4) -> None:
        super().__init__()
        self.frozen = frozen.requires_grad_(requires_grad=False)
        self.down = nn.Linear(frozen.in_features, rank, bias=False)
        self.up = nn.Linear(rank, frozen.out_features, bias=False)
        nn.init.zeros_(self.up.weight)

    def forward(self, x: Tensor) -> Tensor:
        kept, change = self.frozen(x), self.up(self.down(x))
        together: Tensor = kept + 2 * change
        return together


@case(family="MLP")
def adapters_beside_a_frozen_network(writer: SummaryWriter) -> None:
    layers = [Adapter(layer) if isinstance(layer, nn.Linear) else layer for layer in mlp(64)]
    model = nn.Sequential(*layers)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    classify(writer, model, AdamW(trained, lr=1e-3))


class Experts(nn.Module):
    """Six nets; how bright a picture is decides which of them sees it, some far more often than others."""

    def __init__(self) -> None:
        super().__init__()
        self.experts = nn.ModuleList([mlp(32) for _ in range(6)])

    def forward(self, images: Tensor) -> Tensor:
        level = (images.sum(1) / 2 - 7).long().clamp(0, 5)
        outputs = torch.zeros(len(images), 10)
        for place, expert in enumerate(self.experts):
            mine = level == place
            if mine.any():
                outputs[mine] = expert(images[mine])
        return outputs


@case(family="mixture")
def experts_of_unequal_use(writer: SummaryWriter) -> None:
    model = Experts()
    classify(writer, model, Adam(model.parameters(), lr=2e-3), 500)


@case(family="MLP")
def kelvin_with_the_mean_in_the_bias(writer: SummaryWriter) -> None:
    inputs, values = curve()
    kelvin = 290 + 8 * values
    model = nn.Sequential(nn.Linear(6, 64), nn.Tanh(), head := nn.Linear(64, 1))
    nn.init.constant_(head.bias, float(kelvin.mean()))
    fit(
        writer,
        model,
        Adam(model.parameters(), lr=0.02),
        batches_of((inputs, kelvin), 800),
        lambda x, y: mse_loss(model(x).squeeze(1), y),
    )


@case(family="CNN")
def bytes_into_batch_normalisation(writer: SummaryWriter) -> None:
    model = nn.Sequential(nn.BatchNorm1d(64), *mlp(64))
    training, _ = digits()
    optimizer = Adam(model.parameters(), lr=2e-3)
    fit(
        writer,
        model,
        optimizer,
        training.batches(400),
        lambda x, y: cross_entropy(model((255 * x).round()), y),
    )


@case(family="MLP")
def grades_from_one_to_ten(writer: SummaryWriter) -> None:
    inputs, values = curve()
    grades = (5.5 + 1.5 * values).round().clamp(1, 10)
    model = mlp(64, 6, 1)
    fit(
        writer,
        model,
        Adam(model.parameters(), lr=5e-3),
        batches_of((inputs, grades), 800),
        lambda x, y: mse_loss(model(x).squeeze(1), y),
    )


@case(family="linear")
def margins_that_are_met(writer: SummaryWriter) -> None:
    inputs = torch.randn(500, 8)
    signs = torch.sign(inputs @ torch.randn(8) + 0.3 * torch.randn(500))
    model = nn.Linear(8, 1)
    fit(
        writer,
        model,
        SGD(model.parameters(), lr=0.1),
        batches_of((inputs, signs), 600),
        lambda x, y: soft_margin_loss(model(x).squeeze(1), y),
    )


@case(family="MLP")
def labels_between_yes_and_no(writer: SummaryWriter) -> None:
    inputs, values = curve()
    chances = torch.sigmoid(3 * values)
    model = mlp(64, 6, 1)
    fit(
        writer,
        model,
        Adam(model.parameters(), lr=3e-3),
        batches_of((inputs, chances), 800),
        lambda x, y: binary_cross_entropy_with_logits(model(x).squeeze(1), y),
    )


@case(family="multi-task")
def two_optimizers_on_one_model(writer: SummaryWriter) -> None:
    training, _ = digits()
    model = mlp(128)
    body = Adam(model[0].parameters(), lr=5e-4)
    head = SGD(model[2].parameters(), lr=0.1)
    writer.watch(model, body, name="body")
    writer.watch(model, head, name="head")
    for step, (images, labels) in enumerate(training.batches(400)):
        model.zero_grad()
        loss = cross_entropy(model(images), labels)
        loss.backward()
        body.step()
        head.step()
        writer.add_diagnostics(loss=loss, global_step=step)


@case(family="reinforcement")
def values_that_grow(writer: SummaryWriter) -> None:
    """Learns the value of a walk whose reward comes at the end: targets, and with them the loss, grow at first."""
    model = nn.Sequential(nn.Linear(21, 64), nn.ReLU(), nn.Linear(64, 1))
    target = copy.deepcopy(model).requires_grad_(requires_grad=False)
    optimizer = Adam(model.parameters(), lr=1e-3)
    writer.watch(model, optimizer)
    places = torch.eye(21)
    for step in range(1200):
        now = torch.randint(20, (64,))
        after = (now + torch.randint(-1, 3, (64,))).clamp(0, 20)
        reward = (after == 20).float()
        with torch.no_grad():
            goal = reward + 0.95 * (1 - reward) * target(places[after]).squeeze(1)
        loss = smooth_l1_loss(model(places[now]).squeeze(1), goal)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        writer.add_diagnostics(loss=loss, global_step=step)
        if step % 50 == 49:
            target.load_state_dict(model.state_dict())


@case(family="contrastive")
def student_of_its_own_average(writer: SummaryWriter) -> None:
    training, _ = digits()
    model = nn.Sequential(nn.Linear(64, 128), nn.BatchNorm1d(128), nn.ReLU(), nn.Linear(128, 32))
    guess = nn.Sequential(nn.Linear(32, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 32))
    average = copy.deepcopy(model).requires_grad_(requires_grad=False)
    both = nn.ModuleDict({"model": model, "guess": guess})
    optimizer = Adam(both.parameters(), lr=1e-3)
    writer.watch(both, optimizer)
    for step, (images, _labels) in enumerate(training.batches(500)):
        one, two = (images + 0.1 * torch.randn_like(images) for _ in range(2))
        optimizer.zero_grad()
        loss = 2 - 2 * cosine_similarity(guess(model(one)), average(two)).mean()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            for slow, fast in zip(average.parameters(), model.parameters(), strict=True):
                slow.lerp_(fast, 0.02)
        writer.add_diagnostics(loss=loss, global_step=step)


@case(family="GAN")
def earth_mover_critic(writer: SummaryWriter) -> None:
    maker, critic = mlp(32, 4, 2), mlp(32, 2, 1)
    making, judging = (RMSprop(net.parameters(), lr=5e-4) for net in (maker, critic))
    writer.watch(maker, making, name="maker")
    writer.watch(critic, judging, name="critic")
    for step in range(500):
        real = 0.5 * torch.randn(64, 2) + torch.tensor([1.0, -1.0])
        fake = maker(torch.randn(64, 4))
        judging.zero_grad()
        gap = critic(fake.detach()).mean() - critic(real).mean()
        gap.backward()
        judging.step()
        with torch.no_grad():
            for weight in critic.parameters():
                weight.clamp_(-0.2, 0.2)
        making.zero_grad()
        fool = -critic(fake).mean()
        fool.backward()
        making.step()
        terms = {"gap": gap, "fool": fool}
        writer.add_diagnostics(loss=gap + fool, loss_terms=terms, global_step=step)


@case(family="MLP")
def centred_gradients_with_noise(writer: SummaryWriter) -> None:
    model = mlp(128)

    def between() -> None:
        for weight in model.parameters():
            assert weight.grad is not None
            if weight.ndim > 1:
                weight.grad -= weight.grad.mean(1, keepdim=True)
            weight.grad += 1e-3 * torch.randn_like(weight.grad)

    classify(writer, model, SGD(model.parameters(), lr=0.1, momentum=0.9), between=between)


@case(family="CNN")
def frozen_batch_normalisation(writer: SummaryWriter) -> None:
    training, _ = digits()
    normal = nn.BatchNorm1d(64)
    model = nn.Sequential(nn.Linear(64, 64), normal, nn.ReLU(), nn.Linear(64, 10))
    for images, _labels in training.batches(50):
        model(images)
    normal.requires_grad_(requires_grad=False)
    optimizer = Adam([p for p in model.parameters() if p.requires_grad], lr=2e-3)
    model.train()
    normal.eval()
    fit(writer, model, optimizer, training.batches(400), lambda x, y: cross_entropy(model(x), y))


@case(family="RNN")
def state_carried_over_batches(writer: SummaryWriter) -> None:
    cells, head = nn.LSTM(1, 32, batch_first=True), nn.Linear(32, 1)
    model = nn.ModuleDict({"cells": cells, "head": head})
    optimizer = Adam(model.parameters(), lr=5e-3)
    writer.watch(model, optimizer)
    phases = 6.3 * torch.rand(16, 1, 1)
    state: tuple[Tensor, Tensor] | None = None
    for step in range(400):
        moments = torch.arange(20 * step, 20 * step + 21).view(1, -1, 1) / 5
        waves = torch.sin(moments + phases) + 0.05 * torch.randn(16, 21, 1)
        outputs, left = cells(waves[:, :-1], state)
        state = (left[0].detach(), left[1].detach())
        optimizer.zero_grad()
        loss = mse_loss(head(outputs), waves[:, 1:])
        loss.backward()
        optimizer.step()
        writer.add_diagnostics(loss=loss, global_step=step)
