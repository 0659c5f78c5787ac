"""What the rebuilt published programs share: their loop, their initialisations and data of their shape."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from tb_lossdiag import SummaryWriter
from tb_lossdiag.demo.digits import digits

Batch = tuple[Tensor, Tensor]

DEEP_LOCALIZE = "Wardat-ISU/DeepLocalize Benchmark/StackOverflow/"
DEEPMUFL = "ali-ghanbari/deepmufl-ase-2023 Dataset/all-bugs/"
DEEP_CHECKER = "thedeepchecker/thedeepchecker "
EXAMPLES = "pytorch/examples "


def run(
    writer: SummaryWriter,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batches: Iterable[Batch],
    criterion: Callable[[Tensor, Tensor], Tensor],
    *,
    reset: bool = True,
    scheduler: Any = None,
) -> None:
    """The loop that the programs have in common: forward, criterion, backward, step."""
    writer.watch(model, optimizer)
    for step, (inputs, targets) in enumerate(batches):
        if reset:
            optimizer.zero_grad()
        loss = criterion(model(inputs), targets)
        loss.backward()
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
        writer.add_diagnostics(loss=loss, global_step=step)


def rows(inputs: Tensor, targets: Tensor, size: int, steps: int) -> Iterator[Batch]:
    """Shuffled epochs of batches, like Keras's `fit`, until `steps` are over."""
    done = 0
    while done < steps:
        for part in torch.randperm(len(inputs)).split(size)[: steps - done]:
            yield inputs[part], targets[part]
            done += 1


def uniform(model: nn.Module) -> nn.Module:
    """Keras's initializer "uniform": weights within 0.05, biases 0."""
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)
        else:
            nn.init.uniform_(parameter, -0.05, 0.05)
    return model


def he_normal(model: nn.Module) -> nn.Module:
    """Normal weights for ReLU, biases 0, as TensorFlow's layers begin."""
    for parameter in model.parameters():
        if parameter.ndim > 1:
            nn.init.kaiming_normal_(parameter)
        else:
            nn.init.zeros_(parameter)
    return model


def numbers(side: int) -> Batch:
    """The digits as one-channel pictures, enlarged, with mean 0 and deviation 1."""
    training, _ = digits()
    images = interpolate(training.images.reshape(-1, 1, 8, 8), (side, side), mode="bilinear")
    return (images - images.mean()) / images.std(), training.labels


def photos(side: int) -> Batch:
    """Noisy coloured pictures of ten kinds, float32[N, 3, side, side] between 0 and 255."""
    training, _ = digits()
    shapes = interpolate(training.images.reshape(-1, 1, 8, 8), (side, side), mode="bilinear")
    colours = 0.5 + torch.rand(len(shapes), 3, 1, 1) / 2
    images = shapes * colours + 0.1 * torch.randn(len(shapes), 3, side, side)
    return 255 * images.clamp(0, 1), training.labels


def cars() -> Batch:
    """Nine facts about 320 cars and their miles per gallon, with the ranges of the Auto MPG data."""
    size = torch.randn(320)
    noise = torch.randn(5, 320)
    origin = torch.eye(3)[torch.multinomial(torch.tensor([0.62, 0.18, 0.2]), 320, True)]
    year = torch.randint(70, 83, (320,)).float()
    facts = [
        (5.5 + 1.7 * size).clamp(3, 8).round(),
        (195 + 105 * size + 20 * noise[0]).clamp(68, 455),
        (104 + 36 * size + 15 * noise[1]).clamp(46, 230),
        (2980 + 800 * size + 250 * noise[2]).clamp(1613, 5140),
        (15.5 - 1.6 * size + 2 * noise[3]).clamp(8, 25),
        year,
    ]
    miles = 23.5 - 6 * size + 1.2 * size.square() + 0.6 * (year - 76) + 2 * noise[4]
    return torch.cat((torch.stack(facts, 1), origin), 1), miles.clamp(9, 47)[:, None]


def scaled_cars(low: float = 0.0, high: float = 1.0) -> Batch:
    """The same, inputs with mean 0 and deviation 1, miles between `low` and `high`."""
    facts, miles = cars()
    part = (miles - miles.min()) / (miles.max() - miles.min())
    return (facts - facts.mean(0)) / facts.std(0), low + (high - low) * part


def regressor(*last: nn.Module) -> nn.Module:
    """TheDeepChecker's regression net: nine inputs, two layers of 64, one output."""
    return he_normal(
        nn.Sequential(
            nn.Linear(9, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1), *last
        )
    )


def small_net(first: nn.Module) -> nn.Module:
    """TheDeepChecker's convolutional net on pictures of 16 x 16, with this activation after the first layer."""
    return he_normal(
        nn.Sequential(
            nn.Conv2d(1, 32, 5, padding="same"),
            first,
            nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3, padding="same"),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(1024, 512),
            nn.ReLU(),
            nn.Linear(512, 10),
        )
    )


def adults(rows_: int = 4000) -> Batch:
    """Fourteen facts about grown-ups with the ranges of the census data, and whether they earn much."""
    age = 38 + 13 * torch.randn(rows_)
    schooling = 10 + 2.6 * torch.randn(rows_)
    hours = 40 + 12 * torch.randn(rows_)
    gain = torch.where(torch.rand(rows_) < 0.08, 13000 * torch.rand(rows_), torch.zeros(rows_))
    loss = torch.where(torch.rand(rows_) < 0.05, 1900 * torch.rand(rows_), torch.zeros(rows_))
    weight = 190000 + 105000 * torch.randn(rows_)
    flags = (torch.rand(rows_, 8) < 0.3).float()
    facts = torch.stack((age, weight, schooling, gain, loss, hours), 1)
    chance = 0.04 * (age - 38) + 0.35 * (schooling - 10) + 0.03 * (hours - 40) + gain / 4000
    rich = chance + 1.5 * flags[:, 0] - 1.9 + 0.7 * torch.randn(rows_) > 0
    return torch.cat((facts.clamp(min=0), flags), 1), rich.long()
