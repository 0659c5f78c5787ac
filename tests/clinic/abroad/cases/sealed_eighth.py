"""The eighth lot: first programs over words, masks, pictures and peptides."""

from __future__ import annotations

from typing import Any

import torch
from clinic.abroad import patient
from clinic.abroad.corpora import SIZE, sentences
from clinic.data import square_digits
from torch import Tensor, nn, optim
from torch.nn import functional as F  # noqa: N812
from torch.utils.data import DataLoader, Dataset

from tb_lossdiag import SummaryWriter


class _FirstModel(nn.Module):
    """The word that follows, guessed from the word alone."""

    def __init__(self, config: dict[str, int], *, fixed: bool) -> None:
        super().__init__()
        width = config["d_model"]
        self.embedding = nn.Embedding(config["vocab_size"], width)
        self.linear = nn.Sequential(
            nn.Linear(width, width), nn.ReLU(), nn.Linear(width, config["vocab_size"])
        )
        self.fixed = fixed

    def forward(self, idx: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        a = self.linear(self.embedding(idx))
        logits = a if self.fixed else F.softmax(a, dim=-1)
        return logits, F.cross_entropy(logits.view(-1, SIZE), targets.reshape(-1))


def _bigrams(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Perplexity of new text."""
    config = {"vocab_size": SIZE, "d_model": 64}
    text = sentences(400, 17)
    model = _FirstModel(config, fixed=fixed)
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    writer.watch(model, optimizer)
    for epoch in range(400):
        ix = torch.randint(400, (32,))
        xs, ys = text[ix, :-1], text[ix, 1:]
        optimizer.zero_grad()
        _, loss = model(xs, targets=ys)
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=epoch)
        optimizer.step()
    new = sentences(100, 17, seed=4)
    with torch.no_grad():
        return float(model(new[:, :-1], targets=new[:, 1:])[1].exp())


@patient(
    "LD501",
    also=("LD109", "LD104"),
    family="words",
    source="https://github.com/bkitano/llama-from-scratch/issues/5",
)
def eighth_a_softmax_in_forward(writer: SummaryWriter) -> None:
    """The first model of a tutorial returns `F.softmax(a)` and calls it logits, which `F.cross_entropy` takes the softmax of once more."""
    _bigrams(writer)


class _TextCNN(nn.Module):
    """Windows of two, three and four words."""

    def __init__(self, *, fixed: bool) -> None:
        super().__init__()
        self.embed = nn.Embedding(SIZE, 32)
        self.convs = nn.ModuleList(nn.Conv1d(32, 24, k) for k in (2, 3, 4))
        self.dropout, self.fc = nn.Dropout(0.1), nn.Linear(72, 12)
        self.last: nn.Module = nn.LogSoftmax(1) if fixed else nn.Softmax(1)

    def forward(self, x: Tensor) -> Tensor:
        e = self.embed(x).transpose(1, 2)
        pooled = torch.cat([conv(e).relu().amax(2) for conv in self.convs], 1)
        scored: Tensor = self.last(self.fc(self.dropout(pooled)))
        return scored


def _topics(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Texts of twelve kinds, which differ in how far each word's number was moved."""
    rows, kind = sentences(count, 12, seed=seed), torch.arange(count) % 12
    return 4 + (rows + 3 * kind[:, None]) % 44, kind


def _sort_texts(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Accuracy on new texts."""
    x, y = _topics(800, 0)
    model, criterion = _TextCNN(fixed=fixed), nn.NLLLoss()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    writer.watch(model, optimizer)
    step = 0
    for _epoch in range(9):
        model.train()
        for rows in torch.randperm(800).split(16):
            optimizer.zero_grad()
            loss = criterion(model(x[rows]), y[rows])
            loss.backward()
            writer.add_diagnostics(loss=loss, global_step=step)
            optimizer.step()
            step += 1
    x, y = _topics(200, 3)
    model.eval()
    with torch.no_grad():
        return float((model(x).argmax(1) == y).float().mean())


@patient(
    "LD503",
    also=("LD110", "LD109"),
    family="words",
    source="https://github.com/AnubhavGupta3377/Text-Classification-Models-Pytorch/issues/9",
)
def eighth_likelihoods_without_their_logarithm(writer: SummaryWriter) -> None:
    """The model ends in `nn.Softmax` and is trained with `nn.NLLLoss`, which wants logarithms: the loss goes from -0.08 towards -1."""
    _sort_texts(writer)


def _to_tensor(png: Tensor) -> Tensor:
    """What a loader's transform does with bytes."""
    return png.float() / 255


class _Craters(Dataset[tuple[Tensor, Tensor]]):
    """Pictures of a planet with three kinds of ground, as bytes, and their masks."""

    def __init__(self, count: int, *, fixed: bool) -> None:
        grid = torch.stack(torch.meshgrid(torch.arange(16.0), torch.arange(16.0), indexing="ij"))
        self.masks = torch.zeros(count, 1, 16, 16, dtype=torch.uint8)
        for kind in (1, 2):
            centre = 3 + 10 * torch.rand(count, 2, 1, 1)
            inside = (grid - centre).norm(dim=1) < 3 + kind
            self.masks[:, 0][inside] = kind
        shade = torch.tensor([60.0, 120.0, 180.0])[self.masks.long()]
        self.images = (shade + 25 * torch.randn(shade.shape)).clamp(0, 255).to(torch.uint8)
        self.fixed = fixed

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> tuple[Tensor, Tensor]:
        mask = self.masks[i] if self.fixed else _to_tensor(self.masks[i])
        return _to_tensor(self.images[i]), mask[0].long()


def _map_ground(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Mean share of the three kinds of ground that is found."""
    loader = DataLoader(_Craters(320, fixed=fixed), batch_size=16, shuffle=True)
    net = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(),
        nn.Conv2d(16, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 3, 1),
    )  # fmt: skip
    optimizer, criterion = optim.AdamW(net.parameters(), lr=2e-3), nn.CrossEntropyLoss()
    writer.watch(net, optimizer)
    step = 0
    for _epoch in range(10):
        for image, mask in loader:
            loss = criterion(net(image), mask)
            optimizer.zero_grad()
            loss.backward()
            writer.add_diagnostics(loss=loss, global_step=step)
            optimizer.step()
            step += 1
    new = _Craters(100, fixed=True)
    net.eval()
    with torch.no_grad():
        found = net(_to_tensor(new.images)).argmax(1)
    truth = new.masks[:, 0]
    return float(torch.stack([(found == k)[truth == k].float().mean() for k in range(3)]).mean())


@patient(
    "LD506",
    also=("LD509", "LD523", "LD539", "LD114", "LD205", "LD712"),
    family="segmentation",
    source="https://github.com/kerner-lab/Mars-Bench/issues/56",
)
def eighth_masks_read_as_pictures(writer: SummaryWriter) -> None:
    """Masks go through `ToTensor` like the pictures: class 2 becomes 2/255 and, made an integer, 0; all is background."""
    _map_ground(writer)


class _InMemory(Dataset[tuple[Tensor, Tensor]]):
    """Pictures that are kept in memory and normalised when they are asked for."""

    def __init__(self, x: Tensor, y: Tensor, *, fixed: bool) -> None:
        self.x, self.y, self.fixed = x.clone(), y, fixed

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, i: int) -> tuple[Tensor, Tensor]:
        picture = self.x[i].clone() if self.fixed else self.x[i]
        return picture.sub_(0.3).div_(0.38), self.y[i]


def _in_memory(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Accuracy on held-out digits."""
    data, held_out = square_digits()
    train = DataLoader(_InMemory(data.x, data.y, fixed=fixed), batch_size=32, shuffle=True)
    net = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(256, 64), nn.ReLU(), nn.Linear(64, 10),
    )  # fmt: skip
    opt = optim.SGD(net.parameters(), lr=0.05, momentum=0.5)
    writer.watch(net, opt)
    step = 0
    for _epoch in range(8):
        for x, y in train:
            opt.zero_grad()
            loss = F.cross_entropy(net(x), y)
            loss.backward()
            writer.add_diagnostics(loss=loss, global_step=step)
            opt.step()
            step += 1
        with torch.no_grad():
            valid = F.cross_entropy(net((held_out.x - 0.3) / 0.38), held_out.y)
        writer.add_diagnostics(loss=valid, phase="validation", global_step=step)
    with torch.no_grad():
        right = net((held_out.x - 0.3) / 0.38).argmax(1) == held_out.y
    return float(right.float().mean())


@patient(
    "LD510",
    "LD626",
    also=(
        "LD102",
        "LD103",
        "LD111",
        "LD115",
        "LD202",
        "LD203",
        "LD108",
        "LD704",
        "LD701",
        "LD705",
        "LD508",
        "LD601",
    ),
    family="digits",
    source="https://github.com/pytorch/vision/issues/680",
)
def eighth_normalised_once_more_each_epoch(writer: SummaryWriter) -> None:
    """`sub_` and `div_` work on the data set's own memory: with each epoch the pictures spread 2.6 times as far."""
    _in_memory(writer)


class _Retention(nn.Module):
    """How long a peptide is held back, read by an LSTM."""

    def __init__(self, *, fixed: bool) -> None:
        super().__init__()
        self.embed, self.lstm = nn.Embedding(20, 24), nn.LSTM(24, 48, batch_first=True)
        self.dense, self.out = nn.Linear(48, 32), nn.Linear(32, 1)
        self.fixed = fixed

    def forward(self, peptide: Tensor) -> Tensor:
        _, (hidden, _) = self.lstm(self.embed(peptide))
        y: Tensor = self.out(self.dense(hidden[-1]).relu())[:, 0]
        return y if self.fixed else y.relu()


def _peptides(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Squared error on new peptides against the variance."""
    worth = torch.randn(20)
    peptide = torch.randint(20, (900, 10))
    time = (worth[peptide].sum(1) * 0.1 + 0.5).clamp(min=0.0)
    model = _Retention(fixed=fixed)
    with torch.no_grad():
        model.out.bias.fill_(-0.4)
    optimizer: Any = optim.RMSprop(model.parameters(), lr=0.005)
    writer.watch(model, optimizer)
    for step in range(300):
        rows = torch.randint(700, (32,))
        loss = F.l1_loss(model(peptide[rows]), time[rows])
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
    with torch.no_grad():
        error = F.mse_loss(model(peptide[700:]), time[700:])
    return float(error / time.var())


@patient(
    "LD511",
    "LD701",
    "LD705",
    "LD205",
    also=("LD104", "LD523", "LD114"),
    family="science",
    source="https://github.com/ProteomicsML/ProteomicsML/pull/203",
)
def eighth_a_last_activation_that_says_nought(writer: SummaryWriter) -> None:
    """ReLU behind the last layer of a regression that begins a little below nought: it says 0 to every peptide, and no gradient is left."""
    _peptides(writer)
