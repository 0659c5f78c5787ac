"""Data that come in blocks: shards, tasks in turn, lessons, drifts; and, beside them, what throws weights as seldom."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from clinic.case import case
from clinic.data import Batch, Batches, flat_digits, friedman
from clinic.loops import fit
from clinic.nets import mlp
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from torch.optim import SGD, Adam

from tb_lossdiag import SummaryWriter


@case(family="speech")
def one_speaker_after_the_other(writer: SummaryWriter) -> None:
    """Shards of uneven lengths, one for each of 24 speakers, some of whom are hard to understand; in another order each time."""
    told, noise = torch.randn(16, 4) / 4, 0.3 * torch.randn(24).exp()
    lengths = torch.randint(6, 25, (24,)).tolist()

    def shards() -> Batches:
        for _ in range(2):
            for speaker in torch.randperm(24).tolist():
                for _ in range(lengths[speaker]):
                    x = torch.randn(32, 16)
                    yield x, x @ told + noise[speaker] * torch.randn(32, 4)

    model = mlp(16, 64, 4)
    fit(writer, model, Adam(model.parameters(), lr=3e-3), shards(), mse_loss)


@case(family="MLP")
def five_tasks_in_turn(writer: SummaryWriter) -> None:
    """Each as hard as its number says, forty steps at a time; the last one is the hardest."""
    tasks = [mlp(20, 16, 1) for _ in range(5)]

    def turns() -> Batches:
        for turn in range(15):
            number = turn % 5
            asked = torch.eye(5)[number].expand(32, 5)
            for _ in range(40):
                x = torch.randn(32, 20)
                yield torch.cat([x, asked], 1), 4 * (1 + number) * tasks[number](x).detach()

    model = mlp(25, 64, 1)
    fit(writer, model, Adam(model.parameters(), lr=3e-3), turns(), mse_loss)


@case(family="MLP")
def two_digits_after_two_others(writer: SummaryWriter) -> None:
    """Class-incremental: five pairs of digits, three times over."""
    training, _ = flat_digits()

    def pairs() -> Batches:
        for pair in 3 * list(range(5)):
            rows = (training.y // 2 == pair).nonzero()[:, 0]
            for _ in range(30):
                drawn = rows[torch.randint(len(rows), (32,))]
                yield training.x[drawn], training.y[drawn]

    model = mlp(64, 64, 10)
    fit(writer, model, SGD(model.parameters(), lr=0.05), pairs())


@case(family="regression")
def a_stream_that_drifts_now_and_then(writer: SummaryWriter) -> None:
    """What is asked changes at uneven distances, all at once."""
    changes = {170, 260, 410, 480, 620}

    def stream() -> Iterator[Batch]:
        told = torch.randn(8, 1)
        for step in range(700):
            told = torch.randn(8, 1) if step in changes else told
            x = torch.randn(16, 8)
            yield x, x @ told + 0.1 * torch.randn(16, 1)

    model = mlp(8, 32, 1)
    fit(writer, model, Adam(model.parameters(), lr=5e-3), stream(), mse_loss)


@case(family="RNN")
def lessons_of_uneven_lengths(writer: SummaryWriter) -> None:
    """Numbers to be added up: more of them with each lesson, which takes as long as it takes."""
    model = _Sums()

    def lessons() -> Batches:
        for length, steps in ((2, 150), (5, 120), (9, 200), (14, 130)):
            for _ in range(steps):
                x, marks = torch.rand(32, length), (torch.rand(32, length) < 0.5).float()
                yield torch.stack([x, marks], 2), (x * marks).sum(1, keepdim=True)

    fit(writer, model, Adam(model.parameters(), lr=5e-3), lessons(), mse_loss)


class _Sums(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.read, self.say = nn.GRU(2, 32, batch_first=True), nn.Linear(32, 1)

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.say(self.read(x)[0][:, -1])
        return answer


@case("LD103", family="regression", also=("LD203",))
def four_batches_throw_the_weights(writer: SummaryWriter) -> None:
    """Targets twelve times too large, and steps so long that all has to be learned again."""
    data = friedman(2000)
    bad = {150, 233, 371, 480}
    batches = ((x, 12 * y if i in bad else y) for i, (x, y) in enumerate(data.batches(600)))
    model = mlp(10, 64, 64, 1)
    fit(writer, model, SGD(model.parameters(), lr=0.02, momentum=0.9), batches, mse_loss)


@case("LD103", family="MLP", also=("LD203",))
def weights_that_are_made_anew_on_the_way(writer: SummaryWriter) -> None:
    """A callback calls `reset_parameters` at the wrong moments."""
    training, _ = flat_digits()
    model = mlp(64, 64, 10)

    def reset() -> Batches:
        for step, batch in enumerate(training.batches(700)):
            if step in {160, 330, 410, 580}:
                for module in model:
                    if isinstance(module, nn.Linear):
                        module.reset_parameters()
            yield batch

    fit(writer, model, Adam(model.parameters(), lr=2e-3), reset())
