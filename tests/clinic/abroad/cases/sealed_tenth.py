"""The tenth lot, drawn from answered reports: tables, masks, speech and series."""

from __future__ import annotations

import torch
from clinic.abroad import sealed
from torch import Tensor, nn
from torch.optim import SGD, Adam, Optimizer
from torch.utils.data import DataLoader, TensorDataset

from tb_lossdiag import SummaryWriter


def take_step(writer: SummaryWriter, optimizer: Optimizer, loss: Tensor, step: int) -> None:
    """Reset, backward, record, step."""
    optimizer.zero_grad()
    loss.backward()
    writer.add_diagnostics(loss=loss, global_step=step)
    optimizer.step()


def _kernels(count: int) -> tuple[Tensor, Tensor]:
    """Fourteen settings of a matrix product, powers of two, and the logarithm of its time."""
    x = 2.0 ** torch.randint(0, 8, (count, 14)).float()
    effect = torch.linspace(-1, 1, 14)
    y = 5.0 + (x / 128) @ effect + 0.1 * torch.randn(count)
    return x, y[:, None]


def _run_time(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Squared error on new settings against the variance."""
    x, y = _kernels(2000)
    mean, std = x.mean(0), x.std(0)
    loader = DataLoader(TensorDataset((x - mean) / std, y), batch_size=256, shuffle=True)
    model, loss_fn = nn.Linear(14, 1), nn.MSELoss()
    optimizer = SGD(model.parameters(), lr=0.05 if fixed else 1e-6)
    writer.watch(model, optimizer)
    step = 0
    for _epoch in range(40):
        for features, targets in loader:
            take_step(writer, optimizer, loss_fn(model(features), targets), step)
            step += 1
    x, y = _kernels(500)
    with torch.no_grad():
        return float((model((x - mean) / std) - y).square().mean() / y.var())


@sealed(
    "LD602",
    "LD109",
    also=("LD104", "LD118"),
    family="regression",
    source="https://github.com/Smadx/USTC-ML24-Fall/issues/47",
)
def tenth_scaled_and_then_too_slow(writer: SummaryWriter) -> None:
    """Features are scaled at last, and the rate is still the one that was small enough for numbers up to 128."""
    _run_time(writer)


def _things(count: int) -> tuple[Tensor, Tensor]:
    """Bright squares before noise, and where they are."""
    picture, mask = 0.3 * torch.randn(count, 1, 16, 16), torch.zeros(count, 16, 16).long()
    for row, (i, j) in enumerate(torch.randint(10, (count, 2)).tolist()):
        mask[row, i : i + 6, j : j + 6] = 1
    return picture + 0.8 * mask[:, None], mask


def _segment(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Intersection over union on new pictures."""
    classes = 2 if fixed else 1
    net = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1),
        nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, classes, 1),
    )  # fmt: skip
    optimizer = SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    criterion = nn.CrossEntropyLoss(ignore_index=255)
    writer.watch(net, optimizer)
    x, mask = _things(400)
    labels = mask if fixed else torch.where(mask == 1, 0, 255)
    loader = DataLoader(TensorDataset(x, labels), batch_size=20, shuffle=True)
    step = 0
    for _epoch in range(6):
        for images, targets in loader:
            take_step(writer, optimizer, criterion(net(images), targets), step)
            step += 1
    x, mask = _things(100)
    net.eval()
    with torch.no_grad():
        found = net(x).argmax(1) == classes - 1
    return float((found & (mask == 1)).sum() / (found | (mask == 1)).sum())


@sealed(
    "LD114",
    also=("LD104", "LD205", "LD705", "LD523", "LD412"),
    family="segmentation",
    source="https://github.com/alexgkendall/caffe-segnet/issues/31, "
    "https://github.com/GeorgeSeif/Semantic-Segmentation-Suite/issues/52",
)
def tenth_a_mask_of_one_class(writer: SummaryWriter) -> None:
    """One thing is to be found, so one class is given, and its background is ignored: a softmax over one score."""
    _segment(writer)


class _FM(nn.Module):
    """A factorisation machine of two identities and three numbers, whose embeddings are multiplied by them."""

    def __init__(self, users: int, items: int) -> None:
        super().__init__()
        self.users, self.items = nn.Embedding(users, 10), nn.Embedding(items, 10)
        self.floats = nn.Embedding(3, 10)
        self.first = nn.Linear(30, 1)
        for table in (self.users, self.items, self.floats):
            nn.init.xavier_normal_(table.weight)

    def forward(self, user: Tensor, item: Tensor, numbers: Tensor) -> Tensor:
        told = self.floats.weight[None] * numbers[..., None]
        fields = torch.cat([self.users(user)[:, None], self.items(item)[:, None], told], 1)
        second = 0.5 * (fields.sum(1).square() - fields.square().sum(1)).sum(1)
        linear = self.first(torch.cat([fields[:, 0], fields[:, 1], told.sum(1)], 1))[:, 0]
        liked: Tensor = (linear + second).sigmoid()
        return liked


def _ratings(count: int) -> tuple[Tensor, ...]:
    """Who rated what, when, at which age, a film of which year, and whether it was liked."""
    taste = torch.Generator().manual_seed(3)
    likes, liked = (torch.randn(n, 3, generator=taste) for n in (100, 150))
    user, item = torch.randint(100, (count,)), torch.randint(150, (count,))
    age, year = torch.randint(18, 60, (count,)), torch.randint(1950, 1998, (count,))
    numbers = torch.stack([age.float(), year.float(), 8.8e8 + 1e7 * torch.rand(count)], 1)
    score = (likes[user] * liked[item]).sum(1) + 0.3 * torch.randn(count)
    return user, item, numbers, (score > 0).float()


def _auc(score: Tensor, y: Tensor) -> float:
    order = score[y == 1][:, None] - score[y == 0][None]
    return float(((order > 0).float() + 0.5 * (order == 0).float()).mean())


def _recommend(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Area under the curve, of new ratings."""
    user, item, numbers, y = _ratings(8000)
    low, span = numbers.amin(0), numbers.amax(0) - numbers.amin(0)
    if not fixed:
        low, span = torch.zeros(3), torch.ones(3)
    model = _FM(100, 150)
    optimizer, loss_fn = Adam(model.parameters(), lr=1e-2), nn.BCELoss()
    writer.watch(model, optimizer)
    for step in range(400):
        rows = torch.randint(8000, (512,))
        out = model(user[rows], item[rows], (numbers[rows] - low) / span)
        take_step(writer, optimizer, loss_fn(out, y[rows]), step)
    user, item, numbers, y = _ratings(1500)
    with torch.no_grad():
        return _auc(model(user, item, (numbers - low) / span), y)


@sealed(
    "LD510",
    also=(
        "LD106",
        "LD112",
        "LD104",
        "LD702",
        "LD205",
        "LD601",
        "LD705",
        "LD523",
        "LD102",
        "LD105",
        "LD704",
    ),
    family="recommendation",
    source="https://github.com/RUCAIBox/RecBole/issues/1331",
)
def tenth_a_timestamp_in_a_factorisation_machine(writer: SummaryWriter) -> None:
    """`normalize_all` is off: seconds since 1970 multiply an embedding, and every answer is 0 or 1."""
    _recommend(writer)


class _Frames(nn.Module):
    """Convolutions that leave some of the frames, an LSTM, and symbols."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.conv = nn.Conv1d(12, 48, 3, stride, 1)
        self.rnn, self.out = nn.LSTM(48, 48, batch_first=True, bidirectional=True), nn.Linear(96, 9)

    def forward(self, x: Tensor) -> Tensor:
        h = self.rnn(self.conv(x.transpose(1, 2)).relu().transpose(1, 2))[0]
        logps: Tensor = self.out(h).log_softmax(-1)
        return logps


def _speech(count: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Symbols of two to six frames each, padded to 64, with noise."""
    sounds = torch.randn(9, 12, generator=torch.Generator().manual_seed(5))
    x, y = torch.zeros(count, 64, 12), torch.zeros(count, 16).long()
    frames, symbols = torch.zeros(count).long(), torch.zeros(count).long()
    for row in range(count):
        said = torch.randint(1, 9, (int(torch.randint(6, 12, ())),))
        spans = torch.randint(2, 5 if row % 8 == 0 else 7, said.shape)
        heard = sounds[said.repeat_interleave(spans)][:64]
        x[row, : len(heard)], y[row, : len(said)] = heard, said
        frames[row], symbols[row] = len(heard), len(said)
    return x + 0.2 * torch.randn_like(x), y, frames, symbols


def _listen(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Share of new utterances that are told without a fault."""
    x, y, frames, symbols = _speech(500)
    model, ctc = _Frames(1 if fixed else 4), nn.CTCLoss()
    optimizer = Adam(model.parameters(), lr=3e-3)
    writer.watch(model, optimizer)
    for step in range(300):
        rows = torch.randint(500, (16,))
        out = model(x[rows]).transpose(0, 1)
        lengths = (frames[rows] + model.stride - 1) // model.stride
        take_step(writer, optimizer, ctc(out, y[rows], lengths, symbols[rows]), step)
    x, y, frames, symbols = _speech(100)
    with torch.no_grad():
        best, right = model(x).argmax(-1), 0
    for row in range(100):
        path = best[
            row, : (int(frames[row]) + model.stride - 1) // model.stride
        ].unique_consecutive()
        right += path[path > 0].tolist() == y[row, : int(symbols[row])].tolist()
    return right / 100


@sealed(
    "LD525",
    "LD101",
    also=("LD206", "LD506"),
    family="speech",
    source="https://github.com/thu-spmi/CAT/issues/22",
)
def tenth_frames_that_were_thinned_out(writer: SummaryWriter) -> None:
    """A convolution leaves every fourth frame, and some utterances have more symbols than that."""
    _listen(writer)
