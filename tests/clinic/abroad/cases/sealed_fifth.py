"""The fifth lot, rebuilt after public reports of 2023 to 2026: tables, pictures, poses, faces.

A helper's `fixed` is the report's own mending, by which the harm was checked before the lot was committed; it returns that measure.
"""

from __future__ import annotations

import torch
from clinic.abroad import patient
from clinic.case import NO_CODE
from clinic.data import Samples, friedman, square_digits
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW
from torch.utils.data import DataLoader, TensorDataset

from tb_lossdiag import SummaryWriter


def _regressor(n_features: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(n_features, 64), nn.LayerNorm(64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(),
        nn.Linear(64, 1),
    )  # fmt: skip


def _column_vector(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """R2 of a regressor whose data module adds a dimension to a y that had two already."""
    data, held_out = friedman(1500, 0.5).split(1200)
    y = data.y.reshape(-1) if fixed else data.y.reshape(-1, 1)
    labels = y.unsqueeze(dim=1)
    train_dataloader = DataLoader(TensorDataset(data.x, labels), batch_size=64, shuffle=True)
    model = _regressor(10)
    optimizer = AdamW(model.parameters(), lr=1e-3, weight_decay=1e-6)
    loss_fct = nn.MSELoss()
    writer.watch(model, optimizer)
    step = 0
    for _epoch in range(20):
        model.train()
        for features, targets in train_dataloader:
            preds = model(features)
            loss = loss_fct(preds, targets)
            optimizer.zero_grad()
            loss.backward()
            writer.add_diagnostics(loss=loss, global_step=step)
            optimizer.step()
            step += 1
        model.eval()
        with torch.no_grad():
            val_y = held_out.y if fixed else held_out.y.unsqueeze(dim=1)
            val_loss = loss_fct(model(held_out.x), val_y)
        writer.add_diagnostics(loss=val_loss, phase="validation", global_step=step)
    with torch.no_grad():
        return float(1 - ((model(held_out.x) - held_out.y) ** 2).mean() / held_out.y.var())


@patient(
    "LD504",
    family="tables",
    source="https://github.com/OpenTabular/DeepTab/issues/441, https://github.com/jsboige/CoursIA/pull/926",
)
def fifth_a_column_for_every_row(writer: SummaryWriter) -> None:
    """Labels of [B, 1, 1] against predictions of [B, 1]: each row is asked for the targets of all."""
    _column_vector(writer)


def _clipped_first(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Median error of a regressor, of whose targets one in 300 was typed in with another unit."""
    data, held_out = friedman(2500, 0.5).split(2000)
    train_y = data.y.clone()
    train_y[torch.rand(len(train_y)) < 1 / 300] *= 1000
    model = _regressor(10)
    optimizer = AdamW(model.parameters(), lr=2e-3, weight_decay=3e-4)
    gradient_clipping_norm: float | None = 1.0
    loss_fn = nn.functional.mse_loss
    writer.watch(model, optimizer)
    step = 0
    for _epoch in range(15):
        for batch_idx in torch.randperm(len(data.x)).split(64):
            model.train()
            optimizer.zero_grad()
            loss = loss_fn(model(data.x[batch_idx]), train_y[batch_idx])
            if fixed:
                loss.backward()
            if gradient_clipping_norm is not None:
                nn.utils.clip_grad_norm_(model.parameters(), gradient_clipping_norm)
            if not fixed:
                loss.backward()
            writer.add_diagnostics(loss=loss, global_step=step)
            optimizer.step()
            step += 1
    model.eval()
    with torch.no_grad():
        return float((model(held_out.x) - held_out.y).abs().median())


@patient(
    "LD309",
    family="tables",
    also=("LD508", "LD103", "LD203", "LD105"),
    source="https://github.com/yandex-research/tabm/issues/20",
)
def fifth_clipped_before_there_is_anything(writer: SummaryWriter) -> None:
    """`clip_grad_norm_` stands before `backward()`: it does nothing, and rare outliers move the whole net."""
    _clipped_first(writer)


def _in_order(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Accuracy of a net whose data set comes sorted by class, from a loader with its defaults."""
    data, held_out = square_digits()
    order = data.y.argsort(stable=True)
    dataset = TensorDataset(data.x[order], data.y[order])
    trainloader = DataLoader(dataset, batch_size=16, shuffle=fixed)
    net = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(256, 64),
        nn.ReLU(), nn.Linear(64, 10),
    )  # fmt: skip
    criterion = nn.CrossEntropyLoss()
    optimizer = SGD(net.parameters(), lr=0.01, momentum=0.9)
    writer.watch(net, optimizer)
    step = 0
    for _epoch in range(8):
        for inputs, labels in trainloader:
            optimizer.zero_grad()
            outputs = net(inputs)
            loss = criterion(outputs, labels)
            loss.backward()
            optimizer.step()
            writer.add_diagnostics(loss=loss, global_step=step)
            step += 1
        with torch.no_grad():
            test = criterion(net(held_out.x), held_out.y)
        writer.add_diagnostics(loss=test, phase="validation", global_step=step)
    with torch.no_grad():
        return float((net(held_out.x).argmax(1) == held_out.y).float().mean())


@patient(
    "LD115",
    "LD506",  # after the measure: it says that the data come sorted by class, which is the cause
    NO_CODE,
    family="pictures",
    also=("LD105", "LD103", "LD104", "LD203", "LD107", "LD108"),
    source="https://github.com/pytorch/vision/issues/7818",
)
def fifth_one_class_after_the_other(writer: SummaryWriter) -> None:
    """The data set is sorted by class and the loader does not shuffle: each class makes the one before forgotten."""
    _in_order(writer)


class _Block(nn.Module):
    """A residual block of two convolutions."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        out = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(out)) + x)


def _raw_test(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Accuracy on test pictures to which the training's normalisation was not applied."""
    data, held_out = square_digits()
    mean, std = data.x.mean(), data.x.std() / 2
    trainset = TensorDataset((data.x - mean) / std, data.y)
    test = Samples((held_out.x - mean) / std if fixed else held_out.x, held_out.y)
    resnet = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), _Block(16), nn.MaxPool2d(2),
        _Block(16), nn.Flatten(), nn.Linear(256, 10),
    )  # fmt: skip
    criterion = nn.CrossEntropyLoss()
    optimizer = Adam(resnet.parameters(), lr=5e-4)
    writer.watch(resnet, optimizer)
    step = 0
    for _epoch in range(8):
        resnet.train()
        for x, y in DataLoader(trainset, batch_size=64, shuffle=True):
            optimizer.zero_grad()
            loss = criterion(resnet(x), y)
            loss.backward()
            writer.add_diagnostics(loss=loss, global_step=step)
            optimizer.step()
            step += 1
        resnet.eval()
        with torch.no_grad():
            logits = resnet(test.x)
            test_loss = criterion(logits, test.y)
        writer.add_diagnostics(loss=test_loss, phase="validation", global_step=step)
    with torch.no_grad():
        return float((resnet(test.x).argmax(1) == test.y).float().mean())


@patient(
    "LD626",
    family="pictures",
    also=("LD107", "LD108"),
    source="https://github.com/JeasunLok/ResNet-pytorch/issues/1, https://github.com/jaehyunnn/ViTPose_pytorch/issues/17",
)
def fifth_test_pictures_as_they_came(writer: SummaryWriter) -> None:
    """Normalised in training, not in testing: training accuracy is fine and test accuracy low."""
    _raw_test(writer)
