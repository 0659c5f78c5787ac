"""A third lot, written when the first two had been opened: loaders, samplers, schedules, statistics, folds."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import torch
from clinic.abroad import patient
from clinic.abroad.loops import train
from clinic.case import NO_CODE
from clinic.data import Batch, Samples, flat_digits, friedman, rare_digits, square_digits
from clinic.nets import mlp
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss
from torch.optim import SGD, Adam
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau
from torch.utils.data import DataLoader, TensorDataset, WeightedRandomSampler

from tb_lossdiag import SummaryWriter

STEPS = 300


def _loader(data: Samples, sampler: Any = None) -> DataLoader[Any]:
    return DataLoader(TensorDataset(data.x, data.y), 64, sampler=sampler)


def _classify(
    writer: SummaryWriter,
    batch: Callable[[], Batch],
    held_out: Samples,
    weight: Tensor | None = None,
    classes: int = 10,
) -> None:
    """Fit batches, and look at what was held out, with every sample counting the same."""
    model = mlp(64, 96, classes)

    def loss() -> Tensor:
        x, y = batch()
        return cross_entropy(model(x), y, weight)

    train(
        writer, model, Adam(model.parameters(), 2e-3), loss, STEPS,
        validate=lambda: cross_entropy(model(held_out.x), held_out.y),
    )  # fmt: skip


@patient(
    "LD809",
    also=("LD107", "LD108"),
    family="loaders",
    source="https://github.com/ZhaoJ9014/face.evoLVe/pull/39, https://github.com/wandb/examples/issues/444",
)
def the_first_batch_again_and_again(writer: SummaryWriter) -> None:
    """`next(iter(loader))` at each step, of a loader that does not shuffle."""
    digits, held_out = flat_digits()
    loader = _loader(digits)
    _classify(writer, lambda: tuple(next(iter(loader))), held_out)


@patient(
    "LD809",
    also=("LD107", "LD108"),
    family="loaders",
    source="https://github.com/deep-voice/soundbay/pull/49",
)
def a_weight_for_each_class_and_not_for_each_sample(writer: SummaryWriter) -> None:
    """`WeightedRandomSampler` gets ten weights, one of a class each: it draws from the first ten samples."""
    digits, held_out = flat_digits()
    weights = 1 / torch.bincount(digits.y).float()
    batches = itertools.cycle(
        _loader(digits, WeightedRandomSampler(weights.tolist(), len(digits.y)))
    )
    _classify(writer, lambda: tuple(next(batches)), held_out)


def _blurred(data: Samples) -> Samples:
    """So noisy that zeros can be taken for others."""
    return Samples(data.x + 0.6 * torch.randn(data.x.shape), data.y)


def _balanced(writer: SummaryWriter, *, twice: bool) -> None:
    """A rare class whose samples are drawn more often; `twice` weighs it in the loss as well."""
    rare, held_out = _blurred(rare_digits(0.04)), _blurred(flat_digits()[1])
    share = 1 / torch.bincount(rare.y).float()
    sampler = WeightedRandomSampler(share[rare.y].tolist(), len(rare.y))
    batches = itertools.cycle(_loader(rare, sampler))
    seen = Samples(held_out.x, (held_out.y == 0).long())
    weight = share / share.sum() if twice else None
    _classify(writer, lambda: tuple(next(batches)), seen, weight, classes=2)


@patient("LD522", family="class weights", source="https://github.com/FGA-DIKU/BONSAI/issues/352")
def balanced_by_the_sampler_and_by_the_loss(writer: SummaryWriter) -> None:
    """Batches hold as many of both classes, and the loss counts the rare one 25 times."""
    _balanced(writer, twice=True)


@patient("LD107", family="class weights", also=("LD108",), source="https://arxiv.org/abs/1106.1813")
def balanced_by_the_sampler(writer: SummaryWriter) -> None:
    """Batches hold as many of both classes: fifty samples of the rare one are learned by heart, and fewer of it are caught from step 100 on."""
    _balanced(writer, twice=False)


@patient(
    "LD602",
    "LD109",
    "LD607",
    family="schedules",
    source="https://github.com/lhoyer/MIC/issues/60, https://github.com/pytorch/pytorch/issues/78917",
)
def a_rate_multiplied_by_itself(writer: SummaryWriter) -> None:
    """`LambdaLR` is given a function that returns the rate, where a factor is meant: 1e-3 becomes 1e-6."""
    digits, held_out = flat_digits()
    model, rate = mlp(64, 96, 10), 1e-3
    optimizer = Adam(model.parameters(), rate)
    batches = digits.batches(STEPS)

    def loss() -> Tensor:
        x, y = next(batches)
        return cross_entropy(model(x), y)

    train(
        writer, model, optimizer, loss, STEPS,
        scheduler=LambdaLR(optimizer, lambda step: rate * 0.999**step),
        validate=lambda: cross_entropy(model(held_out.x), held_out.y),
    )  # fmt: skip


@patient(
    "LD607",
    "LD602",
    "LD109",
    family="schedules",
    source="https://github.com/pytorch/pytorch/issues/30873",
)
def a_plateau_of_five_batches(writer: SummaryWriter) -> None:
    """`ReduceLROnPlateau` is stepped with each batch's own loss: some that are no record halve the rate."""
    digits, held_out = square_digits()
    model = nn.Sequential(nn.Flatten(), mlp(64, 96, 10))
    optimizer = SGD(model.parameters(), 0.02, momentum=0.9)
    scheduler = ReduceLROnPlateau(optimizer, patience=5, factor=0.5)
    batches = digits.batches(STEPS, 16)
    writer.watch(model, optimizer, scheduler=scheduler)
    for step, (x, y) in enumerate(batches):
        optimizer.zero_grad()
        loss = cross_entropy(model(x), y)
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
        scheduler.step(loss.item())
        if step % 25 == 24:
            with torch.no_grad():
                held = cross_entropy(model(held_out.x), held_out.y)
            writer.add_diagnostics(loss=held, phase="validation", global_step=step)


@patient(
    "LD727",
    "LD622",
    family="normalisation",
    source="https://github.com/eriklindernoren/PyTorch-YOLOv3/issues/230, "
    "https://github.com/kazuto1011/deeplab-pytorch/issues/79",
)
def statistics_of_the_last_batch(writer: SummaryWriter) -> None:
    """`momentum=0.999` as another library counts it: `eval()` normalises by the last four pictures."""
    digits, held_out = square_digits()
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16, momentum=0.999), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(256, 64), nn.BatchNorm1d(64, momentum=0.999),
        nn.ReLU(), nn.Linear(64, 10),
    )  # fmt: skip
    batches = digits.batches(STEPS, 4)

    def loss() -> Tensor:
        x, y = next(batches)
        return cross_entropy(model(x), y)

    train(
        writer, model, Adam(model.parameters(), 1e-3), loss, STEPS,
        validate=lambda: cross_entropy(model(held_out.x), held_out.y),
    )  # fmt: skip


@patient(
    "LD548",
    family="dropout",
    hard=True,
    source="https://github.com/deepchem/deepchem/issues/303, https://github.com/maddin79/darch/issues/12",
)
def dropout_behind_the_answer(writer: SummaryWriter) -> None:
    """The last layer of a regression is dropout: every other answer is 0, the rest is doubled."""
    seen, held_out = friedman().split(800)
    model = nn.Sequential(nn.Linear(10, 64), nn.ReLU(), nn.Linear(64, 1), nn.Dropout(0.5))
    batches = seen.batches(STEPS)

    def loss() -> Tensor:
        x, y = next(batches)
        return mse_loss(model(x), y)

    train(
        writer, model, Adam(model.parameters(), 3e-3), loss, STEPS,
        validate=lambda: mse_loss(model(held_out.x), held_out.y),
    )  # fmt: skip


@patient(
    "LD601",
    "LD202",
    "LD102",
    family="mixed precision",
    source="https://github.com/nerfstudio-project/nerfacc/issues/307, https://github.com/IAHispano/Applio/pull/860",
)
def scaled_and_never_unscaled(writer: SummaryWriter) -> None:
    """`scaler.scale(loss).backward()` is followed by `optimizer.step()`: gradients are 1,024 times too large."""
    digits, _ = flat_digits()
    model = mlp(64, 96, 10)
    optimizer = SGD(model.parameters(), 0.05)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    writer.watch(model, optimizer, scaler=scaler)
    for step, (x, y) in enumerate(digits.batches(200)):
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            loss = cross_entropy(model(x), y)
        scaler.scale(loss).backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()


@patient(
    "LD108",
    family="labels",
    source="https://github.com/uzh-rpg/rpg_event_representation_learning/issues/2, "
    "https://github.com/scikit-learn/scikit-learn/issues/10324",
)
def classes_are_numbered_in_two_orders(writer: SummaryWriter) -> None:
    """Classes are counted in the order of a folder's listing, which is another for what is held out."""
    digits, held_out = flat_digits()
    batches = digits.batches(STEPS)
    order = torch.tensor([3, 7, 1, 9, 0, 8, 2, 5, 4, 6])
    _classify(writer, lambda: next(batches), Samples(held_out.x, order[held_out.y]))


def _folds(data: Samples, count: int) -> Iterator[tuple[Samples, Samples]]:
    part = torch.arange(len(data.y)) % count
    for fold in range(count):
        out = part == fold
        yield Samples(data.x[~out], data.y[~out]), Samples(data.x[out], data.y[out])


@patient(
    NO_CODE,
    family="leakage",
    hard=True,
    source="https://github.com/BMEII-AI/RadImageNet/issues/5, https://github.com/McSpooder/camull-net/issues/6",
)
def one_model_for_all_folds(writer: SummaryWriter) -> None:
    """Cross-validation goes on with the model of the fold before, which has seen what is held out now."""
    digits, _ = flat_digits()
    data = Samples(digits.x + 0.25 * torch.randn(digits.x.shape), digits.y)
    model, step = mlp(64, 128, 10), 0
    optimizer = Adam(model.parameters(), 2e-3)
    writer.watch(model, optimizer)
    for seen, held_out in _folds(data, 4):
        for x, y in seen.batches(100):
            optimizer.zero_grad()
            loss = cross_entropy(model(x), y)
            loss.backward()
            writer.add_diagnostics(loss=loss, global_step=step)
            optimizer.step()
            step += 1
            if step % 20 == 0:
                with torch.no_grad():
                    held = cross_entropy(model(held_out.x), held_out.y)
                writer.add_diagnostics(loss=held, phase="validation", global_step=step)
