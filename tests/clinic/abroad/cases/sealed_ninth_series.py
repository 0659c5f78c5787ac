"""The ninth lot: two domains, triplets, sequences, survival, masks of attention."""

from __future__ import annotations

from typing import Any

import torch
from clinic.abroad import sealed
from clinic.abroad.cases.sealed_ninth import right, take_step
from clinic.case import NO_CODE
from clinic.data import flat_digits
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss, normalize
from torch.optim import SGD, Adam, AdamW

from tb_lossdiag import SummaryWriter


class _Reversed(torch.autograd.Function):
    """The same forwards, the opposite backwards."""

    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:  # noqa: ARG004
        return x.view_as(x)

    @staticmethod
    def backward(ctx: object, *grads: Tensor) -> Tensor:  # noqa: ARG004
        return grads[0].neg()


class _Dann(nn.Module):
    """Features, a classifier, a discriminator of domains."""

    def __init__(self, *, fixed: bool) -> None:
        super().__init__()
        last = (nn.Identity(), nn.Identity()) if fixed else (nn.Softmax(1), nn.Softmax(1))
        self.features = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU())
        self.classifier = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10), last[0])
        self.discriminator = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 2), last[1])


def _adapted(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Accuracy on held-out digits of the other domain."""
    data, held_out = flat_digits()
    model = _Dann(fixed=fixed)
    optimizer = SGD(model.parameters(), lr=0.01, momentum=0.9)
    writer.watch(model, optimizer)
    reverse: Any = _Reversed.apply
    domain = torch.arange(2).repeat_interleave(32)
    for step, (x, y) in enumerate(data.batches(500, 32)):
        target = 0.7 * data.x[torch.randint(len(data.y), (32,))] + 0.3
        both = model.features(torch.cat([x, target]))
        class_loss = cross_entropy(model.classifier(both[:32]), y)
        domain_loss = cross_entropy(model.discriminator(reverse(both)), domain)
        loss = class_loss + domain_loss
        optimizer.zero_grad()
        loss.backward()
        terms = {"class": class_loss, "domain": domain_loss}
        writer.add_diagnostics(loss=loss, loss_terms=terms, global_step=step)
        optimizer.step()
    both = nn.Sequential(model.features, model.classifier)
    return right(both, 0.7 * held_out.x + 0.3, held_out.y)


@sealed(
    "LD501",
    also=("LD104", "LD109"),
    family="domains",
    source="https://github.com/NaJaeMin92/pytorch-DANN/issues/7",
)
def ninth_two_domains_and_two_softmaxes(writer: SummaryWriter) -> None:
    """DANN: classifier and discriminator end in `nn.Softmax`, both losses are `CrossEntropyLoss`."""
    _adapted(writer)


def _triplets(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """The loss over the last fifty steps, of which the margin is 0.5."""
    data, _ = flat_digits()
    model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU())
    model.append(nn.Linear(128, 32))
    optimizer = SGD(model.parameters(), lr=0.5, momentum=0.9, weight_decay=1e-4)
    writer.watch(model, optimizer)
    last = []
    for step, (x, _) in enumerate(data.batches(400, 64)):
        views = [x.roll(shift, 1) + 0.2 * torch.randn_like(x) for shift in (0, 1)]
        q, k = (normalize(model(view), dim=1) for view in views)
        far = torch.cdist(q, k)
        own = far.diagonal()
        others = far + 10 * torch.eye(64)
        hardest = others.median(1).values if fixed else others.min(1).values
        loss = (own - hardest + 0.5).relu().mean()
        take_step(writer, optimizer, loss, step)
        last.append(float(loss))
    return sum(last[-50:]) / 50


@sealed(
    "LD519",
    also=("LD104", "LD539", "LD707"),
    family="contrastive",
    source="https://github.com/wanggrun/triplet/issues/1",
)
def ninth_the_hardest_of_all_negatives(writer: SummaryWriter) -> None:
    """InfoNCE was replaced by a triplet loss with the hardest negative: the loss converges to the margin, all embeddings are one."""
    _triplets(writer)


class _Adder(nn.Module):
    """An LSTM over sequences of numbers and marks."""

    def __init__(self, *, fixed: bool) -> None:
        super().__init__()
        self.lstm, self.lin = nn.LSTM(2, 64, batch_first=fixed), nn.Linear(64, 1)

    def forward(self, x: Tensor) -> Tensor:
        total: Tensor = self.lin(self.lstm(x)[0][:, -1])
        return total


def _sums(count: int, length: int = 10) -> tuple[Tensor, Tensor]:
    """[count, length, 2], and the sum of the two numbers that are marked."""
    numbers = torch.rand(count, length)
    marks = torch.zeros(count, length)
    marks.scatter_(1, torch.rand(count, length).topk(2).indices, 1.0)
    return torch.stack([numbers, marks], 2), (numbers * marks).sum(1, keepdim=True)


def _adding(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Squared error on new sequences; always to say 1 has 0.167."""
    model = _Adder(fixed=fixed)
    optimizer = Adam(model.parameters(), lr=5e-3)
    writer.watch(model, optimizer)
    for step in range(500):
        x, y = _sums(50)
        take_step(writer, optimizer, mse_loss(model(x), y), step)
    x, y = _sums(50)
    with torch.no_grad():
        return float(mse_loss(model(x), y))


@sealed(
    "LD718",
    also=("LD104",),
    family="series",
    source="https://github.com/StefOe/indrnn-pytorch/issues/3",
)
def ninth_time_where_the_batch_should_be(writer: SummaryWriter) -> None:
    """The adding problem: the batch comes as [batch, time, 2], and the LSTM, without `batch_first`, reads across it."""
    _adding(writer)


class _Dialogue(nn.Module):
    """States of a dialogue, and whether an utterance is surprised."""

    def __init__(self) -> None:
        super().__init__()
        self.gru, self.smax_fc = nn.GRU(12, 32, batch_first=True), nn.Linear(32, 2)

    def forward(self, x: Tensor) -> Tensor:
        logps: Tensor = self.smax_fc(self.gru(x)[0]).log_softmax(2)
        return logps


def _talks(count: int) -> tuple[Tensor, Tensor]:
    """Dialogues of eight utterances; one of twenty is surprised, which shows faintly."""
    surprised = (torch.rand(count, 8) < 0.05).long()
    x = torch.randn(count, 8, 12)
    x[..., :3] += 1.0 * surprised[..., None]
    return x, surprised


def _emotions(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Share of surprised utterances in new dialogues that are found."""
    x, y = _talks(800)
    model = _Dialogue()
    optimizer = Adam(model.parameters(), lr=1e-3, weight_decay=1e-4)
    weight = torch.tensor([0.05, 0.95]) if fixed else None
    loss_function = nn.NLLLoss(weight)
    writer.watch(model, optimizer)
    for step, rows in enumerate(torch.randint(800, (300, 32))):
        loss = loss_function(model(x[rows]).flatten(0, 1), y[rows].flatten())
        take_step(writer, optimizer, loss, step)
    x, y = _talks(400)
    with torch.no_grad():
        found = model(x).argmax(2)
    return float(found[y == 1].float().mean())


@sealed(
    "LD509",
    also=("LD104",),
    family="dialogues",
    source="https://github.com/amanshenoy/multilogue-net/issues/8",
)
def ninth_an_emotion_that_is_never_named(writer: SummaryWriter) -> None:
    """One of twenty utterances is surprised, the loss is not weighted: the model says no to each, and is right 95 times of a hundred."""
    _emotions(writer)


def _patients(count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Ten measurements, of which two raise the risk; time until death, or until they were lost."""
    x = 2 * torch.rand(count, 10) - 1
    risk = 2 * x[:, :1] - 1.5 * x[:, 1:2]
    time = -torch.rand(count, 1).log() / (0.2 * risk.exp())
    end = 8 * torch.rand(count, 1) + 1
    return x, torch.minimum(time, end), (time < end).float()


def _cox(risk: Tensor, y: Tensor, e: Tensor, dim: int) -> Tensor:
    """Negative log partial likelihood."""
    mask = torch.ones(len(y), len(y))
    mask[(y.T - y) > 0] = 0
    log_loss = (risk.exp() * mask).sum(dim) / mask.sum(dim)
    log_loss = log_loss.log().reshape(-1, 1)
    return -((risk - log_loss) * e).sum() / e.sum()


def _survival(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Share of pairs of new patients that are ordered rightly."""
    x, y, e = _patients(500)
    model = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 1))
    optimizer = Adam(model.parameters(), lr=5e-3)
    writer.watch(model, optimizer)
    for step in range(300):
        take_step(writer, optimizer, _cox(model(x), y, e, 0 if fixed else 1), step)
    x, y, e = _patients(400)
    with torch.no_grad():
        risk = model(x)
    pairs = (y < y.T) & (e > 0)
    return float((risk > risk.T)[pairs].float().mean())


@sealed(
    NO_CODE,
    also=("LD110",),
    family="survival",
    source="https://github.com/czifan/DeepSurv.pytorch/issues/5",
)
def ninth_the_wrong_way_through_the_risks(writer: SummaryWriter) -> None:
    """Cox's partial likelihood sums the risks of those who died before, as `dim` is 1 and not 0; the loss goes below nought."""
    _survival(writer)


class _Entities(nn.Module):
    """One layer of attention over the units of a map, by hand."""

    def __init__(self, *, fixed: bool) -> None:
        super().__init__()
        self.fixed = fixed
        self.embed, self.qkv = nn.Linear(6, 32), nn.Linear(32, 96)
        self.out = nn.Sequential(nn.LayerNorm(32), nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 1))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = self.embed(x)
        q, k, v = self.qkv(x).chunk(3, 2)
        score = q @ k.transpose(1, 2) / 32**0.5
        hidden = score.masked_fill(~mask[:, None], -1e9)
        if self.fixed:
            score = hidden
        x = x + score.softmax(-1) @ v
        total = (x * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        worth: Tensor = self.out(total)
        return worth


def _maps(count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Up to twelve units, zeros after them, and how much the strongest exceeds the mean."""
    mask = torch.arange(12) < torch.randint(2, 13, (count, 1))
    x = torch.randn(count, 12, 6) * mask[..., None]
    power = x[..., 0] + x[..., 1]
    strongest = power.masked_fill(~mask, -9.0).amax(1, keepdim=True)
    return x, mask, strongest - power.sum(1, keepdim=True) / mask.sum(1, keepdim=True)


def _commander(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Squared error on new maps against the variance."""
    x, mask, y = _maps(2000)
    model = _Entities(fixed=fixed)
    optimizer = AdamW(model.parameters(), lr=2e-3)
    writer.watch(model, optimizer)
    for step, rows in enumerate(torch.randint(2000, (500, 64))):
        take_step(writer, optimizer, mse_loss(model(x[rows], mask[rows]), y[rows]), step)
    x, mask, y = _maps(500)
    with torch.no_grad():
        return float(mse_loss(model(x, mask), y) / y.var())


@sealed(NO_CODE, family="attention", source="https://github.com/opendilab/DI-engine/issues/333")
def ninth_a_mask_that_is_thrown_away(writer: SummaryWriter) -> None:
    """`score.masked_fill(…)` returns what nobody keeps: units look at the zeros that fill up the batch."""
    _commander(writer)
