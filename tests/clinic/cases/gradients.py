"""Faults of the gradient's way through the model."""

from __future__ import annotations

from itertools import islice

import torch
from clinic.case import case
from clinic.data import Batches, Samples, digit_rows, flat_digits, square_digits, waves
from clinic.loops import fit
from clinic.nets import Recurrent, Transformer, cnn, mlp
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss
from torch.optim import SGD, Adam

from tb_lossdiag import SummaryWriter


@case("LD201", family="MLP")
def ten_sigmoid_layers(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = mlp(64, *[32] * 9, 10, activation=nn.Sigmoid)
    fit(writer, model, SGD(model.parameters(), lr=0.1), training.batches(400))


@case("LD201", family="CNN")
def eight_sigmoid_convolutions(writer: SummaryWriter) -> None:
    training, _ = square_digits()
    first = [nn.Conv2d(1, 16, 3, padding=1), nn.Sigmoid()]
    hidden = [m for _ in range(7) for m in (nn.Conv2d(16, 16, 3, padding=1), nn.Sigmoid())]
    model = nn.Sequential(*first, *hidden, nn.Flatten(), nn.Linear(1024, 10))
    fit(writer, model, SGD(model.parameters(), lr=0.01), training.batches(200))


@case("LD202", family="RNN", also=("LD601",))
def recurrence_is_chaotic(writer: SummaryWriter) -> None:
    data = waves(60)
    model = Recurrent(nn.RNN, 1, 1, each=True)
    nn.init.normal_(model.rnn.all_weights[0][1], std=3 / 32**0.5)
    fit(writer, model, Adam(model.parameters(), lr=1e-3), data.batches(200, 32), mse_loss)


def _heavy_tailed(logits: Tensor, y: Tensor) -> Tensor:
    """Weighted by samples of a distribution without a mean, as importance weights and returns can be."""
    tail = torch.distributions.Pareto(1.0, 1.0)
    each = cross_entropy(logits, y, reduction="none")
    return (torch.as_tensor(tail.sample(y.shape)) * each).mean()


@case("LD203", "LD103", family="MLP")
def importance_weights_with_a_heavy_tail(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = mlp(64, 64, 10)
    fit(writer, model, Adam(model.parameters(), lr=1e-3), training.batches(500), _heavy_tailed)


@case("LD203", "LD103", family="transformer")
def returns_with_a_heavy_tail(writer: SummaryWriter) -> None:
    training, _ = digit_rows()
    model = Transformer(layers=1)
    fit(writer, model, Adam(model.parameters(), lr=1e-3), training.batches(500), _heavy_tailed)


@case(
    "LD203",
    family="RNN",
    source="Zeng et al. 2022, GLM-130B, on spikes that begin in the embedding",
)
def rare_words_weigh_a_hundredfold(writer: SummaryWriter) -> None:
    embedding = nn.Embedding(60, 16)
    model = nn.Sequential(embedding, nn.Flatten(), mlp(128, 32, 4))
    embedding.weight.register_hook(lambda g: g * 200 if torch.rand(()) < 0.02 else g)
    optimizer = Adam(model.parameters(), lr=1e-3)
    writer.watch(model, optimizer)
    for step in range(500):
        words = torch.randint(60, (64, 8))
        optimizer.zero_grad()
        loss = cross_entropy(model(words), words[:, 0] % 4)
        loss.backward()
        optimizer.step()
        writer.add_diagnostics(loss=loss, global_step=step)


class _Unused(nn.Module):
    """Two branches, of which `forward` forgets one."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = mlp(64, 32, 32), mlp(64, 32, 32)
        self.head = nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.head(self.left(x).relu() + self.left(x).relu())
        return answer


@case("LD204", family="MLP")
def a_branch_is_never_called(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = _Unused()
    fit(writer, model, Adam(model.parameters(), lr=1e-3), training.batches(300))


def _smooth(inputs: int, hidden: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.Linear(inputs, hidden), nn.SiLU(), nn.Linear(hidden, outputs))


class _Messages(nn.Module):
    """Points that move each other, layer by layer; what is asked is told by their states alone."""

    def __init__(self, *, moved: bool) -> None:
        super().__init__()
        self.moved = moved
        self.enter, self.leave = nn.Linear(1, 24), nn.Linear(24, 10)
        self.layers = nn.ModuleList(
            nn.ModuleDict({"states": _smooth(25, 24, 24), "moves": _smooth(24, 8, 1)})
            for _ in range(3)
        )

    def forward(self, x: Tensor) -> Tensor:
        points = x[:, :32, None]
        states = self.enter(x[:, 32:, None])
        for layer in self.layers:
            assert isinstance(layer, nn.ModuleDict)
            length = points - points.mean(1, keepdim=True)
            states = states + layer["states"](torch.cat([states, length**2], 2))
            pushed = points + layer["moves"](states) * length
            points = pushed if self.moved else pushed.detach()
        answer: Tensor = self.leave(states.mean(1))
        return answer


@case(family="MLP", source="vgsatorras/egnn models/egnn_clean/egnn_clean.py, as published")
def points_that_move_once_more(writer: SummaryWriter) -> None:
    """The last layer moves them for nobody."""
    training, _ = flat_digits()
    model = _Messages(moved=True)
    fit(writer, model, Adam(model.parameters(), lr=1e-3), training.batches(200))


@case("LD204", family="MLP")
def points_whose_moves_are_cut_off(writer: SummaryWriter) -> None:
    """No layer learns how to move them: each hands on what has no past."""
    training, _ = flat_digits()
    model = _Messages(moved=False)
    fit(writer, model, Adam(model.parameters(), lr=1e-3), training.batches(200))


class _Detached(nn.Module):
    """An encoder whose features are taken to numpy and back."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.head = cnn(outputs=32), nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        features = torch.from_numpy(self.encoder(x).detach().numpy())
        answer: Tensor = self.head(features.relu())
        return answer


@case("LD204", family="CNN")
def features_go_through_numpy(writer: SummaryWriter) -> None:
    training, _ = square_digits()
    model = _Detached()
    fit(writer, model, Adam(model.parameters(), lr=1e-3), training.batches(300))


class _Embedded(Transformer):
    """Its input is embedded where no gradient is kept, as for a cache."""

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            tokens = self.embed(x)
        answer: Tensor = self.head(self.blocks(tokens + self.place).mean(1))
        return answer


@case("LD204", family="transformer")
def embedding_under_no_grad(writer: SummaryWriter) -> None:
    training, _ = digit_rows()
    model = _Embedded()
    fit(writer, model, Adam(model.parameters(), lr=1e-3), training.batches(200))


class _Steps(nn.Module):
    """Rounds to 0 or 1: a step function, which has no slope."""

    def forward(self, x: Tensor) -> Tensor:
        return x.sigmoid().round()


@case("LD205", family="MLP")
def hidden_units_are_rounded(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = mlp(64, 64, 10, activation=_Steps)
    fit(writer, model, Adam(model.parameters(), lr=1e-3), training.batches(300))


class _Gated(nn.Module):
    """A second branch behind a gate that is a plain number and starts closed."""

    def __init__(self) -> None:
        super().__init__()
        self.main, self.side = cnn(), cnn()
        self.register_buffer("gate", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.main(x) + self.gate * self.side(x)
        return answer


@case("LD205", family="CNN")
def a_gate_that_never_opens(writer: SummaryWriter) -> None:
    training, _ = square_digits()
    model = _Gated()
    fit(writer, model, Adam(model.parameters(), lr=1e-3), training.batches(200))


class _Root(nn.Module):
    """Square root of what is positive, chosen too late: the other side's slope is NaN."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.where(x > 0, x.sqrt(), torch.zeros_like(x))


@case("LD206", family="MLP", also=("LD101",))
def root_chosen_by_where(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = mlp(64, 64, 10, activation=_Root)
    fit(writer, model, Adam(model.parameters(), lr=1e-3), training.batches(200))


@case("LD206", family="CNN", also=("LD101",))
def distance_of_a_pair_of_twins(writer: SummaryWriter) -> None:
    # Two crops of a blank image are the same, and the root of 0 has no slope.
    training, _ = square_digits()
    training.x[::100] = 0

    def apart(codes: Tensor, y: Tensor) -> Tensor:
        left, right = codes.chunk(2)
        distance = ((left - right) ** 2).sum(1).sqrt()
        same = (y[: len(left)] == y[len(left) :]).float()
        return (same * distance + (1 - same) * (2 - distance).relu()).mean()

    model = cnn(outputs=8)
    fit(writer, model, Adam(model.parameters(), lr=1e-3), training.batches(400), apart)


def _mislabelled(samples: Samples) -> Samples:
    """Seven labels in ten are drawn anew."""
    wrong = torch.rand(samples.y.shape) < 0.7
    return Samples(samples.x, torch.where(wrong, torch.randint(10, wrong.shape), samples.y))


def _in_four_parts(writer: SummaryWriter, model: nn.Module, batches: Batches, lr: float) -> None:
    """A thousand steps, each of four backward passes."""
    optimizer = SGD(model.parameters(), lr=lr)
    writer.watch(model, optimizer)
    for step in range(1000):
        optimizer.zero_grad()
        loss = torch.zeros(())
        for x, y in islice(batches, 4):
            part = cross_entropy(model(x), y) / 4
            part.backward()
            loss = loss + part.detach()
        optimizer.step()
        writer.add_diagnostics(loss=loss, global_step=step)


@case("LD207", family="MLP", hint=True, hard=True)
def labels_are_nearly_all_noise(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    noisy = _mislabelled(Samples(training.x - training.x.mean(0), training.y))
    _in_four_parts(writer, mlp(64, 128, 10), noisy.batches(4000, 4), 0.1)


@case("LD207", family="CNN", hint=True, hard=True)
def two_images_at_a_time_with_wrong_labels(writer: SummaryWriter) -> None:
    training, _ = square_digits()
    noisy = _mislabelled(training)
    _in_four_parts(writer, cnn(), noisy.batches(4000, 2), 0.05)
