"""The fifth lot, what is sound: ordinary recipes for pictures and tables that look odd."""

from __future__ import annotations

import torch
from clinic.abroad import patient
from clinic.data import Samples, flat_digits, square_digits
from clinic.nets import mlp
from torch import Tensor, nn
from torch.nn.functional import (
    binary_cross_entropy_with_logits,
    cross_entropy,
    mse_loss,
    one_hot,
    pad,
    pairwise_distance,
)
from torch.optim import SGD, Adam, AdamW
from torch.optim.lr_scheduler import CyclicLR
from torch.utils.data import DataLoader, TensorDataset, WeightedRandomSampler

from tb_lossdiag import SummaryWriter


def _small_cnn() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.AdaptiveAvgPool2d(2),
        nn.Flatten(), nn.Dropout(0.2), nn.Linear(128, 10),
    )  # fmt: skip


def _evaluate(writer: SummaryWriter, model: nn.Module, held_out: Samples, step: int) -> None:
    model.eval()
    with torch.no_grad():
        logits = model(held_out.x)
        loss = cross_entropy(logits, held_out.y)
    writer.add_diagnostics(loss=loss, phase="validation", global_step=step)
    writer.add_scalar("accuracy/val", (logits.argmax(1) == held_out.y).float().mean(), step)
    model.train()


@patient(family="pictures")
def fifth_a_rate_that_goes_up_and_down(writer: SummaryWriter) -> None:
    """CyclicLR with triangles of 80 steps between 0.005 and 0.2, momentum against it, as its documentation has it."""
    data, held_out = square_digits()
    model = _small_cnn()
    optimizer = SGD(model.parameters(), lr=0.005, momentum=0.9, weight_decay=5e-4)
    scheduler = CyclicLR(optimizer, 0.005, 0.2, step_size_up=40, mode="triangular2")
    writer.watch(model, optimizer, scheduler=scheduler)
    for step, (x, y) in enumerate(data.batches(320, 64)):
        optimizer.zero_grad()
        loss = cross_entropy(model(x), y)
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
        scheduler.step()
        if step % 40 == 39:
            _evaluate(writer, model, held_out, step)


@patient(family="pictures", also=("LD107", "LD108"))
def fifth_forty_pictures_and_a_frozen_backbone(writer: SummaryWriter) -> None:
    """Feature extraction: a net pre-trained on digits 0 to 4 stays frozen and in eval; a head learns 5 to 9 from 40."""
    data, held_out = square_digits()
    seen, new, test = data.y < 5, (data.y >= 5).nonzero()[:40, 0], held_out.y >= 5
    backbone = _small_cnn()[:-1]
    pretrained = nn.Sequential(backbone, nn.Linear(128, 5))
    tuning = Adam(pretrained.parameters(), lr=2e-3)
    for x, y in Samples(data.x[seen], data.y[seen]).batches(150):
        tuning.zero_grad()
        cross_entropy(pretrained(x), y).backward()
        tuning.step()
    for parameter in backbone.parameters():
        parameter.requires_grad = False
    model = nn.Sequential(backbone, nn.Linear(128, 5))
    optimizer = AdamW(model[1].parameters(), lr=5e-3)
    writer.watch(model, optimizer)
    loader = DataLoader(TensorDataset(data.x[new], data.y[new] - 5), batch_size=8, shuffle=True)
    step = 0
    for _epoch in range(30):
        model.train()
        backbone.eval()
        for x, y in loader:
            optimizer.zero_grad()
            loss = cross_entropy(model(x), y)
            loss.backward()
            writer.add_diagnostics(loss=loss, global_step=step)
            optimizer.step()
            step += 1
        _evaluate(writer, model, Samples(held_out.x[test], held_out.y[test] - 5), step)


def _augmented(x: Tensor) -> Tensor:
    """Shifted by a pixel either way, and a square of three pixels erased."""
    shift = torch.randint(3, (2,)).tolist()
    x = pad(x, (1, 1, 1, 1))[:, :, shift[0] : shift[0] + 8, shift[1] : shift[1] + 8].clone()
    row, column = torch.randint(6, (2,)).tolist()
    x[:, :, row : row + 3, column : column + 3] = torch.rand(1)
    return x


@patient(family="pictures")
def fifth_mixed_shifted_erased_and_smoothed(writer: SummaryWriter) -> None:
    """Mixup, random crops, random erasing and label smoothing: training loss stays far above validation's."""
    data, held_out = square_digits()
    model = _small_cnn()
    optimizer = AdamW(model.parameters(), lr=3e-3, weight_decay=0.05)
    writer.watch(model, optimizer)
    mix = torch.distributions.Beta(0.8, 0.8)
    for step, (pictures, y) in enumerate(data.batches(350, 64)):
        x, targets = _augmented(pictures), one_hot(y, 10).float()
        share, other = mix.sample(), torch.randperm(len(x))
        mixed = share * x + (1 - share) * x[other]
        targets = share * targets + (1 - share) * targets[other]
        optimizer.zero_grad()
        loss = cross_entropy(model(mixed), targets, label_smoothing=0.1)
        loss.backward()
        writer.clip_grad_norm_(model.parameters(), 5.0)
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
        if step % 50 == 49:
            _evaluate(writer, model, held_out, step)


@patient(family="tables", also=("LD107", "LD108"))
def fifth_two_frauds_in_a_hundred(writer: SummaryWriter) -> None:
    """Payments, two in a hundred fraudulent; a sampler balances the batches, validation is as it comes."""
    features = torch.randn(5000, 16)
    score = features[:, :6].sum(1) + features[:, 6] * features[:, 7] + 0.7 * torch.randn(5000)
    fraud = (score > score.quantile(0.98)).float()
    data, held_out = Samples(features, fraud).split(4000)
    weights = torch.where(data.y > 0, 1 / data.y.mean(), 1 / (1 - data.y.mean()))
    sampler = WeightedRandomSampler(weights.tolist(), 4000)
    loader = DataLoader(TensorDataset(data.x, data.y), batch_size=128, sampler=sampler)
    model = nn.Sequential(
        nn.Linear(16, 32),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Linear(32, 16),
        nn.ReLU(),
        nn.Linear(16, 1),
    )
    optimizer = AdamW(model.parameters(), lr=1e-3, weight_decay=1e-2)
    writer.watch(model, optimizer)
    step = 0
    for _epoch in range(8):
        model.train()
        for x, y in loader:
            optimizer.zero_grad()
            loss = binary_cross_entropy_with_logits(model(x).squeeze(1), y)
            loss.backward()
            writer.add_diagnostics(loss=loss, global_step=step)
            optimizer.step()
            step += 1
        model.eval()
        with torch.no_grad():
            logits = model(held_out.x).squeeze(1)
            val_loss = binary_cross_entropy_with_logits(logits, held_out.y)
        writer.add_diagnostics(loss=val_loss, phase="validation", global_step=step)
        caught = (logits[held_out.y > 0] > 0).float().mean()
        writer.add_scalar("recall", caught, step)


class _ThreeHeads(nn.Module):
    """What digit, how much ink, and the picture again."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(64, 96), nn.GELU(), nn.Linear(96, 48), nn.GELU())
        self.digit, self.ink = nn.Linear(48, 10), nn.Linear(48, 1)
        self.picture = mlp(48, 96, 64)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        h = self.trunk(x)
        return self.digit(h), self.ink(h), self.picture(h)


@patient(family="tasks")
def fifth_three_tasks_on_three_scales(writer: SummaryWriter) -> None:
    """Classes, a regression on percents and a reconstruction, each with the weight that brings it near 1."""
    data, held_out = flat_digits()
    model = _ThreeHeads()
    optimizer = Adam(model.parameters(), lr=2e-3)
    writer.watch(model, optimizer)

    def losses(x: Tensor, y: Tensor) -> dict[str, tuple[Tensor, float]]:
        digit, ink, picture = model(x)
        percent = 100 * x.mean(1, keepdim=True)
        return {
            "digit": (cross_entropy(digit, y), 1.0),
            "ink": (mse_loss(ink, percent), 0.01),
            "picture": (mse_loss(picture, x), 5.0),
        }

    for step, (x, y) in enumerate(data.batches(400)):
        terms = losses(x, y)
        loss = torch.stack([value * weight for value, weight in terms.values()]).sum()
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, loss_terms=terms, global_step=step)
        optimizer.step()
        if step % 50 == 49:
            with torch.no_grad():
                held = losses(held_out.x, held_out.y)
                total = torch.stack([value * weight for value, weight in held.values()]).sum()
            writer.add_diagnostics(
                loss=total, loss_terms=held, phase="validation", global_step=step
            )


@patient(family="likenesses")
def fifth_the_hardest_of_each_batch(writer: SummaryWriter) -> None:
    """Triplets of the hardest positive and negative of a batch: the loss stays near the margin for long, and learns."""
    data = flat_digits()[0]
    encoder = mlp(64, 96, 24)
    optimizer = Adam(encoder.parameters(), lr=1e-3)
    criterion = nn.TripletMarginLoss(margin=0.5)
    writer.watch(encoder, optimizer)
    for step, (x, y) in enumerate(data.batches(400, 48)):
        embeddings = nn.functional.normalize(encoder(x), dim=1)
        with torch.no_grad():
            distances, same = torch.cdist(embeddings, embeddings), y[:, None] == y
            positive = distances.masked_fill(~same, -1).argmax(1)
            negative = distances.masked_fill(same, 9).argmin(1)
        loss = criterion(embeddings, embeddings[positive], embeddings[negative])
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
        if step % 100 == 0:
            spread = pairwise_distance(embeddings[0:24], embeddings[24:48]).mean()
            writer.add_scalar("spread", spread, step)
