"""The field's own authors: what is kept, averaged, loaded, read and scheduled; each fault beside its sound twin.

What is right was written down before any of them was run. The loop that keeps its best weights had no patience at first: it went on for fifty epochs
after the best one, and was rightly told so.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from typing import Any

import torch
from clinic.abroad import patient
from clinic.abroad.recipes import folder
from clinic.data import Samples, flat_digits, friedman, square_digits
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW
from torch.optim.lr_scheduler import LambdaLR, MultiStepLR, SequentialLR
from torch.optim.swa_utils import update_bn
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from tb_lossdiag import SummaryWriter

PATIENCE = 10
"""Epochs that are waited for a better one."""


class _EarlyStopping:
    """Keeps the weights of the best epoch, and puts them back."""

    def __init__(self, *, copied: bool) -> None:
        self.best, self.copied, self.best_model_dict = math.inf, copied, {}  # type: float, bool, dict[str, Any]
        self.waited = 0

    def __call__(self, value: float, model: nn.Module) -> None:
        self.waited += 1
        if value < self.best:
            self.best, self.waited = value, 0
            state = model.state_dict()
            self.best_model_dict = copy.deepcopy(state) if self.copied else state


class _Trainer:
    """A class of one's own, as imputation libraries have it."""

    def __init__(self, model: nn.Module, stopper: _EarlyStopping) -> None:
        self.model, self.stopper = model, stopper
        self.optimizer = Adam(model.parameters(), lr=2e-3)
        self.step = 0

    def fit(
        self, writer: SummaryWriter, x: Tensor, y: Tensor, held_x: Tensor, held_y: Tensor
    ) -> float:
        writer.watch(self.model, self.optimizer)
        for _ in range(60):
            self._epoch(writer, x, y)
            self.stopper(self._validate(writer, held_x, held_y), self.model)
            if self.stopper.waited == PATIENCE:
                break
        self.model.load_state_dict(self.stopper.best_model_dict)
        return self._validate(writer, held_x, held_y)

    def _epoch(self, writer: SummaryWriter, x: Tensor, y: Tensor) -> None:
        self.model.train()
        for rows in torch.randperm(len(y)).split(32):
            loss = nn.functional.mse_loss(self.model(x[rows]), y[rows])
            self.optimizer.zero_grad()
            loss.backward()
            writer.add_diagnostics(loss=loss, global_step=self.step)
            self.optimizer.step()
            self.step += 1

    @torch.no_grad()
    def _validate(self, writer: SummaryWriter, x: Tensor, y: Tensor) -> float:
        self.model.eval()
        loss = nn.functional.mse_loss(self.model(x), y)
        writer.add_diagnostics(loss=loss, phase="validation", global_step=self.step)
        return float(loss)


def _stopped(writer: SummaryWriter, *, copied: bool) -> float:
    """Validation loss of what is kept."""
    data = friedman(400, noise=4.0)
    x, y = data.x, data.y.reshape(-1, 1)
    y = (y - y.mean()) / y.std()
    model = nn.Sequential(
        nn.Linear(x.size(1), 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1)
    )
    trainer = _Trainer(model, _EarlyStopping(copied=copied))
    return trainer.fit(writer, x[:200], y[:200], x[200:], y[200:])


@patient("LD640", family="checkpoints", source="https://github.com/WenjieDu/PyPOTS/issues/667")
def field_the_best_weights_are_the_last(writer: SummaryWriter) -> None:
    """`best = model.state_dict()` is no copy: what is put back at the end are the weights that the model has."""
    _stopped(writer, copied=False)


@patient(family="checkpoints", source="https://github.com/WenjieDu/PyPOTS/issues/667")
def field_the_best_weights_are_copied(writer: SummaryWriter) -> None:
    """The same, with `deepcopy`."""
    _stopped(writer, copied=True)


def _normed() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 12, 3, padding=1), nn.BatchNorm2d(12), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(12, 24, 3, padding=1), nn.BatchNorm2d(24), nn.ReLU(), nn.Flatten(),
        nn.Linear(24 * 16, 10),
    )  # fmt: skip


@torch.no_grad()
def _mix(swa: nn.Module, model: nn.Module, before: int) -> None:
    """The mean of all weights since averaging began."""
    for mean, new in zip(swa.parameters(), model.parameters(), strict=True):
        mean.lerp_(new, 1 / (before + 1))


def _averaged(writer: SummaryWriter, *, fixed: bool) -> float:
    """Accuracy of the averaged weights on held-out digits, which is looked at each epoch from the eighth on."""
    data, held_out = square_digits()
    model = _normed()
    swa = copy.deepcopy(model)
    optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)
    writer.watch(model, optimizer)
    right, step = 0.0, 0
    for epoch in range(14):
        for rows in torch.randperm(len(data.y)).split(64):
            loss = nn.functional.cross_entropy(model(data.x[rows]), data.y[rows])
            optimizer.zero_grad()
            loss.backward()
            writer.add_diagnostics(loss=loss, global_step=step)
            optimizer.step()
            step += 1
        if epoch >= 7:
            _mix(swa, model, epoch - 7)
            if fixed:
                update_bn((data.x[part] for part in torch.arange(len(data.y)).split(256)), swa)
            right = _look(writer, swa, held_out, step)
    return right


@torch.no_grad()
def _look(writer: SummaryWriter, model: nn.Module, held_out: Samples, step: int) -> float:
    model.eval()
    answers = model(held_out.x)
    loss = nn.functional.cross_entropy(answers, held_out.y)
    writer.add_diagnostics(loss=loss, phase="validation", global_step=step)
    return float((answers.argmax(1) == held_out.y).float().mean())


@patient(
    "LD622",
    "LD623",
    family="averages",
    source="https://github.com/mosaicml/composer/issues/624",
)
def field_an_average_with_the_first_statistics(writer: SummaryWriter) -> None:
    """Weights are averaged, `update_bn` is forgotten: batch normalisation keeps the statistics that it was made with."""
    _averaged(writer, fixed=False)


@patient(family="averages", source="https://github.com/mosaicml/composer/issues/624")
def field_an_average_with_new_statistics(writer: SummaryWriter) -> None:
    """The same, with `update_bn` before each look."""
    _averaged(writer, fixed=True)


def _warmed(writer: SummaryWriter, *, fixed: bool) -> list[float]:
    """Rates of the training: a warm-up and steps down, as one schedule or as two that know nothing of each other."""
    data, _ = flat_digits()
    model = nn.Sequential(nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 10))
    optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)
    rise = lambda step: min(1.0, (step + 1) / 50)  # noqa: E731
    if fixed:
        parts = [LambdaLR(optimizer, rise), MultiStepLR(optimizer, [150, 250], gamma=0.1)]
        schedulers: list[Any] = [SequentialLR(optimizer, parts, milestones=[50])]
    else:
        schedulers = [MultiStepLR(optimizer, [200, 300], gamma=0.1), LambdaLR(optimizer, rise)]
    writer.watch(model, optimizer)
    rates = []
    for step, (x, y) in enumerate(data.batches(400, 32)):
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
        for scheduler in schedulers:
            scheduler.step()
        rates.append(optimizer.param_groups[0]["lr"])
    return rates


@patient(
    "LD607",
    "LD613",
    family="schedules",
    source="https://github.com/pytorch/pytorch/issues/33416",
)
def field_a_warm_up_that_undoes_the_decay(writer: SummaryWriter) -> None:
    """Two schedules of one optimizer: `LambdaLR` writes its own rate over what `MultiStepLR` has divided by ten, at every step."""
    _warmed(writer, fixed=False)


@patient(family="schedules", source="https://github.com/pytorch/pytorch/issues/33416")
def field_a_warm_up_and_then_a_decay(writer: SummaryWriter) -> None:
    """One after the other, by `SequentialLR`."""
    _warmed(writer, fixed=True)


class _Stream(IterableDataset[tuple[Tensor, Tensor]]):
    """Rows of a file, one after the other, in an order that is drawn anew each time."""

    def __init__(self, data: Samples, *, shared: bool) -> None:
        self.data, self.shared, self.epoch = data, shared, 0

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        drawn = torch.Generator().manual_seed(self.epoch)
        rows = torch.randperm(len(self.data.y), generator=drawn)[:480].tolist()
        info = get_worker_info()
        if self.shared and info is not None:
            rows = rows[info.id :: info.num_workers]
        for row in rows:
            yield self.data.x[row], self.data.y[row]


def _streamed(writer: SummaryWriter, *, shared: bool) -> None:
    """Two workers read a stream."""
    data, _ = flat_digits()
    stream = _Stream(data, shared=shared)
    loader = DataLoader(stream, batch_size=32, num_workers=2)
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = AdamW(model.parameters(), lr=1e-3)
    writer.watch(model, optimizer)
    step = 0
    for epoch in range(6 if shared else 3):
        stream.epoch = epoch
        for x, y in loader:
            loss = nn.functional.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            writer.add_diagnostics(loss=loss, global_step=step)
            optimizer.step()
            step += 1


@patient(
    "LD809",
    family="loaders",
    source="https://github.com/pytorch/pytorch/issues/30599",
)
def field_each_worker_reads_everything(writer: SummaryWriter) -> None:
    """An `IterableDataset` that does not ask which worker it is in: each batch comes twice, one after the other."""
    _streamed(writer, shared=False)


@patient(family="loaders", source="https://github.com/pytorch/pytorch/issues/30599")
def field_each_worker_reads_its_share(writer: SummaryWriter) -> None:
    """The same, with rows shared out by the worker's number."""
    _streamed(writer, shared=True)


class _Scaled(nn.Module):
    """Features are weighed by learned gates, which begin small."""

    def __init__(self, *, registered: bool) -> None:
        super().__init__()
        self.enc = nn.Linear(64, 64)
        prior = torch.full((64,), 0.1, dtype=torch.float64)
        self.gate: Tensor = (
            nn.Parameter(prior.float()) if registered else nn.Parameter(prior).float()
        )
        self.head = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.head(self.enc(x).relu() * self.gate)
        return answer


def _gated(writer: SummaryWriter, *, registered: bool) -> float:
    """How far the gates have moved."""
    data, _ = flat_digits()
    model = _Scaled(registered=registered)
    optimizer = Adam(model.parameters(), lr=1e-3)
    before = model.gate.detach().clone()
    writer.watch(model, optimizer)
    for step, (x, y) in enumerate(data.batches(300, 32)):
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
    return float((model.gate.detach() - before).abs().max())


@patient(
    "LD624",
    "LD603",
    family="parameters",
    source="https://github.com/Jungjaewon/Single_Image_SuperResolution_via_Holistic_Attention_Network/issues/2",
)
def field_a_gate_that_is_no_parameter(writer: SummaryWriter) -> None:
    """`nn.Parameter(...).float()` of double numbers is a copy and no parameter: the model does not hold it, and it stays as it was."""
    _gated(writer, registered=False)


@patient(
    family="parameters",
    source="https://github.com/Jungjaewon/Single_Image_SuperResolution_via_Holistic_Attention_Network/issues/2",
)
def field_a_gate_that_is_a_parameter(writer: SummaryWriter) -> None:
    """The same, brought to single precision before it becomes a parameter."""
    _gated(writer, registered=True)


def _session(writer: SummaryWriter, kept: dict[str, Any], steps: range, *, strict: bool) -> None:
    """Part of a training; the first part is wrapped, as by `DataParallel`, and the second is not."""
    data, _ = flat_digits()
    model: Any = nn.Sequential(
        nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 96), nn.ReLU(), nn.Linear(96, 10)
    )
    optimizer = Adam(model.parameters(), lr=1e-3)
    if kept:
        state = kept["state_dict"]
        if strict:
            state = {name.removeprefix("module."): value for name, value in state.items()}
        model.load_state_dict(state, strict=strict)
        optimizer.load_state_dict(kept["optimizer"])
    writer.watch(model, optimizer)
    for step in steps:
        rows = torch.randint(len(data.y), (32,))
        loss = nn.functional.cross_entropy(model(data.x[rows]), data.y[rows])
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
    kept["state_dict"] = {f"module.{name}": value for name, value in model.state_dict().items()}
    kept["optimizer"] = optimizer.state_dict()


def _continued(writer: SummaryWriter, *, strict: bool) -> None:
    place, kept = folder(writer), {}  # type: str, dict[str, Any]
    for steps in (range(250), range(250, 450)):
        with SummaryWriter(place) as own:
            _session(own, kept, steps, strict=strict)


@patient(
    "LD641",
    "LD113",
    "LD619",
    "LD103",
    family="checkpoints",
    source="https://github.com/pytorch/examples/issues/1029",
)
def field_a_checkpoint_of_which_nothing_fits(writer: SummaryWriter) -> None:
    """All names begin with `module.`, and `strict=False` says nothing of it: the training begins anew in the midst, which LD103 says in these words."""
    _continued(writer, strict=False)


@patient(family="checkpoints", source="https://github.com/pytorch/examples/issues/1029")
def field_a_checkpoint_of_which_all_fits(writer: SummaryWriter) -> None:
    """The same, with names that are brought into line."""
    _continued(writer, strict=True)
