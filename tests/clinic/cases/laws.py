"""Faults that break a law of the training step: what must agree in any correct training does not."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial

import torch
from clinic.case import case
from clinic.data import Samples, flat_digits, friedman
from clinic.loops import fit, validate
from clinic.nets import mlp
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import OneCycleLR

from tb_lossdiag import SummaryWriter


def _in_parts(
    writer: SummaryWriter,
    model: nn.Module,
    optimizer: Optimizer,
    data: Samples,
    parts: int,
    steps: int = 120,
) -> None:
    """Steps of several backward passes, each of the whole loss of its part."""
    loss_of = mse_loss if data.y.is_floating_point() else cross_entropy
    writer.watch(model, optimizer)
    batches = data.batches(parts * steps, 16)
    for step in range(steps):
        loss = torch.zeros(())
        for _ in range(parts):
            x, y = next(batches)
            loss = loss_of(model(x), y)
            loss.backward()
        writer.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        writer.add_diagnostics(loss=loss, global_step=step)


@case("LD408", family="MLP", source="karpathy/nanoGPT#206")
def eight_parts_added_up(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = mlp(64, 64, 10)
    _in_parts(writer, model, AdamW(model.parameters(), lr=1e-3), training, 8)


@case("LD408", family="regression", source="huggingface/transformers#34191")
def thirty_two_parts_added_up(writer: SummaryWriter) -> None:
    model = mlp(10, 32, 1)
    _in_parts(writer, model, SGD(model.parameters(), lr=3e-3), friedman(), 32, 80)


def _off_centre(momentum: float) -> tuple[nn.Module, Samples, Samples]:
    """A network that normalises features far from mean 0 and variance 1; the data, for training and validation."""

    class Shift(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return 20 * torch.relu(x) + 30

    norm = nn.BatchNorm1d(64, momentum=momentum)
    head = (nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 1))
    return nn.Sequential(nn.Linear(10, 64), Shift(), norm, *head), *friedman().split(800)


@case("LD622", family="regression", source="pytorch/pytorch#4741")
def running_statistics_in_a_short_run(writer: SummaryWriter) -> None:
    model, training, validation = _off_centre(0.03)
    batches = training.batches(48, 200)
    fit(writer, model, Adam(model.parameters(), lr=3e-3), batches, mse_loss, validation=validation, every=3)  # fmt: skip


@case("LD622", family="regression")
def running_statistics_hardly_move(writer: SummaryWriter) -> None:
    model, training, validation = _off_centre(1e-4)
    batches = training.batches(400, 100)
    fit(writer, model, Adam(model.parameters(), lr=1e-3), batches, mse_loss, validation=validation)


def _outer_steps(writer: SummaryWriter, *, whole: bool) -> None:
    """Reptile over four brightnesses: eight steps from where the outer weights are, half of the way of which these go; or all of the state."""
    training, validation = flat_digits()
    model = nn.Sequential(nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = SGD(model.parameters(), lr=0.05)
    writer.watch(model, optimizer)
    step = 0
    for task in range(40):
        began = copy.deepcopy(model.state_dict())
        for x, y in training.batches(8):
            optimizer.zero_grad()
            loss = cross_entropy(model(3 * x + task % 4), y)
            loss.backward()
            optimizer.step()
            writer.add_diagnostics(loss=loss, global_step=step)
            step += 1
        ended = copy.deepcopy(model.state_dict())
        model.load_state_dict(began)
        with torch.no_grad():
            for name, kept in (
                model.state_dict() if whole else dict(model.named_parameters())
            ).items():
                kept.copy_(kept + (ended[name] - began[name]) / 2)
        if task % 4 == 3:
            bright = Samples(3 * validation.x + 1.5, validation.y)
            writer.add_diagnostics(loss=validate(model, bright), phase="validation", global_step=step)  # fmt: skip


@case("LD622", family="MLP", also=("LD614",))
def outer_steps_of_parameters_alone(writer: SummaryWriter) -> None:
    _outer_steps(writer, whole=False)


@case(family="MLP")
def outer_steps_of_all_that_is_remembered(writer: SummaryWriter) -> None:
    _outer_steps(writer, whole=True)


@case("LD410", family="MLP")
def backpropagated_twice(writer: SummaryWriter) -> None:
    """A second `backward()` that was made to work with `retain_graph=True`."""
    training, _ = flat_digits()
    model = mlp(64, 64, 10)
    optimizer = SGD(model.parameters(), lr=0.05)
    writer.watch(model, optimizer)
    for step, (x, y) in enumerate(training.batches(300)):
        optimizer.zero_grad()
        loss = cross_entropy(model(x), y)
        loss.backward(retain_graph=True)
        writer.add_diagnostics(loss=loss, global_step=step)
        loss.backward()
        optimizer.step()


@case("LD410", family="MLP", also=("LD104",))
def a_penalty_nobody_logs(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = mlp(64, 64, 10)
    optimizer = Adam(model.parameters(), lr=1e-3)
    writer.watch(model, optimizer)
    for step, (x, y) in enumerate(training.batches(300)):
        optimizer.zero_grad()
        loss = cross_entropy(model(x), y)
        penalty = torch.stack([p.abs().sum() for p in model.parameters()]).sum()
        (loss + 0.05 * penalty).backward()
        optimizer.step()
        writer.add_diagnostics(loss=loss, global_step=step)


def _bootstrapped(
    writer: SummaryWriter,
    update: Callable[[int, nn.Module, nn.Module], None],
    *,
    drawn: bool = False,
) -> None:
    """Values of random walks along ten places, learned from a second network's values of the next place."""
    model = mlp(10, 32, 1)
    target = mlp(10, 32, 1) if drawn else copy.deepcopy(model)
    optimizer = Adam(model.parameters(), lr=3e-3)
    writer.watch(model, optimizer)
    for step in range(600):
        here = torch.randint(0, 9, (64,))
        places = torch.eye(10)
        with torch.no_grad():
            value = target(places[here + 1])
            last = (here == 8).float()[:, None]
            wanted = last + 0.9 * (1 - last) * value
        loss = mse_loss(model(places[here]), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        update(step, target, model)
        writer.add_diagnostics(loss=loss, global_step=step)


@case("LD623", family="RL")
def target_network_never_copied(writer: SummaryWriter) -> None:
    def update(step: int, target: nn.Module, model: nn.Module) -> None:
        if step % 100 == 100:  # it never is
            target.load_state_dict(model.state_dict())

    _bootstrapped(writer, update)


@case("LD623", family="RL")
def target_network_copied_each_step(writer: SummaryWriter) -> None:
    _bootstrapped(writer, lambda _, target, model: _copied(target, model))


@case("LD623", family="RL")
def target_network_given_its_own_state(writer: SummaryWriter) -> None:
    """Both networks are drawn, and the line that copies names one of them twice."""

    def update(step: int, target: nn.Module, _: nn.Module) -> None:
        if step % 50 == 0:
            target.load_state_dict(target.state_dict())

    _bootstrapped(writer, update, drawn=True)


def _copied(target: nn.Module, model: nn.Module) -> None:
    target.load_state_dict(model.state_dict())


def _uneven_digits() -> tuple[Samples, Tensor]:
    """Zeros and, a tenth as often each, two other digits; and how often each class occurs."""
    training, _ = flat_digits()
    rows = [torch.nonzero(training.y == digit).flatten() for digit in range(3)]
    kept = torch.cat([rows[0], rows[1][: len(rows[0]) // 10], rows[2][: len(rows[0]) // 10]])
    return Samples(training.x[kept], training.y[kept]), training.y[kept].bincount().float()


@case("LD522", family="MLP")
def weights_are_the_frequencies(writer: SummaryWriter) -> None:
    training, counts = _uneven_digits()
    model = mlp(64, 32, 3)
    weight = counts / counts.sum() * 3
    loss_of = partial(cross_entropy, weight=weight)
    fit(writer, model, SGD(model.parameters(), lr=0.05), training.batches(300), loss_of)


@case("LD522", family="MLP")
def weights_in_reversed_order(writer: SummaryWriter) -> None:
    training, counts = _uneven_digits()
    model = mlp(64, 32, 3)
    weight = (counts.sum() / (3 * counts)).sort(descending=True).values
    loss_of = partial(cross_entropy, weight=weight)
    fit(writer, model, Adam(model.parameters(), lr=1e-3), training.batches(300), loss_of)


def _ones_and_sevens(writer: SummaryWriter, weight: list[float]) -> None:
    """Two digits that are as frequent, so blurred that they can be taken for each other."""
    training, _ = flat_digits()
    rows = (training.y == 1) | (training.y == 7)
    x = training.x[rows] + 0.6 * torch.randn(int(rows.sum()), 64)
    pairs = Samples(x, (training.y[rows] == 7).long())
    model = mlp(64, 32, 2)
    loss_of = partial(cross_entropy, weight=torch.tensor(weight))
    fit(writer, model, Adam(model.parameters(), lr=1e-3), pairs.batches(300), loss_of)


@case(family="MLP")
def a_mistake_that_costs_ten_times(writer: SummaryWriter) -> None:
    """One of two classes is meant to count more."""
    _ones_and_sevens(writer, [1.0, 10.0])


@case("LD522", family="MLP")
def even_classes_by_weights_of_another_table(writer: SummaryWriter) -> None:
    """The weights were made of counts of which nothing is left."""
    counts = torch.tensor([9312.0, 387.0])
    _ones_and_sevens(writer, (counts.sum() / (2 * counts)).tolist())


class _Listed(nn.Module):
    """Layers in a plain list."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(64, 64), nn.Linear(64, 10)
        self.blocks = [nn.Linear(64, 64) for _ in range(3)]

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.first(x))
        for block in self.blocks:
            x = torch.relu(block(x))
        made: Tensor = self.last(x)
        return made


@case("LD624", family="MLP")
def layers_in_a_plain_list(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = _Listed()
    fit(writer, model, Adam(model.parameters(), lr=1e-3), training.batches(300))


class _Making(nn.Module):
    """Makes something between its layers at each call."""

    def __init__(self, make: Callable[[nn.Module], nn.Module]) -> None:
        super().__init__()
        self.first, self.middle, self.last = nn.Linear(64, 64), nn.Linear(64, 64), nn.Linear(64, 10)
        self.make = make

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.last(torch.relu(self.make(self.middle)(torch.relu(self.first(x)))))
        return made


def _making(writer: SummaryWriter, make: Callable[[nn.Module], nn.Module]) -> None:
    training, _ = flat_digits()
    model = _Making(make)
    fit(writer, model, Adam(model.parameters(), lr=1e-3), training.batches(300))


@case("LD624", family="MLP")
def layers_drawn_at_each_call(writer: SummaryWriter) -> None:
    _making(writer, lambda _: nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64)))


@case(family="MLP")
def normalised_by_a_layer_made_in_forward(writer: SummaryWriter) -> None:
    """`nn.LayerNorm(x.shape[1:])(x)`: its ones and noughts are the same each time."""
    _making(writer, lambda middle: nn.Sequential(middle, nn.LayerNorm(64)))


class _Augmented(nn.Module):
    """A random convolution before the model's own layers, drawn at each call, as RandConv has it."""

    def __init__(self) -> None:
        super().__init__()
        self.drawn, self.rest = nn.Conv2d(1, 1, 3, padding=1, bias=False), mlp(64, 64, 10)

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            drawn = torch.randn(1, 1, 3, 3) / 6
            drawn[0, 0, 1, 1] += 1
            self.drawn.weight = nn.Parameter(drawn)
            x = self.drawn(x.view(-1, 1, 8, 8)).flatten(1)
        answer: Tensor = self.rest(x)
        return answer


@case(family="MLP")
def a_random_convolution_of_the_input(writer: SummaryWriter) -> None:
    """The optimizer holds what is to be trained."""
    training, _ = flat_digits()
    model = _Augmented()
    fit(writer, model, Adam(model.rest.parameters(), lr=1e-3), training.batches(300))


@case(family="MLP")
def a_copy_that_learns_within_forward(writer: SummaryWriter) -> None:
    """First-order meta-learning: a copy of a layer takes a step of its own in each forward pass."""

    def learnt(middle: nn.Module) -> nn.Module:
        own = copy.deepcopy(middle)
        inner = SGD(own.parameters(), lr=0.01)
        with torch.enable_grad():
            own(torch.randn(8, 64)).square().mean().backward()
        inner.step()
        inner.zero_grad()
        return nn.Sequential(own, middle)

    _making(writer, learnt)


@case("LD625", family="MLP", also=("LD103", "LD105"))
def schedule_made_anew_each_epoch(writer: SummaryWriter) -> None:
    """One cycle, meant for the training, in a function that trains one epoch."""
    training, _ = flat_digits()
    model = mlp(64, 64, 10)
    optimizer = SGD(model.parameters(), lr=0.05)
    writer.watch(model, optimizer)
    step = 0
    for _ in range(12):
        scheduler = OneCycleLR(optimizer, max_lr=0.3, total_steps=25)
        for x, y in training.batches(25):
            optimizer.zero_grad()
            loss = cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            scheduler.step()
            writer.add_diagnostics(loss=loss, global_step=step)
            step += 1


@case("LD523", "LD705", "LD511", "LD102", "LD601", "LD606", "LD701", family="MLP")
def all_is_one_class(writer: SummaryWriter) -> None:
    """A rate far too high for Adam: the bias of one class runs away."""
    training, _ = flat_digits()
    model = mlp(64, 64, 10)
    optimizer = Adam(model.parameters(), lr=1.0)
    fit(writer, model, optimizer, training.batches(300))


@case("LD626", family="MLP", also=("LD107", "LD108"))
def validation_is_not_normalised(writer: SummaryWriter) -> None:
    training, validation = flat_digits()
    mean, std = training.x.mean(), training.x.std()
    scaled = Samples((training.x - mean) / std, training.y)
    raw = Samples(16 * validation.x, validation.y)
    model = mlp(64, 64, 10)
    optimizer = Adam(model.parameters(), lr=1e-3)
    fit(writer, model, optimizer, scaled.batches(300), validation=raw, every=25)
