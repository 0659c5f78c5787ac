"""The ninth lot, drawn from the first answers to plain questions: first loops, as their askers wrote them."""

from __future__ import annotations

import torch
from clinic.abroad import sealed
from clinic.case import NO_CODE
from clinic.data import square_digits
from torch import Tensor, nn
from torch.optim import SGD, Adam, Optimizer
from torch.utils.data import DataLoader, TensorDataset

from tb_lossdiag import SummaryWriter

Loader = DataLoader[tuple[Tensor, ...]]


def take_step(writer: SummaryWriter, optimizer: Optimizer, loss: Tensor, step: int) -> None:
    """Reset, backward, record, step."""
    optimizer.zero_grad()
    loss.backward()
    writer.add_diagnostics(loss=loss, global_step=step)
    optimizer.step()


@torch.no_grad()
def right(model: nn.Module, x: Tensor, y: Tensor) -> float:
    """Accuracy in eval mode, which is left again."""
    training = model.training
    model.eval()
    share = float((model(x).argmax(1) == y).float().mean())
    model.train(training)
    return share


def digit_loaders(batch_size: int = 32) -> tuple[Loader, Loader]:
    """Square digits, shuffled, and those held out."""
    data, held_out = square_digits()
    train = DataLoader(TensorDataset(data.x, data.y), batch_size=batch_size, shuffle=True)
    return train, DataLoader(TensorDataset(held_out.x, held_out.y), batch_size=128)


class Net(nn.Module):
    """The tutorial's convolutional classifier, for pictures of 8 x 8."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 3, padding=1), nn.Conv2d(6, 16, 3, padding=1)
        self.pool = nn.MaxPool2d(2, 2)
        self.fc1, self.fc2, self.fc3 = nn.Linear(64, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.conv1(x).relu())
        x = self.pool(self.conv2(x).relu()).flatten(1)
        logits: Tensor = self.fc3(self.fc2(self.fc1(x).relu()).relu())
        return logits


def _stuck(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Accuracy on held-out digits."""
    _, held_out = square_digits()
    train, _ = digit_loaders()
    net = Net()
    optimizer = Adam(net.parameters(), lr=0.001 if fixed else 0.1)
    criterion = nn.CrossEntropyLoss()
    writer.watch(net, optimizer)
    step = 0
    for _epoch in range(6):
        for inputs, labels in train:
            take_step(writer, optimizer, criterion(net(inputs), labels), step)
            step += 1
    return right(net, held_out.x, held_out.y)


@sealed(
    "LD601",
    "LD701",
    "LD705",
    also=("LD104", "LD539", "LD523", "LD118", "LD201", "LD205"),
    family="digits",
    source="https://discuss.pytorch.org/t/cross-entropy-loss-is-not-decreasing/43814/16",
)
def ninth_stuck_at_two_point_three(writer: SummaryWriter) -> None:
    """Adam at 0.1: after a few steps all that comes before a ReLU is negative, derivatives are nought and the loss is log 10."""
    _stuck(writer)


class _Depth(nn.Module):
    """A distance for each pixel."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1),
            nn.ReLU(), nn.Conv2d(16, 1, 3, padding=1),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        depth: Tensor = self.net(x)
        return depth


def _rooms(count: int) -> tuple[Tensor, Tensor]:
    """Pictures that get darker with distance."""
    slope, start = torch.rand(count, 1, 1), torch.rand(count, 1, 1)
    far = (start + slope * torch.linspace(0, 1, 16)[None, :, None]).expand(count, 16, 16)
    light = (1.5 - far)[:, None] * torch.tensor([1.0, 0.8, 0.6]).view(1, 3, 1, 1)
    return light + 0.05 * torch.randn(count, 3, 16, 16), far[:, None].contiguous()


def _depth(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Squared error against the variance."""
    x, y = _rooms(400)
    if not fixed:
        y[137, 0, 3:6, 4:9] = float("nan")
    loader = DataLoader(TensorDataset(x, y), batch_size=16, shuffle=True)
    model = _Depth()
    optimizer, loss_fn = Adam(model.parameters(), lr=3e-3), nn.MSELoss()
    writer.watch(model, optimizer)
    step = 0
    for _epoch in range(8):
        for rgb, depth in loader:
            take_step(writer, optimizer, loss_fn(model(rgb), depth), step)
            step += 1
    x, y = _rooms(100)
    with torch.no_grad():
        return float((model(x) - y).square().mean() / y.var())


@sealed(
    "LD506",
    "LD101",
    "LD206",
    family="depth",
    source="https://github.com/prs-eth/Marigold/issues/111",
)
def ninth_a_depth_that_is_no_number(writer: SummaryWriter) -> None:
    """One picture of four hundred has pixels of no known depth, which are NaN in its file: the loss is NaN as soon as it comes."""
    _depth(writer)


class _Boxes(nn.Module):
    """Where the digit is, and which."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU(),
            nn.Flatten(), nn.Linear(512, 64), nn.ReLU(),
        )  # fmt: skip
        self.loc, self.conf = nn.Linear(64, 2), nn.Linear(64, 10)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        body = self.body(x)
        return self.loc(body), self.conf(body)


def _pasted(count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Digits somewhere in a picture of 16 x 16."""
    data, _ = square_digits()
    rows, at = torch.randint(len(data.y), (count,)), 4 * torch.randint(3, (count, 2))
    x = torch.zeros(count, 1, 16, 16)
    for place, (row, (i, j)) in enumerate(zip(rows.tolist(), at.tolist(), strict=True)):
        x[place, :, i : i + 8, j : j + 8] = data.x[row]
    return x, at / 8.0, data.y[rows]


def _detect(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Accuracy on new pictures."""
    loader = DataLoader(TensorDataset(*_pasted(800)), batch_size=32, shuffle=True)
    net = _Boxes()
    optimizer = SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    writer.watch(net, optimizer)
    step = 0
    for _epoch in range(8):
        for images, boxes, classes in loader:
            loc, conf = net(images)
            optimizer.zero_grad()
            loss_l = nn.functional.smooth_l1_loss(loc, boxes)
            loss_c = nn.functional.cross_entropy(conf, classes)
            loss = loss_l + loss_c
            if fixed:
                loss.backward()
            terms = {"loc": loss_l, "conf": loss_c}
            writer.add_diagnostics(loss=loss, loss_terms=terms, global_step=step)
            optimizer.step()
            step += 1
    x, _, y = _pasted(300)
    with torch.no_grad():
        return float((net(x)[1].argmax(1) == y).float().mean())


@sealed(
    "LD605",
    "LD204",
    "LD208",
    also=("LD104",),
    family="detection",
    source="https://github.com/Goingqs/PyramidBox/issues/7",
)
def ninth_a_loop_without_backward(writer: SummaryWriter) -> None:
    """The two losses are added up, `optimizer.step()` is called, and `loss.backward()` was left out."""
    _detect(writer)


class _BPNet(nn.Sequential):
    """Seven numbers, one, a hundred, a hundred and fifty, one."""

    def __init__(self, *, fixed: bool) -> None:
        layers: list[nn.Module] = []
        for before, after in ((7, 100 if fixed else 1), (100 if fixed else 1, 100), (100, 150)):
            layers += [nn.Linear(before, after), nn.BatchNorm1d(after), nn.ReLU()]
            layers.append(nn.Identity() if fixed else nn.Dropout(0.5))
        super().__init__(*layers, nn.Linear(150, 1))


def _converging(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Share of the variance of the samples it was trained on that is explained."""
    x = torch.randn(10, 7)
    y = 3.0 + x[:, :1] - 2 * x[:, 1:2] * x[:, 2:3]
    model = _BPNet(fixed=fixed)
    optimizer, criterion = Adam(model.parameters(), lr=0.01), nn.MSELoss()
    writer.watch(model, optimizer)
    for step in range(400):
        take_step(writer, optimizer, criterion(model(x), y), step)
    model.eval()
    with torch.no_grad():
        return float(1 - (model(x) - y).square().mean() / y.var(correction=0))


@sealed(
    NO_CODE,
    also=("LD104", "LD105", "LD109", "LD523", "LD701"),
    family="regression",
    source="https://blog.51cto.com/u_87851/7627358",
)
def ninth_all_predictions_become_one(writer: SummaryWriter) -> None:
    """Seven numbers go through a first layer of one unit, half of which dropout takes: ten samples are not fitted, and predictions draw together."""
    _converging(writer)
