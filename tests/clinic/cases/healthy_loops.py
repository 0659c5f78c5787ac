"""Healthy trainings, by what the loop does."""

from __future__ import annotations

import copy
import itertools

import torch
from clinic.case import case
from clinic.healthy_parts import batches_of, classify, curve, fit, mlp, validation
from torch import Tensor, nn
from torch.nn.functional import (
    binary_cross_entropy_with_logits,
    cross_entropy,
    mse_loss,
)
from torch.nn.utils import clip_grad_norm_, clip_grad_value_
from torch.optim import SGD, Adam
from torch.optim.lr_scheduler import ReduceLROnPlateau

from tb_lossdiag import SummaryWriter
from tb_lossdiag.demo.digits import digits


@case(family="MLP")
def gradient_accumulation(writer: SummaryWriter) -> None:
    training, _ = digits()
    model = mlp()
    optimizer = Adam(model.parameters(), lr=2e-3)
    writer.watch(model, optimizer)
    batches = training.batches(1600, 16)
    for step in range(400):
        total = torch.zeros(())
        for images, labels in itertools.islice(batches, 4):
            loss = cross_entropy(model(images), labels) / 4
            loss.backward()
            total += loss.detach()
        optimizer.step()
        optimizer.zero_grad()
        writer.add_diagnostics(loss=total, global_step=step)


@case(family="MLP")
def bfloat16_autocast(writer: SummaryWriter) -> None:
    model = mlp()

    def loss_of(images: Tensor, labels: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return cross_entropy(model(images), labels)

    training, _ = digits()
    fit(writer, model, Adam(model.parameters(), lr=2e-3), training.batches(400), loss_of)


@case(family="MLP")
def float16_with_loss_scale(writer: SummaryWriter) -> None:
    training, _ = digits()
    model = mlp()
    optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**20, growth_interval=200)
    writer.watch(model, optimizer, scaler=scaler)
    for step, (images, labels) in enumerate(training.batches(500)):
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.float16):
            loss = cross_entropy(model(images), labels)
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        clip_grad_norm_(model.parameters(), 5.0)
        scaler.step(optimizer)
        scaler.update()
        writer.add_diagnostics(loss=loss, global_step=step)


@case(family="MLP")
def clipping_now_and_then(writer: SummaryWriter) -> None:
    model = mlp()
    optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)
    classify(
        writer,
        model,
        optimizer,
        500,
        size=16,
        between=lambda: clip_grad_norm_(model.parameters(), 2.0),
    )


@case(family="MLP")
def clipping_by_value(writer: SummaryWriter) -> None:
    model = mlp()
    optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)
    classify(writer, model, optimizer, between=lambda: clip_grad_value_(model.parameters(), 0.05))


@case(family="MLP")
def clip_of_the_writer(writer: SummaryWriter) -> None:
    model = mlp()
    optimizer = Adam(model.parameters(), lr=2e-3)
    classify(
        writer, model, optimizer, between=lambda: writer.clip_grad_norm_(model.parameters(), 1.0)
    )


@case(family="MLP")
def resumed_run(writer: SummaryWriter) -> None:
    training, _ = digits()
    batches = training.batches(500)
    model = mlp()
    optimizer = Adam(model.parameters(), lr=2e-3)

    def go_on(out: SummaryWriter, first: int, last: int) -> None:
        out.watch(model, optimizer)
        for step, (images, labels) in zip(range(first, last), batches, strict=False):
            optimizer.zero_grad()
            loss = cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()
            out.add_diagnostics(loss=loss, global_step=step)

    go_on(writer, 0, 250)
    writer.close()
    state = copy.deepcopy((model.state_dict(), optimizer.state_dict()))
    model = mlp()
    optimizer = Adam(model.parameters(), lr=2e-3)
    model.load_state_dict(state[0])
    optimizer.load_state_dict(state[1])
    with SummaryWriter(writer.log_dir) as second:
        go_on(second, 250, 500)


@case(family="MLP")
def augmentation(writer: SummaryWriter) -> None:
    training, held_out = digits()
    model = mlp(128)

    def loss_of(images: Tensor, labels: Tensor) -> Tensor:
        shifted = images.reshape(-1, 8, 8).roll(int(torch.randint(-1, 2, ())), 2).flatten(1)
        return cross_entropy(model(shifted + 0.1 * torch.randn_like(shifted)), labels)

    def validate() -> Tensor:
        return cross_entropy(model(held_out.images), held_out.labels)

    optimizer = Adam(model.parameters(), lr=2e-3)
    fit(writer, model, optimizer, training.batches(800), loss_of, validate=validate)


@case(family="MLP")
def small_validation_set(writer: SummaryWriter) -> None:
    training, held_out = digits()
    model = mlp()

    def validate() -> Tensor:
        rows = torch.randint(397, (12,))
        return cross_entropy(model(held_out.images[rows]), held_out.labels[rows])

    fit(
        writer,
        model,
        Adam(model.parameters(), lr=1e-3, weight_decay=1e-3),
        training.batches(500),
        lambda x, y: cross_entropy(model(x), y),
        validate=validate,
    )


@case(family="MLP")
def averaged_copy(writer: SummaryWriter) -> None:
    training, held_out = digits()
    model = mlp()
    average = torch.optim.swa_utils.AveragedModel(
        model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.99)
    )
    optimizer = Adam(model.parameters(), lr=2e-3)
    writer.watch(model, optimizer)
    for step, (images, labels) in enumerate(training.batches(500)):
        optimizer.zero_grad()
        loss = cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        average.update_parameters(model)
        writer.add_diagnostics(loss=loss, global_step=step)
        if step % 25 == 24:
            validation(
                writer,
                average,
                lambda: cross_entropy(average(held_out.images), held_out.labels),
                step,
            )


@case(family="MLP")
def rate_reduced_on_a_plateau(writer: SummaryWriter) -> None:
    model = mlp(64, 6, 1)
    optimizer = SGD(model.parameters(), lr=0.05, momentum=0.9)
    scheduler = ReduceLROnPlateau(optimizer, patience=3)
    writer.watch(model, optimizer)
    data = curve()
    for step, (inputs, targets) in enumerate(batches_of(data, 1000)):
        optimizer.zero_grad()
        loss = mse_loss(model(inputs).squeeze(1), targets)
        loss.backward()
        optimizer.step()
        writer.add_diagnostics(loss=loss, global_step=step)
        if step % 50 == 49:
            with torch.no_grad():
                scheduler.step(float(mse_loss(model(data[0]).squeeze(1), data[1])))


@case(family="MLP")
def unfrozen_later(writer: SummaryWriter) -> None:
    model = mlp(128)
    optimizer = Adam(model.parameters(), lr=2e-3)
    model[0].requires_grad_(requires_grad=False)
    training, _ = digits()
    writer.watch(model, optimizer)
    for step, (images, labels) in enumerate(training.batches(600)):
        model[0].requires_grad_(requires_grad=step >= 200)
        optimizer.zero_grad()
        loss = cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        writer.add_diagnostics(loss=loss, global_step=step)


@case(family="MLP")
def recorded_every_tenth_step(writer: SummaryWriter) -> None:
    model = mlp()
    optimizer = Adam(model.parameters(), lr=2e-3)
    training, _ = digits()
    writer.watch(model, optimizer)
    for step, (images, labels) in enumerate(training.batches(1000)):
        optimizer.zero_grad()
        loss = cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        if step % 10 == 0:
            writer.add_diagnostics(loss=loss, global_step=step)


@case(family="GAN")
def adversarial_pair(writer: SummaryWriter) -> None:
    maker = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 2))
    critic = nn.Sequential(nn.Linear(2, 32), nn.LeakyReLU(0.2), nn.Linear(32, 1))
    making = Adam(maker.parameters(), lr=1e-3, betas=(0.5, 0.999))
    judging = Adam(critic.parameters(), lr=1e-3, betas=(0.5, 0.999))
    writer.watch(maker, making, name="maker")
    writer.watch(critic, judging, name="critic")
    yes, no = torch.ones(64, 1), torch.zeros(64, 1)
    for step in range(800):
        real = 0.5 * torch.randn(64, 2) + torch.tensor([1.0, -1.0])
        fake = maker(torch.randn(64, 4))
        judging.zero_grad()
        judge = binary_cross_entropy_with_logits(critic(real), yes)
        judge = judge + binary_cross_entropy_with_logits(critic(fake.detach()), no)
        judge.backward()
        judging.step()
        making.zero_grad()
        fool = binary_cross_entropy_with_logits(critic(fake), yes)
        fool.backward()
        making.step()
        terms = {"judge": judge, "fool": fool}
        writer.add_diagnostics(loss=judge + fool, loss_terms=terms, global_step=step)
